"""Speed perturbation draws the stated factors, the same as in earlier versions."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from pydantic import ValidationError

from soritune.audio.augment.chain import Chain
from soritune.audio.augment.speed import SpeedPerturbation
from soritune.draws import Draws


def factors(rows: int, draws: Draws, **settings: object) -> np.ndarray:
    speed = SpeedPerturbation.model_validate(settings)
    return Chain({"speed": speed}).speed_factors(np.arange(rows), draws)


def test_factors_have_the_stated_shares() -> None:
    drawn = factors(30_000, Draws(0, 0, 0), probability=0.6)
    # 0.6 × 1/3 each for 0.9 and 1.1; the others are 1.0. Three standard errors are below 0.008.
    assert np.mean(drawn == 0.9) == pytest.approx(0.2, abs=0.008)
    assert np.mean(drawn == 1.1) == pytest.approx(0.2, abs=0.008)
    assert np.mean(drawn == 1.0) == pytest.approx(0.6, abs=0.01)
    assert (factors(30_000, Draws(0, 0, 1), probability=0.6) != drawn).any()


def test_draws_equal_those_of_earlier_versions() -> None:
    """Recorded when the collator drew the speeds: runs with the same seed train on the same audio."""
    assert factors(12, Draws(1, 0, 2)).tolist() == [
        0.9, 1.1, 0.9, 1.0, 1.0, 1.0, 1.0, 0.9, 1.1, 1.0, 0.9, 1.0
    ]  # fmt: skip
    many = factors(10_000, Draws(5, 1, 2)).astype("<f8")
    assert hashlib.sha256(many.tobytes()).hexdigest().startswith("1899f5ab9fe650a9")


def test_factor_2_halves_the_length_and_doubles_the_frequency() -> None:
    double = Chain({"speed": SpeedPerturbation(factors=(2.0,), probability=1)})
    tone = np.sin(2 * np.pi * 200 * np.arange(16000) / 16000).astype(np.float32)
    fast = double.apply(tone, 16000, 0, Draws(0, 0, 0))
    assert len(fast) == 8000
    # An octave higher: the peak of the spectrum, 2 Hz a bin, moves from 200 to 400 Hz.
    assert 2 * int(np.abs(np.fft.rfft(fast)).argmax()) == 400


def test_settings_out_of_range_are_refused() -> None:
    with pytest.raises(ValidationError, match="must be between 0.5 and 2.0"):
        SpeedPerturbation(factors=(0.9, 0.0))
    with pytest.raises(ValidationError):
        SpeedPerturbation(probability=1.5)


def test_speeds_that_change_nothing_are_refused() -> None:
    with pytest.raises(ValueError, match="speed factors of 1 change nothing"):
        SpeedPerturbation(factors=(1.0,))
