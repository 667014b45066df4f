"""Cross-entropy by phone against torch's, and the head of the objective."""

from __future__ import annotations

import pytest
import torch

from soritune.models.losses.loss import loss_of, loss_sum
from soritune.models.segment_head import SegmentHead
from soritune.tasks.specs import OutputSpec

SPEC = OutputSpec("segment", ("[PAD]", "C", "S"), "frame", "phone_slots", options={"blank": 0, "symbols": 4})


def test_loss_is_the_cross_entropy_of_the_phones_alone() -> None:
    logits = torch.randn(2, 6, 3, generator=torch.Generator().manual_seed(0))
    targets = torch.tensor([[1, 2, 1], [2, 0, 0]])
    loss = loss_sum(SPEC, logits, torch.tensor([6, 6]), targets, torch.tensor([3, 1]))
    expected = sum(
        torch.nn.functional.cross_entropy(logits[row, slot], targets[row, slot])
        for row, slot in ((0, 0), (0, 1), (0, 2), (1, 0))
    )
    assert loss.total.item() == pytest.approx(float(expected), rel=1e-6) and loss.count.item() == 4
    with pytest.raises(ValueError, match="target_lengths"):
        loss_sum(SPEC, logits, torch.tensor([6, 6]), targets)


def test_head_is_the_segment_head() -> None:
    assert loss_of(SPEC).head(SPEC) is SegmentHead
