"""Cross-entropy, the torch half of `tasks/objectives/cross_entropy.py`."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor, nn

from soritune.models.losses.cells import labelled_cells
from soritune.models.losses.loss import Loss, LossSum
from soritune.tasks.specs import OutputSpec


class CrossEntropyLoss(Loss):
    """Sum of -Σ_k w_k t_k log p_k, counted as Σ w_k t_k, in nats; the quotient is PyTorch's weighted mean."""

    def loss_sum(
        self,
        spec: OutputSpec,
        logits: Tensor,
        num_frames: Tensor,
        targets: Tensor,
        target_lengths: Tensor | None,
        labelled: Tensor,
    ) -> LossSum:
        """`targets` (batch, [frames,] labels) mass, or (batch[, frames]) label ids, below 0 without a label."""
        is_ids = targets.ndim < logits.ndim
        logits, targets, counted = labelled_cells(
            spec, logits, num_frames, targets[..., None] if is_ids else targets, target_lengths, labelled
        )
        if is_ids:
            counted = counted & (targets >= 0)
            targets = nn.functional.one_hot(torch.where(counted, targets, 0)[..., 0], logits.shape[-1])
        mass = torch.where(counted, targets.float(), 0.0)
        weights = spec.options.get("class_weights")
        if weights is not None:
            mass = mass * _constant(tuple(float(weight) for weight in weights), logits.device)
        total = -(mass * torch.log_softmax(logits, dim=-1)).sum()
        return LossSum(total, mass.sum())


@lru_cache(maxsize=32)
def _constant(values: tuple[float, ...], device: torch.device) -> Tensor:
    """Class weights on the device, copied once instead of at every step."""

    return torch.tensor(values, dtype=torch.float32, device=device)


LOSS = CrossEntropyLoss()
