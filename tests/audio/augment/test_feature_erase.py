"""One rectangle of the features is hidden."""

from __future__ import annotations

import numpy as np

from soritune.audio.augment.chain import Chain
from soritune.audio.augment.feature_erase import FeatureErase
from soritune.audio.augment.spec_augment import SpecAugment
from soritune.draws import Draws


def masks(chain: Chain, frames: list[int], channels: int = 40):
    made = chain.masks(np.arange(len(frames)), np.array(frames), channels, Draws(0, 0, 0))
    assert made is not None
    return made


def test_rectangles_have_the_shares_and_lie_inside_the_utterance() -> None:
    frames = [100 + number for number in range(200)]
    made = masks(Chain({"feature_erase": FeatureErase()}), frames)
    assert not made.time.any() and not made.feature.any()
    assert made.rectangles.shape == (200, 1, 4)
    for (first, end, low, high), size in zip(made.rectangles[:, 0], frames, strict=True):
        assert 0 <= first < end <= size and 0 <= low < high <= 40
        assert 0.045 * size < end - first < 0.305 * size
        assert 4 <= high - low <= 16
    assert len({tuple(corners) for corners in made.rectangles[:, 0].tolist()}) > 190


def test_share_of_erased_utterances_is_the_probability_and_masks_are_united() -> None:
    chain = Chain({"feature_erase": FeatureErase(probability=0.3), "spec_augment": SpecAugment()})
    made = masks(chain, [60] * 1000)
    erased = int((made.rectangles[:, 0, 1] > 0).sum())
    assert abs(erased - 300) <= 37  # 99 % of binomial counts
    assert made.time.any(axis=1).sum() > 900
    alone = masks(Chain({"feature_erase": FeatureErase(probability=0.3)}), [60] * 1000)
    assert np.array_equal(alone.rectangles, made.rectangles)
