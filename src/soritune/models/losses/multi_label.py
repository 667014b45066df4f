"""Binary cross-entropy of each label, the torch half of `tasks/objectives/multi_label.py`."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from soritune.models.losses.cells import labelled_cells
from soritune.models.losses.loss import Loss, LossSum
from soritune.tasks.specs import OutputSpec


class MultiLabelLoss(Loss):
    """Sum of -Σ_k t_k log σ(x_k) + (1 - t_k) log(1 - σ(x_k)), counted in labels, in nats."""

    def loss_sum(
        self,
        spec: OutputSpec,
        logits: Tensor,
        num_frames: Tensor,
        targets: Tensor,
        target_lengths: Tensor | None,
        labelled: Tensor,
    ) -> LossSum:
        """`targets` (batch, [frames,] labels), 0 … 1."""
        logits, targets, counted = labelled_cells(spec, logits, num_frames, targets, target_lengths, labelled)
        known = torch.where(counted, targets.float(), 0.0)
        losses = nn.functional.binary_cross_entropy_with_logits(logits, known, reduction="none")
        total = torch.where(counted, losses, 0.0).sum()
        return LossSum(total, counted.sum().float() * logits.shape[-1])

    def log_probabilities(self, spec: OutputSpec, logits: Tensor) -> Tensor:
        """log σ of each logit."""
        return nn.functional.logsigmoid(logits.float())


LOSS = MultiLabelLoss()
