"""CTC (Graves et al. 2006), the torch half of `tasks/objectives/ctc.py`."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from soritune.models.hub_names import HeadKind
from soritune.models.losses.loss import Loss, LossSum
from soritune.tasks.objectives.ctc import blank_of
from soritune.tasks.specs import OutputSpec


class CtcLoss(Loss):
    """Sum of -log p(targets | frames) (Graves et al. 2006, eq. 8) over the labelled rows, in nats.

    A row with too few frames for its symbols has an infinite loss, which the training loop reports; the collator leaves
    such rows out.
    """

    def loss_sum(
        self,
        spec: OutputSpec,
        logits: Tensor,
        num_frames: Tensor,
        targets: Tensor,
        target_lengths: Tensor | None,
        labelled: Tensor,
    ) -> LossSum:
        """`targets` (batch, symbols) int64, padded with any values; `target_lengths` is required."""
        if target_lengths is None:
            raise ValueError("ctc needs target_lengths")
        lengths, blank = target_lengths, blank_of(spec)
        position = torch.arange(targets.shape[1], device=targets.device)
        # Rows without a label are computed with one frame and no symbols, which keeps them finite.

        losses = nn.functional.ctc_loss(
            torch.log_softmax(logits, dim=-1).transpose(0, 1),
            torch.where(labelled[:, None] & (position < lengths[:, None]), targets, 0 if blank else 1),
            torch.where(labelled, num_frames, 1),
            torch.where(labelled, lengths, 0),
            blank=blank,
            reduction="none",
        )
        total = torch.where(labelled, losses, 0.0).sum()
        return LossSum(total, torch.where(labelled, lengths, 0).sum().float())

    def head_kind(self, spec: OutputSpec, pooling: str) -> HeadKind | None:
        """The head of `ForCTC`, which reads the last state."""
        return "ctc" if spec.layer == "last" and not spec.head else None


LOSS = CtcLoss()
