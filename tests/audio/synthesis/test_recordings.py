"""Recordings of synthetic speech remain bit-identical: sixty of them are compared with those of an
earlier version."""

from __future__ import annotations

import hashlib
import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soxr

from soritune.audio.synthesis.recording import RecordingSettings, at_level, draw_recording, record

RATE = 16000
EXPECTED = json.loads((Path(__file__).parent / "recordings.json").read_text(encoding="utf-8"))
SETTINGS: tuple[dict[str, Any], ...] = (
    {},
    {"room": 1.0, "noise": 1.0, "babble": 0.0, "telephone": 0.0},
    {"room": 0.5, "noise": 1.0, "babble": 1.0},
    {"telephone": 1.0},
    {"compressed": 1.0, "clipped": 1.0, "narrow": 1.0},
    {"room": 0.0, "noise": 0.0, "microphone_db": 0.0, "narrow": 0.0, "silence_s": (0.0, 0.0)},
)


def speech(seed: int) -> np.ndarray:
    """Bursts of a harmonic sound with pauses, 0.1 to 2.5 s."""
    rng = np.random.default_rng((seed, 11))
    time = np.arange(round(rng.uniform(0.1, 2.5) * RATE)) / RATE
    voice = sum(np.sin(2 * np.pi * 120 * k * time + rng.uniform(0, 6)) / k for k in range(1, 12))
    bursts = np.interp(time, np.arange(0, 3, 0.15), rng.random(20) * (rng.random(20) > 0.25))
    return (0.2 * bursts * voice).astype(np.float32)


def recorded(number: int) -> np.ndarray:
    """The recording `number`."""
    settings = RecordingSettings.model_validate(SETTINGS[number % len(SETTINGS)])
    rng = np.random.default_rng((number, 12))
    recording = at_level(draw_recording(rng, settings), (-3.0, 0.0, 4.0)[number % 3])
    babble = np.concatenate([speech(1000 + number), speech(2000 + number)])
    return record(speech(number), recording, RATE, rng, babble)


def digest(samples: np.ndarray) -> str:
    return hashlib.sha256(np.ascontiguousarray(samples, dtype="<f4").tobytes()).hexdigest()


def measures(samples: np.ndarray) -> list[float]:
    """Numbers that rounding hardly changes: the length, the level, and projections on four tones."""
    time = np.arange(len(samples)) / RATE
    tones = [np.mean(samples * np.sin(2 * np.pi * hertz * time)) for hertz in (90.0, 360.0, 1200.0, 5000.0)]
    return [len(samples), *(round(float(value), 7) for value in (np.sqrt(np.mean(samples**2)), *tones))]


@cache
def arithmetic() -> str:
    """A digest of the rounding of this machine: functions and transforms differ between processors and versions."""
    values = np.random.default_rng(0).random(4096)
    parts: list[np.ndarray] = []
    for kind in (np.float32, np.float64):
        x = values.astype(kind)
        parts += [np.exp(x), np.log(x), np.sin(x), x ** kind(1.7), np.log1p(x), np.expm1(x), np.sqrt(x)]
        spectrum = np.fft.rfft(x)
        parts += [spectrum.real, spectrum.imag, np.fft.irfft(spectrum), np.convolve(x, x[:5], "same")]
        parts += [np.array([np.sum(x**2), np.mean(x)]), np.cumsum(x)]
    parts += [soxr.resample(values.astype(np.float32), 16000, rate, quality="HQ") for rate in (8000, 22050)]
    return hashlib.sha256(b"".join(np.ascontiguousarray(part).tobytes() for part in parts)).hexdigest()


@pytest.mark.parametrize("number", range(len(EXPECTED["recordings"])))
def test_recordings_equal_those_of_an_earlier_version(number: int) -> None:
    """Bit by bit if this machine rounds as the one that wrote the file did, otherwise within rounding."""
    samples, expected = recorded(number), EXPECTED["recordings"][number]
    if arithmetic() == EXPECTED["arithmetic"]:
        assert digest(samples) == expected["sha256"]
    assert measures(samples) == pytest.approx(expected["measures"], rel=1e-3, abs=2e-6)


def test_measures_detect_a_change_of_level() -> None:
    """The weaker comparison detects 0.1 dB of level."""
    samples = recorded(0) * np.float32(10 ** (0.1 / 20))
    assert measures(samples) != pytest.approx(EXPECTED["recordings"][0]["measures"], rel=1e-3, abs=2e-6)
