"""Masks of SpecAugment have their widths, and are the same as in earlier versions."""

from __future__ import annotations

import numpy as np
import pytest

from soritune.audio.augment.chain import Chain
from soritune.audio.augment.spec_augment import SpecAugment
from soritune.draws import Draws


def test_masks_have_their_widths_and_stay_within_the_utterance() -> None:
    settings = SpecAugment(time_width_frames=30, feature_width_share=15 / 80)
    shares, widest_time, widest_feature = [], 0, 0
    for n in range(400):
        time, feature = np.zeros(400, dtype=bool), np.zeros(160, dtype=bool)
        settings.mask(np.random.default_rng(n), time, feature)
        shares.append(time.mean())
        widest_time, widest_feature = max(widest_time, time.sum()), max(widest_feature, feature.sum())
    assert 55 < widest_time <= 60 and 55 < widest_feature <= 60
    assert np.mean(shares) == pytest.approx(2 * 15 / 400, rel=0.1)
    short = np.zeros(8, dtype=bool)
    for n in range(50):
        settings.mask(np.random.default_rng(n), short, np.zeros(16, dtype=bool))
        assert short.sum() <= 4
        short[:] = False


def masks(visits: list[int], frames: list[int]) -> list[str]:
    settings = SpecAugment(probability=0.8, time_width_frames=12)
    made = Chain({"spec_augment": settings}).masks(np.array(visits), np.array(frames), 24, Draws(3, 0, 1))
    assert made is not None
    return [
        "".join(".#"[int(hidden)] for hidden in row) for part in (made.time, made.feature) for row in part
    ]


def test_masks_equal_those_of_earlier_versions() -> None:
    """Recorded when the collator drew the masks."""
    assert masks([7, 3, 39, 90], [60, 48, 48, 5]) == [
        "...........................................###########......",
        "...##..............##.......................................",
        "............................................................",
        "............................................................",
        "..................####..",
        ".......###.............#",
        "....................###.",
        ".....##.................",
    ]


def test_masks_of_a_row_do_not_depend_on_other_rows() -> None:
    assert masks([3], [48])[1] == masks([7, 3, 39, 90], [60, 48, 48, 5])[5]


def test_share_of_masked_utterances_is_the_probability() -> None:
    settings = SpecAugment(probability=0.3, time_masks=0, feature_masks=8, feature_width_share=1.0)
    made = Chain({"spec_augment": settings}).masks(np.arange(2000), np.full(2000, 5), 40, Draws(0, 0, 0))
    assert made is not None and made.rectangles.shape == (2000, 0, 4)
    # 99 % of binomial counts of 2000 at 0.3 lie within 53 of 600; eight masks at once hide nothing in 1 of 10^12.
    assert abs(int(made.feature.any(axis=1).sum()) - 600) <= 53
