"""Cross-entropy over the phones of a text, the torch half of `tasks/objectives/phone_slots.py`."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from soritune.models.heads import Head
from soritune.models.losses.loss import Loss, LossSum
from soritune.models.segment_head import SegmentHead
from soritune.tasks.specs import OutputSpec


class SlotsLoss(Loss):
    """Sum of -log p of each phone's label, in nats."""

    is_traceable: ClassVar[bool] = False
    """The alignment is a search of Python."""

    def head(self, spec: OutputSpec) -> type[Head]:
        """The segment head."""
        return SegmentHead

    def loss_sum(
        self,
        spec: OutputSpec,
        logits: Tensor,
        num_frames: Tensor,
        targets: Tensor,
        target_lengths: Tensor | None,
        labelled: Tensor,
    ) -> LossSum:
        """`targets` (batch, phones) int64, padded with any values; `target_lengths` is required."""
        if target_lengths is None:
            raise ValueError("phone_slots needs target_lengths")
        phones = min(targets.shape[1], logits.shape[1])
        position = torch.arange(phones, device=logits.device)
        counted = (position < target_lengths[:, None]) & labelled[:, None]
        chosen = torch.where(counted, targets[:, :phones], 0)
        given = logits[:, :phones].masked_fill(~counted[..., None], 0.0)
        losses = nn.functional.cross_entropy(given.transpose(1, 2), chosen, reduction="none")
        return LossSum(torch.where(counted, losses, 0.0).sum(), counted.sum().float())


LOSS = SlotsLoss()
