"""Noise has the drawn level relative to the speech without its pauses."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from soritune.audio.augment.chain import Chain
from soritune.audio.augment.noise import AdditiveNoise
from soritune.draws import Draws

RATE = 16000
TONE = (0.3 * np.sin(2 * np.pi * 440 * np.arange(RATE) / RATE)).astype(np.float32)
TALK = np.concatenate([TONE, np.zeros(RATE, np.float32), TONE[: RATE // 2], np.zeros(RATE // 2, np.float32)])
"""1.5 s of a tone of amplitude 0.3, whose mean square is 0.045, and as long a silence."""


def settings(**changes: object) -> AdditiveNoise:
    return AdditiveNoise.model_validate({"probability": 1.0, "snr_db": (-5.0, 35.0), **changes})


@pytest.mark.parametrize("kind", ["steady", "wavering", "hum", "knocks"])
def test_ratio_is_the_one_drawn(kind: str) -> None:
    noisy, draws = settings(kinds=(kind,)), Draws(0, 0, 0)
    drawn = noisy.draw(draws.for_rows("noise", np.arange(40)))["snr_db"]
    measured = []
    for row in range(40):
        added = Chain({"noise": noisy}).apply(TALK, RATE, row, draws).astype(np.float64) - TALK
        measured.append(10 * np.log10(0.045 / np.mean(added**2)))
    assert np.abs(measured - drawn).max() < 0.5
    assert drawn.max() - drawn.min() > 30


def test_constant_offset_does_not_count_as_speech() -> None:
    draws, noisy = Draws(0, 0, 0), Chain({"noise": settings(snr_db=(10.0, 10.0))})
    added = noisy.apply(TALK + np.float32(0.5), RATE, 0, draws).astype(np.float64) - TALK - 0.5
    assert 10 * np.log10(0.045 / np.mean(added**2)) == pytest.approx(10.0, abs=0.5)


def test_colours_fall_over_frequency_as_drawn() -> None:
    speech = np.tile(TALK, 3)
    for exponent in (0.0, 1.0, 2.0):
        noisy = settings(kinds=("steady",), snr_db=(0.0, 0.0), colour_exponent=(exponent, exponent))
        added = Chain({"noise": noisy}).apply(speech, RATE, 0, Draws(0, 0, 0)) - speech
        power = np.abs(np.fft.rfft(added)) ** 2
        hertz = np.fft.rfftfreq(len(added), 1 / RATE)
        bands = [power[(hertz >= low) & (hertz < 1.3 * low)].mean() for low in (200, 400, 800, 1600, 3200)]
        # Power ∝ 1 / f^exponent: 3.01 dB an octave for pink noise.
        assert np.diff(10 * np.log10(bands)) == pytest.approx(-3.01 * exponent, abs=1.0)


def test_silence_remains_silent() -> None:
    silence = np.zeros(RATE, np.float32)
    assert not Chain({"noise": settings()}).apply(silence, RATE, 0, Draws(0, 0, 0)).any()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"snr_db": (30, 5)}, "give a range from low to high within -40 and 100"),
        ({"snr_db": (5, 500)}, "within -40 and 100"),
        ({"kinds": []}, "name at least one kind"),
        ({"kinds": ["babble"]}, "'steady', 'wavering', 'hum' or 'knocks'"),
        ({"snr": (5, 30)}, "Extra inputs"),
    ],
)
def test_invalid_settings_are_refused(given: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        AdditiveNoise.model_validate(given)
