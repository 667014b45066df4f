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

    Attributes:
        spec: the input.
        silent: names of weights whose gradient may rightly be zero.
    """

    silent: ClassVar[tuple[str, ...]] = ()

    def __init__(self, spec: InputSpec) -> None:
        super().__init__()
        self.spec = spec

    @property
    @abstractmethod
    def width(self) -> int:
        """Channels that it adds to the state that a head reads."""

    @abstractmethod
    def initialise(self, generator: torch.Generator) -> None:
        """New weights, drawn from `generator` alone."""

    @abstractmethod
    def forward(self, inputs: Mapping[str, Tensor], batch: int, frames: int) -> Tensor:
        """The channels that heads read.

        Args:
            inputs: the arrays of `InputKind.pad` as tensors; if they are missing, no row has a value.
            batch: rows.
            frames: encoder frames of the longest row.

        Returns:
            (batch, width) or (batch, frames, width).
        """


def make_input(spec: InputSpec) -> InputModule:
    """The module of an input.

    Raises:
        UnknownNameError: no kind has this name.

    """
    kind: Callable[[InputSpec], InputModule] = load_identifier(
        PACKAGE, "INPUT", spec.encoding, "kind of input"
    )
    return kind(spec)
