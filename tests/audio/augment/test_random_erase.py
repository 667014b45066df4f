"""A span of the waveform is replaced, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest

from soritune.audio.augment.chain import Chain
from soritune.audio.augment.random_erase import RandomErase
from soritune.draws import Draws

DRAWS = Draws(0, 0, 0)
CLIP = np.linspace(0.1, 0.9, 10_000, dtype=np.float32)


def spans(**settings: object) -> list[np.ndarray]:
    """The positions that differ, for 300 rows."""
    chain = Chain({"random_erase": RandomErase.model_validate({"probability": 1, **settings})})
    return [np.flatnonzero(chain.apply(CLIP, 16000, visit, DRAWS) != CLIP) for visit in range(300)]


def test_one_span_of_drawn_share_is_silent() -> None:
    chain = Chain({"random_erase": RandomErase(probability=1)})
    for visit, changed in enumerate(spans()):
        share = chain.drawn(visit, DRAWS)["random_erase"]["share"][0]
        assert len(changed) == round(share * 10_000)
        assert np.array_equal(changed, np.arange(changed[0], changed[0] + len(changed)))
        assert not chain.apply(CLIP, 16000, visit, DRAWS)[changed].any()
        assert 0.02 <= share <= 0.2


def test_spans_reach_both_ends() -> None:
    every = np.concatenate(spans())
    assert every.min() < 200 and every.max() > 9_800  # missed once in 400 times


def test_noise_has_the_power_of_the_utterance() -> None:
    chain = Chain({"random_erase": RandomErase(probability=1, fill="noise", share=(1, 1))})
    erased = chain.apply(CLIP, 16000, 0, DRAWS)
    assert np.std(erased) == pytest.approx(np.std(CLIP), rel=0.05)
    assert abs(np.mean(erased)) < 0.02
