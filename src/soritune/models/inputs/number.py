"""One number per utterance; rows without a number have a learnt one instead."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor, nn

from soritune.models.inputs.input import InputModule
from soritune.tasks.inputs.input import PRESENT
from soritune.tasks.specs import InputSpec


class NumberModule(InputModule):
    """Adds one channel."""

    silent: ClassVar[tuple[str, ...]] = ("absent",)

    def __init__(self, spec: InputSpec) -> None:
        super().__init__(spec)
        self.absent = nn.Parameter(torch.zeros(self.width))
        """(width,) the value of a row without one."""

    @property
    def width(self) -> int:
        """1."""
        return 1

    def initialise(self, generator: torch.Generator) -> None:
        """Sets `absent` to zero, the mean of a standardised number."""

        nn.init.zeros_(self.absent)

    def forward(self, inputs: Mapping[str, Tensor], batch: int, frames: int) -> Tensor:
        """(batch, 1)."""
        values, present = inputs.get(self.spec.name), inputs.get(self.spec.name + PRESENT)
        if values is None or present is None:
            return self.absent.expand(batch, -1)
        return torch.where(present[:, None], values.to(self.absent.dtype), self.absent)


INPUT = NumberModule
