"""The size of a model, checked before it is built: a configuration of a few lines may describe one of any size."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from soritune.errors import ModelError

MOST_LAYERS = 1000
"""Of a model. The largest speech encoders have about 50 layers."""
MOST_WEIGHTS = 20_000_000_000
"""Numbers in a model. The largest speech encoders have about 8 billion."""


def check_depth(
    architecture: Mapping[str, Any], num_layers: int, num_stored: int | None, source: str
) -> None:
    """Refuses a configuration with more layers than a model has.

    Args:
        architecture: the encoder's configuration.
        num_layers: its transformer layers.
        num_stored: how many weights are stored for it; None if they are drawn.
        source: name of the model in errors.

    Raises:
        ModelError: too many layers, more layers than stored weights, or a list of too many numbers.
    """
    lists = {key: len(value) for key, value in architecture.items() if isinstance(value, list | tuple)}
    longest = max(lists, key=lists.__getitem__, default="")
    if num_layers > MOST_LAYERS or lists.get(longest, 0) > MOST_LAYERS:
        fault = (
            f"{num_layers} layers" if num_layers > MOST_LAYERS else f"{lists[longest]} values of {longest}"
        )
        raise ModelError(f"{source} has {fault} in its configuration; at most {MOST_LAYERS} are built")
    if num_stored is not None and num_layers > num_stored:
        raise ModelError(
            f"{source} has {num_layers} layers in its configuration, but only {num_stored} weights; copy it again"
        )


def check_weights(model: nn.Module, source: str) -> None:
    """Refuses a model of too many weights; called with one on the meta device, which has no memory.

    Raises:
        ModelError: it has too many.
    """
    count = sum(weight.numel() for weight in model.parameters())
    if count > MOST_WEIGHTS:
        raise ModelError(
            f"{source} describes a model of {count:,} weights; at most {MOST_WEIGHTS:,} are built, so look at its "
            "configuration"
        )
