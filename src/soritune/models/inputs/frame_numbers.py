"""Numbers along an utterance; rows without values have learnt ones instead."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor, nn

from soritune.models.inputs.input import InputModule
from soritune.tasks.inputs.input import PRESENT
from soritune.tasks.specs import InputSpec


class FrameNumbersModule(InputModule):
    """Adds `width` channels to each frame."""

    silent: ClassVar[tuple[str, ...]] = ("absent",)

    def __init__(self, spec: InputSpec) -> None:
        super().__init__(spec)
        self.absent = nn.Parameter(torch.zeros(self.width))
        """(width,) the values at every frame of a row without values."""

    @property
    def width(self) -> int:
        """Option `width`."""
        return int(self.spec.options.get("width", 1))

    def initialise(self, generator: torch.Generator) -> None:
        """Sets `absent` to zero."""

        nn.init.zeros_(self.absent)

    def forward(self, inputs: Mapping[str, Tensor], batch: int, frames: int) -> Tensor:
        """(batch, frames, width); frames beyond those of the input are zero."""
        values, present = inputs.get(self.spec.name), inputs.get(self.spec.name + PRESENT)
        if values is None or present is None:
            return self.absent.expand(batch, frames, -1)
        values = values[:, :frames].to(self.absent.dtype)
        values = nn.functional.pad(values, (0, 0, 0, frames - values.shape[1]))
        return torch.where(present[:, None, None], values, self.absent)


INPUT = FrameNumbersModule
