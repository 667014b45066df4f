"""Squared error, the torch half of `tasks/objectives/regression.py`."""

from __future__ import annotations

import torch
from torch import Tensor

from soritune.models.losses.cells import labelled_cells
from soritune.models.losses.loss import Loss, LossSum
from soritune.tasks.specs import OutputSpec


class RegressionLoss(Loss):
    """Sum of the squared errors, counted in numbers; the quotient is the mean squared error."""

    def loss_sum(
        self,
        spec: OutputSpec,
        logits: Tensor,
        num_frames: Tensor,
        targets: Tensor,
        target_lengths: Tensor | None,
        labelled: Tensor,
    ) -> LossSum:
        """`targets` (batch, [frames,] labels)."""
        logits, targets, counted = labelled_cells(spec, logits, num_frames, targets, target_lengths, labelled)
        known = torch.where(counted, targets.float(), logits.detach())
        total = (logits - known).square().sum()
        return LossSum(total, counted.sum().float() * logits.shape[-1])

    def log_probabilities(self, spec: OutputSpec, logits: Tensor) -> Tensor:
        """The numbers themselves."""
        return logits.float()


LOSS = RegressionLoss()
