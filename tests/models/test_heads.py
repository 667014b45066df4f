from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from soritune.errors import ModelError
from soritune.models.heads import infeasible_rows, loss_sum, make_head, reading_order
from soritune.testing import class_output, ctc_output

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


def test_rows_without_a_label_take_no_part_and_send_no_gradient() -> None:
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


def test_no_labelled_row_is_a_sum_of_nothing() -> None:
    nobody = torch.zeros(2, dtype=torch.bool)
    logits = torch.randn(2, 3, requires_grad=True)
    nans = torch.full((2, 3), math.nan)
    for spec in (class_output(), class_output(options={"class_weights": [1.0, 2.0, 3.0]})):
        total, count = loss_sum(spec, logits, FRAMES[:2], nans, labelled=nobody)
        assert (total.item(), count.item()) == (0.0, 0.0)
    regression = class_output().__class__("age", ("years", "x", "y"), "utterance", "regression")
    total, count = loss_sum(regression, logits, FRAMES[:2], nans, labelled=nobody)
    total.backward()
    assert (total.item(), count.item()) == (0.0, 0.0)
    assert logits.grad is not None
    assert not logits.grad.any()


def test_infeasible_rows_are_named_and_never_zeroed() -> None:
    # "aab" needs 4 frames (a blank between the a's), "abc" 3, nothing needs none but a frame must be there.
    targets = torch.tensor([[1, 1, 2], [1, 1, 2], [1, 2, 3], [0, 0, 0]])
    lengths, frames = torch.tensor([3, 3, 3, 0]), torch.tensor([3, 4, 3, 0])
    assert infeasible_rows(frames, targets, lengths).tolist() == [True, False, False, True]
    spec = ctc_output(labels=tuple("_abc"))
    total, _ = loss_sum(spec, torch.zeros(4, 4, 4)[:1], frames[:1], targets[:1], lengths[:1])
    assert total.item() == math.inf


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


def test_regression_is_the_mean_squared_error() -> None:
    spec = class_output().__class__("age", ("years", "height"), "utterance", "regression")
    logits, targets = torch.tensor([[1.0, 2.0], [3.0, 4.0]]), torch.tensor([[0.0, 2.0], [3.0, 1.0]])
    total, count = loss_sum(spec, logits, FRAMES, targets)
    assert (total.item(), count.item()) == (10.0, 4.0)


def test_losses_are_float32_under_autocast() -> None:
    logits = torch.randn(1, 50, 5, dtype=torch.bfloat16)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        total, count = loss_sum(
            ctc_output(labels=tuple("abcde")),
            logits,
            torch.tensor([50]),
            torch.tensor([[1, 2]]),
            torch.tensor([2]),
        )
    assert total.dtype == count.dtype == torch.float32


def test_heads_that_make_no_sense_are_refused_in_a_sentence() -> None:
    sizes = {
        "hidden_size": 16, "num_layers": 2, "read_width": 0, "dropout": 0.0, "utterance_dropout": 0.0,
        "projector_size": 8, "pooling": "mean",
    }  # fmt: skip
    frame_classes = class_output().__class__("tone", ("a", "b"), "frame", "cross_entropy")
    for spec, words in [
        (frame_classes, "cross_entropy per frame"),
        (ctc_output(layer=3), "layers 0 … 2"),
        (ctc_output(layer="middle"), "last, weighted or 0 … 2"),
    ]:
        with pytest.raises(ModelError, match=words):
            make_head(spec, **sizes)  # type: ignore[arg-type]


def test_reading_order_puts_the_read_before_the_reader() -> None:
    a, b, c = class_output("a", reads="b"), class_output("b", reads="c"), ctc_output("c")
    assert reading_order([a, b, c]) == ("c", "b", "a")
    with pytest.raises(ModelError, match="not an output of this model"):
        reading_order([class_output("a", reads="nobody")])
    with pytest.raises(ModelError, match="ring"):
        reading_order([class_output("a", reads="b"), class_output("b", reads="a")])
