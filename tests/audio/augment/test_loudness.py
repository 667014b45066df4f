"""The level of the speech without its pauses, and its drift."""

from __future__ import annotations

import numpy as np
import pytest

from soritune.audio.augment.chain import Chain
from soritune.audio.augment.loudness import Loudness
from soritune.draws import Draws

RATE, DRAWS = 16000, Draws(0, 0, 0)
TONE = (0.02 * np.sin(2 * np.pi * 440 * np.arange(RATE) / RATE)).astype(np.float32)
TALK = np.concatenate([TONE, np.zeros(RATE, np.float32)])


def db(samples: np.ndarray) -> float:
    return float(10 * np.log10(np.mean(samples.astype(np.float64) ** 2)))


def test_active_speech_has_the_level_drawn() -> None:
    chain = Chain({"loudness": Loudness(probability=1, drift_db=(0, 0))})
    for visit in range(10):
        level = chain.drawn(visit, DRAWS)["loudness"]["level_db"][0]
        changed = chain.apply(TALK, RATE, visit, DRAWS)
        assert db(changed[:RATE]) == pytest.approx(level, abs=0.3)
        assert not changed[RATE:].any()


@pytest.mark.parametrize("drift", [-6.0, 6.0])
def test_level_changes_steadily_by_the_drift(drift: float) -> None:
    chain = Chain({"loudness": Loudness(probability=1, drift_db=(drift, drift))})
    parts = np.split(chain.apply(np.tile(TONE, 2), RATE, 0, DRAWS), 8)
    steps = np.diff([db(part) for part in parts])
    assert steps == pytest.approx(np.full(7, drift / 8), abs=0.02)


def test_loud_speech_is_clipped_and_silence_remains_silent() -> None:
    chain = Chain({"loudness": Loudness(probability=1, level_db=(0, 0), drift_db=(0, 0))})
    assert np.abs(chain.apply(TALK, RATE, 0, DRAWS)).max() == 1.0
    assert not chain.apply(np.zeros(RATE, np.float32), RATE, 0, DRAWS).any()
