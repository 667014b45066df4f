"""The contract of a kind of input, its torch half: from arrays of a batch to channels that heads read.

A member of this folder binds `INPUT` to a subclass of `InputModule`, or to a function from a spec to a module. Its name
is that of its torch-free half (`tasks/inputs/input.py`).

Shapes: batch, frames (encoder frames), width (channels that the input adds).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import ClassVar

import torch
from torch import Tensor, nn

from soritune.registry import load_identifier
from soritune.tasks.specs import InputSpec

PACKAGE = "soritune.models.inputs"


class InputModule(nn.Module, ABC):
    """One input of a model.

    Every parameter must take part in every forward pass: processes that train together exchange a gradient for each.
    A pretrained encoder of the input is its module `encoder`; the weights in it are the group `text` of
    `train.learning_rates`.

    Attributes:
        spec: the input.
        silent: names of weights whose gradient may rightly be zero.
    """

    silent: ClassVar[tuple[str, ...]] = ()

    def __init__(self, spec: InputSpec) -> None:
        super().__init__()
        self.spec = spec

    def connect(self, hidden_size: int) -> None:
        """Makes the weights that depend on the speech encoder's channels; by default none. Called once, before any
        other method."""
        return

    @property
    @abstractmethod
    def width(self) -> int:
        """Channels that it adds to the state that a head reads."""

    def joined_width(self, width: int) -> int:
        """Channels of what `join` returns for a state of `width` channels; by default both together.

        Raises:
            ModelError: it cannot be joined to such a state.
        """
        return width + self.width

    @abstractmethod
    def initialise(self, generator: torch.Generator) -> None:
        """New weights, drawn from `generator` alone."""

    def notice(self) -> str | None:
        """What the licence of the weights that `initialise` copied requires to go with every copy; None if nothing is
        stated. By default, nothing is copied."""
        return None

    @abstractmethod
    def forward(self, inputs: Mapping[str, Tensor], batch: int, frames: int) -> Tensor:
        """The channels that heads read.

        Args:
            inputs: the arrays of `InputKind.pad` as tensors; if they are missing, no row has a value.
            batch: rows.
            frames: encoder frames of the longest row.

        Returns:
            (batch, width) or (batch, frames, width); a module with its own `join` may return another shape.
        """

    def join(self, state: Tensor, values: Tensor, inputs: Mapping[str, Tensor]) -> Tensor:
        """Joins the input to a state that a head reads; by default as further channels.

        Args:
            state: (batch, frames, width); no channels for an output that reads inputs alone.
            values: what `forward` returned.
            inputs: as for `forward`.

        Returns:
            (batch, frames, joined width).
        """
        return torch.cat([state, per_frame(values, state.shape[1]).to(state.dtype)], dim=-1)

    def is_trained(self, name: str) -> bool:
        """Whether the weight `name` of the module is trained where inputs are; by default True."""
        return True

    def can_keep(self, before: InputSpec) -> bool:
        """Whether weights that were trained on the input `before` mean the same here; by default True."""
        return True

    def frozen_modules(self) -> tuple[nn.Module, ...]:
        """Modules that stay in evaluation mode in training, because none of their weights is trained."""
        return ()

    def checkpoint_activations(self) -> None:
        """Recomputes activations in the backward pass, where the module supports it; by default nothing."""
        return

    def files(self) -> dict[str, str]:
        """Text files beside the weights that the module is opened with, name to content; by default none."""
        return {}


def per_frame(values: Tensor, frames: int) -> Tensor:
    """(batch, width) as (batch, frames, width); values per frame are returned unchanged."""
    return values if values.ndim == 3 else values[:, None, :].expand(-1, frames, -1)


def make_input(spec: InputSpec) -> InputModule:
    """The module of an input.

    Raises:
        UnknownNameError: no kind has this name.

    """
    kind: Callable[[InputSpec], InputModule] = load_identifier(
        PACKAGE, "INPUT", spec.encoding, "kind of input"
    )
    return kind(spec)
