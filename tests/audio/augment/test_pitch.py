"""Pitch shift: the shifts drawn."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError
from tests.audio.pitch_tracking import RATE, median_f0

from soritune.audio.augment.chain import Chain
from soritune.audio.augment.pitch import PitchShift
from soritune.draws import Draws

DRAWS = Draws(0, 0, 0)
TIME = np.arange(RATE) / RATE
VOICE = np.sum([np.sin(2 * np.pi * 150 * k * TIME) / k for k in range(1, 20)], axis=0).astype(np.float32) / 8


def test_pitch_rises_by_the_semitones_drawn() -> None:
    chain = Chain({"pitch": PitchShift(probability=1)})
    drawn = [float(chain.drawn(visit, DRAWS)["pitch"]["semitones"][0]) for visit in range(10)]
    assert min(drawn) < -0.5 and max(drawn) > 0.5
    for visit, semitones in enumerate(drawn):
        changed = chain.apply(VOICE, RATE, visit, DRAWS)
        assert len(changed) == RATE
        assert median_f0(changed) == pytest.approx(150 * 2 ** (semitones / 12), rel=0.01)
    assert not chain.changes_length


def test_shifts_are_uniform_in_the_range() -> None:
    drawn = PitchShift().draw(DRAWS.for_rows("pitch", np.arange(4000)))["semitones"]
    assert -2 <= drawn.min() < -1.99 and 1.99 < drawn.max() <= 2
    assert abs(drawn.mean()) <= 2.576 * 4 / np.sqrt(12 * 4000)


def test_more_than_an_octave_is_refused() -> None:
    with pytest.raises(ValidationError, match="within -12 and 12"):
        PitchShift(semitones=(-13, 0))
