from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from soritune.models.losses.loss import loss_sum
from soritune.tasks.specs import OutputSpec

SPEC = OutputSpec("age", ("years", "height"), "utterance", "regression")
PER_FRAME = OutputSpec("pitch", ("semitones", "energy"), "frame", "regression")


def test_regression_is_the_mean_squared_error() -> None:
    logits, targets = torch.tensor([[1.0, 2.0], [3.0, 4.0]]), torch.tensor([[0.0, 2.0], [3.0, 1.0]])
    total, count = loss_sum(SPEC, logits, torch.tensor([7, 5]), targets)
    assert (total.item(), count.item()) == (10.0, 4.0)


def test_frames_equal_pytorchs_mean_over_the_valid_frames() -> None:
    torch.manual_seed(0)
    logits, targets, frames = torch.randn(2, 5, 2), torch.randn(2, 5, 2), torch.tensor([5, 3])
    targets[1, 3:] = math.nan
    total, count = loss_sum(PER_FRAME, logits, frames, targets, frames)
    expected = nn.functional.mse_loss(
        torch.cat([logits[0], logits[1, :3]]), torch.cat([targets[0], targets[1, :3]])
    )
    assert count.item() == 16
    assert (total / count).item() == pytest.approx(expected.item(), rel=1e-6)
