"""Kullback-Leibler divergence to a teacher, the torch half of `tasks/objectives/kl_divergence.py`."""

from __future__ import annotations

import torch
from torch import Tensor

from soritune.models.losses.cells import labelled_cells
from soritune.models.losses.loss import Loss, LossSum
from soritune.tasks.specs import OutputSpec


class KlDivergenceLoss(Loss):
    """Sum of T² Σ_k p_k log(p_k / q_k), counted in rows or frames, in nats.

    q is softmax(logits / T). The teacher's distribution at temperature T follows from its probabilities as softmax of
    log(p) / T, which is p^(1/T), normalised; computed as powers, all of them may underflow at a small T. T² keeps the
    size of the gradient (Hinton et al. 2015, §2).
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
        """`targets` (batch, [frames,] labels), probabilities summing to one."""

        logits, targets, counted = labelled_cells(spec, logits, num_frames, targets, target_lengths, labelled)
        temperature = float(spec.options.get("temperature", 1.0))
        teacher = torch.where(counted, targets.float(), 0.0)
        if temperature != 1.0:
            softened = torch.softmax(torch.where(counted, teacher, 1.0).log() / temperature, dim=-1)
            teacher = torch.where(counted, softened, 0.0)
        student = torch.log_softmax(logits / temperature, dim=-1)
        total = temperature**2 * (torch.xlogy(teacher, teacher) - teacher * student).sum()
        return LossSum(total, counted.sum().float())


LOSS = KlDivergenceLoss()
