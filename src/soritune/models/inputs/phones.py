"""Ids of the phones of a text, as one channel: phone i of the text in frame i, and 0 behind the last one."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from soritune.models.inputs.input import InputModule


class PhonesModule(InputModule):
    """Adds one channel; a head that reads it knows that it is a list (`models/segment_head.py`)."""

    @property
    def width(self) -> int:
        """One."""
        return 1

    def initialise(self, generator: torch.Generator) -> None:
        """There are no weights."""

    def forward(self, inputs: Mapping[str, Tensor], batch: int, frames: int) -> Tensor:
        """(batch, frames, 1); zeros in rows without phones."""
        ids = inputs.get(self.spec.name)
        if ids is None:
            return torch.zeros(batch, frames, 1)
        ids = nn.functional.pad(ids[:, :frames], (0, frames - ids[:, :frames].shape[1]))
        return ids[..., None].float()

    def join(self, state: Tensor, values: Tensor, inputs: Mapping[str, Tensor]) -> Tensor:
        """The ids as the last channel, in the type and on the device of the state."""
        return torch.cat([state, values.to(state)], dim=-1)


INPUT = PhonesModule
