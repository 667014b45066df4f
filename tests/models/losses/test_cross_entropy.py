from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from soritune.models.losses.loss import loss_sum
from soritune.tasks.specs import OutputSpec
from soritune.testing import class_output

FRAMES = torch.tensor([7, 5, 4])


def frame_output(**more: object) -> OutputSpec:
    return OutputSpec("tone", ("low", "high", "none"), "frame", "cross_entropy", **more)  # type: ignore[arg-type]


def test_cross_entropy_is_the_same_for_index_one_hot_and_soft_targets() -> None:
    torch.manual_seed(0)
    logits, ids = torch.randn(4, 3), torch.tensor([0, 2, 2, 1])
    weights = [0.5, 2.0, 1.5]
    spec = class_output(options={"class_weights": weights})
    hot = nn.functional.one_hot(ids, 3).float()
    by_index, by_hot = (loss_sum(spec, logits, FRAMES, targets) for targets in (ids, hot))
    expected = nn.functional.cross_entropy(logits, ids, weight=torch.tensor(weights))
    assert (by_index.total / by_index.count).item() == pytest.approx(expected.item(), rel=1e-6)
    assert by_hot == by_index
    soft = torch.softmax(torch.randn(4, 3), -1)
    total, count = loss_sum(class_output(), logits, FRAMES, soft)
    assert (total / count).item() == pytest.approx(nn.functional.cross_entropy(logits, soft).item(), rel=1e-6)
    # A mix of two clips loses the mix of their losses.
    mixed = loss_sum(spec, logits, FRAMES, 0.3 * hot + 0.7 * hot.flip(0)).total
    parts = [loss_sum(spec, logits, FRAMES, target).total for target in (hot, hot.flip(0))]
    assert mixed.item() == pytest.approx((0.3 * parts[0] + 0.7 * parts[1]).item(), rel=1e-6)


def test_sums_of_micro_batches_add_up_to_the_whole() -> None:
    torch.manual_seed(0)
    logits, ids = torch.randn(4, 3), torch.tensor([0, 2, 2, 1])
    spec = class_output(options={"class_weights": [0.5, 2.0, 1.5]})
    whole = loss_sum(spec, logits, FRAMES, ids)
    parts = [loss_sum(spec, logits[i : i + 1], FRAMES, ids[i : i + 1]) for i in range(4)]
    assert sum(part.total for part in parts).item() == pytest.approx(whole.total.item(), rel=1e-6)
    assert sum(part.count for part in parts).item() == pytest.approx(whole.count.item(), rel=1e-6)


def test_two_frames_worked_by_hand() -> None:
    """p = (0.5, 0.25, 0.25) and (0.1, 0.8, 0.1); labels 0 and 1, with weights 2 and 1: the loss is 2 ln 2 - ln 0.8
    over a mass of 3. The third frame is padding."""
    probabilities = torch.tensor([[[0.5, 0.25, 0.25], [0.1, 0.8, 0.1], [1e-9, 1e-9, 1.0]]])
    spec = frame_output(options={"class_weights": [2.0, 1.0, 5.0]})
    mass = torch.tensor([[[1.0, 0, 0], [0, 1.0, 0], [0, 0, 0]]])
    total, count = loss_sum(spec, probabilities.log(), torch.tensor([2]), mass, torch.tensor([2]))
    assert total.item() == pytest.approx(2 * math.log(2) - math.log(0.8), abs=1e-6)
    assert count.item() == 3


@pytest.mark.parametrize("weights", [None, [0.5, 2.0, 1.5]])
def test_frames_equal_pytorchs_mean_with_ignore_index(weights: list[float] | None) -> None:
    """Frames without a label, frames of padding and rows without a label are what PyTorch ignores."""
    torch.manual_seed(1)
    logits = torch.randn(3, 7, 3, requires_grad=True)
    ids = torch.randint(0, 3, (3, 7))
    ids[0, 2] = -1
    labelled = torch.tensor([True, True, False])
    spec = frame_output(options={"class_weights": weights})
    targets = ids.clone()
    padding = torch.arange(7) >= FRAMES[:, None]
    targets[padding] = 2  # any value
    total, count = loss_sum(spec, logits, FRAMES, targets, FRAMES, labelled)
    ignored = ids.masked_fill(padding | ~labelled[:, None], -1)
    expected = nn.functional.cross_entropy(
        logits.flatten(0, 1),
        ignored.flatten(),
        weight=None if weights is None else torch.tensor(weights),
        ignore_index=-1,
    )
    assert (total / count).item() == pytest.approx(expected.item(), rel=1e-6)
    ours, theirs = (torch.autograd.grad(loss, logits)[0] for loss in (total / count, expected))
    assert torch.allclose(ours, theirs, atol=1e-7)
