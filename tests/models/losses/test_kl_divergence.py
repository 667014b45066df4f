from __future__ import annotations

import math

import pytest
import torch
from scipy.stats import entropy
from torch import nn

from soritune.models.losses.loss import loss_sum
from soritune.tasks.specs import OutputSpec, Resolution


def output(resolution: Resolution = "utterance", **options: float) -> OutputSpec:
    return OutputSpec("soft", ("a", "b", "c"), resolution, "kl_divergence", options=options)


def test_one_row_worked_by_hand() -> None:
    """Teacher (0.5, 0.5, 0), student (0.25, 0.5, 0.25): 0.5 ln 2 + 0.5 ln 1 + 0."""
    student = torch.tensor([[0.25, 0.5, 0.25]]).log()
    total, count = loss_sum(output(), student, torch.tensor([9]), torch.tensor([[0.5, 0.5, 0.0]]))
    assert total.item() == pytest.approx(0.5 * math.log(2), abs=1e-6)
    assert count.item() == 1


def test_temperature_of_two_worked_by_hand() -> None:
    """At T = 2 probabilities (0.64, 0.36, 0) become their roots (0.8, 0.6, 0) / 1.4, the student's
    (0.25, 0.25, 0.5) with the logits ln become roots (0.5, 0.5, 0.7071) / 1.7071; the divergence is multiplied by 4."""
    student = torch.tensor([[0.25, 0.25, 0.5]]).log()
    total, _ = loss_sum(
        output(temperature=2.0), student, torch.tensor([9]), torch.tensor([[0.64, 0.36, 0.0]])
    )
    p, q = (4 / 7, 3 / 7), 0.5 / (1 + math.sqrt(0.5))
    expected = 4 * (p[0] * math.log(p[0] / q) + p[1] * math.log(p[1] / q))
    assert total.item() == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("temperature", [1.0, 3.0])
def test_rows_equal_pytorchs_and_scipys_divergence_of_logits(temperature: float) -> None:
    """The teacher's logits are divided by the temperature too; the loss gets only its probabilities."""
    torch.manual_seed(0)
    teacher, student = torch.randn(6, 3), torch.randn(6, 3, requires_grad=True)
    total, count = loss_sum(
        output(temperature=temperature), student, torch.full((6,), 9), torch.softmax(teacher, -1)
    )
    soft = torch.softmax(teacher / temperature, -1)
    log_student = torch.log_softmax(student / temperature, -1)
    expected = temperature**2 * nn.functional.kl_div(log_student, soft, reduction="batchmean")
    assert (total / count).item() == pytest.approx(expected.item(), rel=1e-5)
    ours, theirs = (
        torch.autograd.grad(loss, student, retain_graph=True)[0] for loss in (total / count, expected)
    )
    assert torch.allclose(ours, theirs, atol=1e-6)
    by_scipy = entropy(soft.double().numpy(), log_student.detach().double().exp().numpy(), axis=1)
    assert (total / count).item() == pytest.approx(temperature**2 * by_scipy.mean(), rel=1e-5)


def test_frames_equal_pytorchs_divergence_of_the_valid_frames() -> None:
    torch.manual_seed(1)
    student, frames = torch.randn(2, 5, 3), torch.tensor([5, 2])
    teacher = torch.softmax(torch.randn(2, 5, 3), -1)
    teacher[1, 2:] = math.nan
    total, count = loss_sum(output("frame"), student, frames, teacher, frames)
    there = torch.cat([teacher[0], teacher[1, :2]])
    expected = nn.functional.kl_div(
        torch.log_softmax(torch.cat([student[0], student[1, :2]]), -1), there, reduction="batchmean"
    )
    assert count.item() == 7
    assert (total / count).item() == pytest.approx(expected.item(), rel=1e-5)


def test_one_hot_teacher_gives_the_cross_entropy() -> None:
    torch.manual_seed(2)
    logits, ids = torch.randn(4, 3), torch.tensor([0, 2, 2, 1])
    total, count = loss_sum(output(), logits, torch.full((4,), 9), nn.functional.one_hot(ids, 3))
    assert (total / count).item() == pytest.approx(nn.functional.cross_entropy(logits, ids).item(), rel=1e-6)


@pytest.mark.parametrize("temperature", [1e-3, 1e-2])
def test_low_temperature_gives_the_cross_entropy_of_the_likeliest_label(temperature: float) -> None:
    """p^1000 of 0.2, 0.3 and 0.5 is 0 in float32. Normalised it is (0, 0, 1), so the loss is the cross-entropy of the
    logits / T to the label c. Rows without a target, which are zero, have no gradient."""
    student = torch.tensor([[0.02, -0.01, 0.0], [0.5, 0.5, 0.5]], requires_grad=True)
    teacher = torch.tensor([[0.2, 0.3, 0.5], [0.0, 0.0, 0.0]])
    labelled = torch.tensor([True, False])
    total, count = loss_sum(
        output(temperature=temperature), student, torch.tensor([9, 9]), teacher, None, labelled
    )
    expected = temperature**2 * nn.functional.cross_entropy(student[:1] / temperature, torch.tensor([2]))
    assert count.item() == 1
    assert total.item() == pytest.approx(expected.item(), rel=1e-5)
    ours, theirs = (torch.autograd.grad(loss, student, retain_graph=True)[0] for loss in (total, expected))
    assert torch.allclose(ours, theirs, rtol=1e-5, atol=0)


def test_label_of_probability_zero_keeps_it_at_a_low_temperature() -> None:
    """A teacher (0, 1/4, 3/4) at T = 1/2: squares (0, 1/16, 9/16), normalised (0, 0.1, 0.9); the student's logits are
    ln (1, 1, 1)."""
    student, teacher = torch.zeros(1, 3), torch.tensor([[0.0, 0.25, 0.75]])
    total, _ = loss_sum(output(temperature=0.5), student, torch.tensor([9]), teacher)
    expected = 0.25 * (0.1 * math.log(0.3) + 0.9 * math.log(2.7))
    assert total.item() == pytest.approx(expected, rel=1e-5)
