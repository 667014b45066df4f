"""MixUp: samples, targets and the loss, worked by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from soritune.audio.augment.chain import Chain
from soritune.audio.augment.mixing import MixableBatch
from soritune.audio.augment.mixup import MixUp
from soritune.draws import Draws
from soritune.models.losses.loss import loss_sum
from soritune.testing import class_output

BATCH = MixableBatch(
    np.array([[1, 1, 1, 1], [2, 2, 0, 0]], np.float32),
    np.array([4, 2]),
    {"emotion": np.array([[1, 0], [0, 1]], np.float32)},
    {"emotion": np.array([True, True])},
)


class Fixed(np.random.Generator):
    """A generator whose beta distribution gives 0.25."""

    def beta(self, a, b, size=None):
        return np.full(size, 0.25)


def fixed() -> Fixed:
    return Fixed(np.random.PCG64(0))


def test_samples_and_targets_are_averaged_with_the_larger_share_for_the_utterance_itself() -> None:
    mixed = MixUp().mix(BATCH, fixed())
    # 0.75 × 1 + 0.25 × 2 where the partner has sound, 0.75 × 1 where it has ended; 0.75 × 2 + 0.25 × 1 until the end of
    # the second utterance.
    assert mixed.waveform.tolist() == [[1.25, 1.25, 0.75, 0.75], [1.75, 1.75, 0, 0]]
    assert mixed.targets["emotion"].tolist() == [[0.75, 0.25], [0.25, 0.75]]
    assert mixed.num_samples.tolist() == [4, 2]


def test_loss_is_the_mean_of_the_losses_of_both_labels() -> None:
    """p = (0.5, 0.25, 0.25): - 0.75 ln 0.5 - 0.25 ln 0.25 = 0.8664 for the first; p = (0.1, 0.8, 0.1): - 0.25 ln 0.1 -
    0.75 ln 0.8 = 0.7430 for the second."""
    targets = torch.from_numpy(MixUp().mix(BATCH, fixed()).targets["emotion"])
    targets = torch.cat([targets, torch.zeros(2, 1)], dim=1)
    logits = torch.tensor([[0.5, 0.25, 0.25], [0.1, 0.8, 0.1]]).log()
    total, count = loss_sum(class_output(), logits, torch.tensor([7, 7]), targets)
    by_hand = -0.75 * math.log(0.5) - 0.25 * math.log(0.25) - 0.25 * math.log(0.1) - 0.75 * math.log(0.8)
    assert total.item() == pytest.approx(by_hand, abs=1e-6) == pytest.approx(0.8664 + 0.7430, abs=1e-3)
    assert count.item() == pytest.approx(2.0)


def test_shares_follow_the_beta_distribution() -> None:
    """Beta(1, 1) is uniform; of the larger one of share and 1 - share, the mean is 0.75 and the variance 1/48."""
    chain = Chain({"mixup": MixUp(probability=1, alpha=1.0)})
    shares = np.array([chain.mix(BATCH, Draws(0, 0, 0), n).targets["emotion"][0, 0] for n in range(2000)])
    assert shares.min() >= 0.5
    assert abs(shares.mean() - 0.75) <= 2.576 * np.sqrt(1 / 48 / 2000)


@pytest.mark.parametrize("alpha", [0, -1])
def test_alpha_is_positive(alpha: float) -> None:
    with pytest.raises(ValueError, match="greater than 0"):
        MixUp(alpha=alpha)
