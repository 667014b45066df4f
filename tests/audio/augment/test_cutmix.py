"""CutMix: the span, the targets and the loss, worked by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from soritune.audio.augment.chain import Chain
from soritune.audio.augment.cutmix import CutMix
from soritune.audio.augment.mixing import MixableBatch
from soritune.draws import Draws
from soritune.models.losses.loss import loss_sum
from soritune.testing import class_output

BATCH = MixableBatch(
    np.stack([np.ones(10, np.float32), np.where(np.arange(10) < 8, 2, 0).astype(np.float32)]),
    np.array([10, 8]),
    {"emotion": np.array([[1, 0, 0], [0, 1, 0]], np.float32)},
    {"emotion": np.array([True, True])},
)


class Fixed(np.random.Generator):
    """A generator that replaces 30 % of an utterance, in the middle of the places where it fits."""

    def beta(self, a, b, size=None):
        return np.full(size, 0.3)

    def random(self, size=None):
        return np.full(size, 0.5)


def mixed() -> MixableBatch:
    return CutMix().mix(BATCH, Fixed(np.random.PCG64(0)))


def test_span_of_the_partner_replaces_samples_and_targets_follow_its_share() -> None:
    # Of the first, 3 of 10 samples, from round(0.5 × (8 - 3)) = 2; of the second, round(0.3 × 8) = 2 of 8, from 3.
    assert mixed().waveform.tolist() == [[1, 1, 2, 2, 2, 1, 1, 1, 1, 1], [2, 2, 2, 1, 1, 2, 2, 2, 0, 0]]
    assert np.allclose(mixed().targets["emotion"], [[0.7, 0.3, 0], [0.25, 0.75, 0]])
    assert mixed().num_samples.tolist() == [10, 8]
    assert BATCH.waveform[0].tolist() == [1] * 10


def test_loss_is_the_mean_of_the_losses_of_both_labels() -> None:
    """p = (0.5, 0.25, 0.25) and (0.1, 0.8, 0.1): - 0.7 ln 0.5 - 0.3 ln 0.25 - 0.25 ln 0.1 - 0.75 ln 0.8."""
    logits = torch.tensor([[0.5, 0.25, 0.25], [0.1, 0.8, 0.1]]).log()
    targets = torch.from_numpy(mixed().targets["emotion"])
    total, count = loss_sum(class_output(), logits, torch.tensor([7, 7]), targets)
    by_hand = -0.7 * math.log(0.5) - 0.3 * math.log(0.25) - 0.25 * math.log(0.1) - 0.75 * math.log(0.8)
    assert total.item() == pytest.approx(by_hand, abs=1e-6) == pytest.approx(1.6440, abs=1e-3)
    assert count.item() == pytest.approx(2.0)


def test_spans_vary_and_stay_inside_both_utterances() -> None:
    chain, lengths = Chain({"cutmix": CutMix(probability=1)}), []
    for number in range(300):
        changed = chain.mix(BATCH, Draws(0, 0, 0), number)
        replaced = np.flatnonzero(changed.waveform[0] == 2)
        lengths.append(len(replaced))
        assert len(replaced) <= 8 and (replaced < 8).all()
        assert changed.targets["emotion"][0, 1] == pytest.approx(len(replaced) / 10)
        assert not changed.waveform[1, 8:].any()
    assert set(lengths) == set(range(9))
