from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from sklearn.metrics import log_loss
from torch import nn

from soritune.models.losses.loss import log_probabilities, loss_sum
from soritune.tasks.specs import OutputSpec, Resolution


def output(resolution: Resolution) -> OutputSpec:
    return OutputSpec("events", ("cough", "laugh", "noise"), resolution, "multi_label")


def test_one_row_worked_by_hand() -> None:
    """σ = 0.5, 0.8, 0.9 and labels yes, no, yes: ln 2 + ln 5 - ln 0.9 over three labels."""
    logits = torch.tensor([[0.5, 0.8, 0.9]]).logit()
    total, count = loss_sum(output("utterance"), logits, torch.tensor([9]), torch.tensor([[1.0, 0.0, 1.0]]))
    assert total.item() == pytest.approx(math.log(2) + math.log(5) - math.log(0.9), abs=1e-6)
    assert count.item() == 3
    scores = log_probabilities(output("utterance"), logits)
    assert scores[0].tolist() == pytest.approx(np.log([0.5, 0.8, 0.9]).tolist(), abs=1e-6)


def test_rows_equal_pytorchs_and_scikit_learns_mean() -> None:
    torch.manual_seed(0)
    logits, targets = torch.randn(6, 3), (torch.rand(6, 3) > 0.5).float()
    total, count = loss_sum(output("utterance"), logits, torch.full((6,), 9), targets)
    mean = (total / count).item()
    assert mean == pytest.approx(
        nn.functional.binary_cross_entropy_with_logits(logits, targets).item(), rel=1e-6
    )
    columns = [log_loss(targets[:, k], logits.sigmoid()[:, k].double(), labels=[0, 1]) for k in range(3)]
    assert mean == pytest.approx(float(np.mean(columns)), rel=1e-5)


def test_frames_equal_pytorchs_mean_over_the_valid_frames() -> None:
    torch.manual_seed(1)
    logits, targets, frames = (
        torch.randn(2, 5, 3, requires_grad=True),
        torch.rand(2, 5, 3),
        torch.tensor([5, 2]),
    )
    targets[1, 2:] = math.nan
    total, count = loss_sum(output("frame"), logits, frames, targets, frames)
    expected = nn.functional.binary_cross_entropy_with_logits(
        torch.cat([logits[0], logits[1, :2]]), torch.cat([targets[0], targets[1, :2]])
    )
    assert count.item() == 21
    assert (total / count).item() == pytest.approx(expected.item(), rel=1e-6)
    ours, theirs = (torch.autograd.grad(loss, logits)[0] for loss in (total / count, expected))
    assert torch.allclose(ours, theirs, atol=1e-7)
