from __future__ import annotations

import math

import pytest
import torch

from soritune.errors import ModelError, TaskError, UnknownNameError
from soritune.models.heads import FrameHead, UtteranceHead
from soritune.models.losses.loss import head_kind, loss_sum, make_head
from soritune.tasks.specs import OutputSpec
from soritune.testing import class_output, ctc_output

SIZES = {
    "width": 16, "num_layers": 2, "dropout": 0.0, "utterance_dropout": 0.0,
    "projector_size": 8, "pooling": "mean",
}  # fmt: skip
FRAMES = torch.tensor([7, 5])


def test_batch_without_labels_has_zero_loss_and_count() -> None:
    none = torch.zeros(2, dtype=torch.bool)
    logits = torch.randn(2, 3, requires_grad=True)
    nans = torch.full((2, 3), math.nan)
    for spec in (class_output(), class_output(options={"class_weights": [1.0, 2.0, 3.0]})):
        total, count = loss_sum(spec, logits, FRAMES, nans, labelled=none)
        assert (total.item(), count.item()) == (0.0, 0.0)
    regression = OutputSpec("age", ("years", "x", "y"), "utterance", "regression")
    total, count = loss_sum(regression, logits, FRAMES, nans, labelled=none)
    total.backward()
    assert (total.item(), count.item()) == (0.0, 0.0)
    assert logits.grad is not None
    assert not logits.grad.any()


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


def test_head_follows_from_objective_and_resolution() -> None:
    for name in ("cross_entropy", "multi_label", "kl_divergence", "regression"):
        frame, utterance = (OutputSpec("x", ("a", "b"), r, name) for r in ("frame", "utterance"))  # type: ignore[arg-type]
        assert isinstance(make_head(frame, **SIZES), FrameHead)  # type: ignore[arg-type]
        assert isinstance(make_head(utterance, **SIZES), UtteranceHead)  # type: ignore[arg-type]
    assert isinstance(make_head(ctc_output(), **SIZES), FrameHead)  # type: ignore[arg-type]


def test_invalid_heads_are_refused() -> None:
    for spec, error, words in [
        (OutputSpec("x", ("_", "a"), "utterance", "ctc"), TaskError, "ctc per utterance; ctc is per frame"),
        (OutputSpec("x", ("a", "b"), "frame", "crossentropy"), UnknownNameError, "mean 'cross_entropy'"),
        (ctc_output(layer=3), ModelError, "layers 0 … 2"),
        (ctc_output(layer="middle"), ModelError, "last, weighted or 0 … 2"),
    ]:
        with pytest.raises(error, match=words):
            make_head(spec, **SIZES)  # type: ignore[arg-type]


def test_head_kind_of_outputs() -> None:
    assert head_kind(ctc_output(), "mean") == "ctc"
    assert head_kind(class_output(), "mean") == "classification"
    assert head_kind(class_output(layer="weighted"), "mean") == "classification"
    for spec in (
        ctc_output(layer=3),
        ctc_output(layer="weighted"),
        class_output(layer=2),
        class_output(reads="x"),
        OutputSpec("tone", ("low", "high"), "frame", "cross_entropy"),
    ):
        assert head_kind(spec, "mean") is None
    assert head_kind(class_output(), "attentive") is None
