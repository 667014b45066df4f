"""The part of a model that training changes: all that a training checkpoint stores of it."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import torch
from torch import Tensor

from soritune.errors import ModelError


def trainable_state(model: torch.nn.Module, also: Collection[str] = ()) -> dict[str, Tensor]:
    """Trained parameters and all buffers by name. Detached, not copied.

    Args:
        model: any.
        also: names of parameters that were trained before and are not now.
    """
    trained = {
        name: value.detach()
        for name, value in model.named_parameters()
        if value.requires_grad or name in also
    }
    return {**trained, **{name: value.detach() for name, value in model.named_buffers()}}


def load_trainable_state(
    model: torch.nn.Module, state: Mapping[str, Tensor], also: Collection[str] = ()
) -> None:
    """Writes the values of a `trainable_state` into the model, in place.

    Raises:
        ModelError: other names or shapes than this model trains: the checkpoint belongs to another recipe.
    """
    current = trainable_state(model, also)
    odd = sorted(set(current) ^ set(state)) or sorted(
        name for name in current if current[name].shape != state[name].shape
    )
    if odd:
        raise ModelError(
            f"the checkpoint does not fit the model: {len(odd)} weights differ, first {odd[0]}; "
            "resume with the recipe it was written by"
        )
    with torch.no_grad():
        for name, value in current.items():
            value.copy_(state[name])
