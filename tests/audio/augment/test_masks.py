"""The contract of masks: the arrays a member receives, their union, and the default probability."""

from __future__ import annotations

import numpy as np

from soritune.audio.augment.chain import Chain
from soritune.audio.augment.masks import Masking
from soritune.draws import Draws


class First(Masking):
    """Hides the first frames and the first channel."""

    frames: int = 2

    def mask(self, rng: np.random.Generator, time: np.ndarray, feature: np.ndarray) -> None:
        time[: self.frames] = True
        feature[0] = True


class Last(Masking):
    """Hides the last frame of the utterance."""

    def mask(self, rng: np.random.Generator, time: np.ndarray, feature: np.ndarray) -> None:
        time[-1] = True


def masks(chain: Chain, frames: list[int]) -> tuple[np.ndarray, np.ndarray]:
    made = chain.masks(np.arange(len(frames)), np.array(frames), 3, Draws(0, 0, 0))
    assert made is not None
    return made.time, made.feature


def test_every_utterance_is_masked_by_default_and_none_at_probability_0() -> None:
    time, feature = masks(Chain({"first": First()}), [4, 4, 4])
    assert time.tolist() == [[True, True, False, False]] * 3
    assert feature.tolist() == [[True, False, False]] * 3
    time, feature = masks(Chain({"first": First(probability=0)}), [4, 4, 4])
    assert not time.any() and not feature.any()


def test_member_receives_only_the_frames_of_the_utterance() -> None:
    time, _ = masks(Chain({"last": Last()}), [2, 4])
    assert time.tolist() == [[False, True, False, False], [False, False, False, True]]


def test_masks_of_several_members_are_united() -> None:
    time, _ = masks(Chain({"first": First(frames=1), "last": Last()}), [3])
    assert time.tolist() == [[True, False, True]]


def test_chain_without_masks_and_batch_without_rows_have_no_masks() -> None:
    empty = np.array([], dtype=np.int64)
    assert Chain({}).masks(np.arange(2), np.array([3, 3]), 3, Draws(0, 0, 0)) is None
    assert Chain({"first": First()}).masks(empty, empty, 3, Draws(0, 0, 0)) is None
