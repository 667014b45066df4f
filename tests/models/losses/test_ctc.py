from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn

from soritune.models.losses.loss import loss_sum
from soritune.tasks.objectives.objective import objective_of
from soritune.testing import ctc_output

FRAMES = torch.tensor([7, 5, 4])


def test_ctc_of_two_frames_worked_by_hand() -> None:
    """Labels blank, a. Frame 1: p(a) = 0.6, frame 2: p(a) = 0.3. "a" is spelt by a-, -a and aa:
    0.6·0.7 + 0.4·0.3 + 0.6·0.3 = 0.72."""
    spec = ctc_output(labels=("_", "a"))
    logits = torch.tensor([[[0.4, 0.6], [0.7, 0.3]]]).log()
    total, count = loss_sum(spec, logits, torch.tensor([2]), torch.tensor([[1]]), torch.tensor([1]))
    assert total.item() == pytest.approx(-math.log(0.72), abs=1e-6)
    assert count.item() == 1


@pytest.mark.parametrize("blank", [0, 4])
def test_ctc_sums_equal_pytorchs_row_by_row(blank: int) -> None:
    torch.manual_seed(0)
    spec = ctc_output(labels=tuple("abcde"), options={"blank": blank})
    logits = torch.randn(3, 7, 5)
    targets, lengths = torch.tensor([[1, 2, 2], [3, 99, 99], [1, 3, 99]]), torch.tensor([3, 1, 2])
    total, count = loss_sum(spec, logits, FRAMES, targets, lengths)
    rows = [
        nn.functional.ctc_loss(
            logits[i, : FRAMES[i]].log_softmax(-1),
            targets[i, : lengths[i]],
            FRAMES[i],
            lengths[i],
            blank=blank,
            reduction="sum",
        )
        for i in range(3)
    ]
    assert total.item() == pytest.approx(sum(rows).item(), rel=1e-5)
    assert count.item() == 6


def test_rows_without_a_label_add_no_loss_and_no_gradient() -> None:
    torch.manual_seed(0)
    spec = ctc_output(labels=tuple("abcde"))
    logits = torch.randn(3, 7, 5, requires_grad=True)
    targets, lengths = torch.tensor([[1, 2, 2], [3, 0, 0], [4, 4, 4]]), torch.tensor([3, 1, 3])
    labelled = torch.tensor([True, True, False])
    part = loss_sum(spec, logits, FRAMES, targets, lengths, labelled)
    alone = loss_sum(spec, logits[:2], FRAMES[:2], targets[:2], lengths[:2])
    assert part.total.item() == pytest.approx(alone.total.item(), rel=1e-6)
    assert part.count.item() == alone.count.item() == 4
    part.total.backward()
    assert logits.grad is not None
    assert logits.grad.isfinite().all()
    assert logits.grad[:2].any()
    assert not logits.grad[2].any()


@pytest.mark.parametrize("symbols", [[1], [1, 1], [1, 2, 3], [1, 1, 2], [2, 2, 2]])
def test_loss_is_finite_exactly_for_the_frames_needed(symbols: list[int]) -> None:
    spec = ctc_output(labels=tuple("_abc"))
    needed = objective_of(spec).frames_needed(spec, np.array(symbols))
    targets, lengths = torch.tensor([symbols]), torch.tensor([len(symbols)])
    for frames in range(1, needed + 2):
        total, _ = loss_sum(spec, torch.zeros(1, frames, 4), torch.tensor([frames]), targets, lengths)
        assert (total.item() < math.inf) == (frames >= needed)


def test_targets_without_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="ctc needs target_lengths"):
        loss_sum(ctc_output(), torch.zeros(1, 3, 12), torch.tensor([3]), torch.tensor([[1]]))
