"""Tempo and pitch change separately: exact lengths, and pitch measured by another method, on people's voices too."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.audio.pitch_tracking import RATE, median_f0, real_clips

from soritune.audio.stretching import shift_pitch, stretch


def voice(f0: float, seconds: float = 1.0) -> np.ndarray:
    time = np.arange(round(seconds * RATE)) / RATE
    harmonics = [np.sin(2 * np.pi * f0 * k * time) / k for k in range(1, int(4000 / f0))]
    return (0.2 * np.sum(harmonics, axis=0)).astype(np.float32)


@pytest.mark.parametrize("f0", [90.0, 150.0, 220.0, 400.0])
def test_tracker_finds_the_pitch_of_a_known_voice(f0: float) -> None:
    assert median_f0(voice(f0)) == pytest.approx(f0, rel=0.002)


@pytest.mark.parametrize("factor", [0.5, 0.8, 0.937, 1.2, 2.0])
def test_length_is_exact_and_pitch_and_level_are_kept(factor: float) -> None:
    clip = voice(150.0)
    changed = stretch(clip, RATE, factor)
    assert len(changed) == round(len(clip) / factor) and changed.dtype == np.float32
    assert median_f0(changed) == pytest.approx(150.0, rel=0.005)
    middle = slice(len(changed) // 4, len(changed) * 3 // 4)
    assert np.std(changed[middle]) == pytest.approx(np.std(clip), rel=0.05)


@pytest.mark.parametrize("semitones", [-4.0, -2.0, 0.5, 2.0, 12.0])
def test_pitch_is_shifted_and_the_length_is_kept(semitones: float) -> None:
    clip = voice(150.0)
    changed = shift_pitch(clip, RATE, semitones)
    assert len(changed) == len(clip) and changed.dtype == np.float32
    assert median_f0(changed) == pytest.approx(150.0 * 2 ** (semitones / 12), rel=0.005)


def test_sounds_stay_at_their_share_of_the_utterance_to_12_ms() -> None:
    """A click in silence at 30 %, 50 % and 80 % of a second of weak noise."""
    rng = np.random.default_rng(0)
    for place in (0.3, 0.5, 0.8):
        clip = (1e-4 * rng.standard_normal(RATE)).astype(np.float32)
        clip[int(place * RATE)] = 1.0
        for factor in (0.8, 1.2):
            changed = stretch(clip, RATE, factor)
            assert abs(int(np.abs(changed).argmax()) - place * RATE / factor) <= 0.032 * RATE
        assert abs(int(np.abs(shift_pitch(clip, RATE, 2.0)).argmax()) - place * RATE) <= 0.032 * RATE


def test_factor_1_and_no_shift_change_nothing() -> None:
    clip = voice(150.0)
    assert np.array_equal(stretch(clip, RATE, 1.0), clip)
    assert np.array_equal(shift_pitch(clip, RATE, 0.0), clip)


def test_silence_and_empty_input() -> None:
    assert not stretch(np.zeros(5000, np.float32), RATE, 0.8).any()
    assert len(stretch(np.zeros(0, np.float32), RATE, 0.8)) == 0
    assert len(stretch(np.ones(1, np.float32), RATE, 1.2)) == 1
    with pytest.raises(ValueError, match="must be positive, got 0"):
        stretch(np.zeros(10, np.float32), RATE, 0)


def test_stretched_speech_of_people_keeps_its_pitch(shared_data: Path) -> None:
    errors = []
    for clip in real_clips(shared_data):
        before = median_f0(clip)
        for factor in (0.8, 0.9, 1.1, 1.2):
            changed = stretch(clip, RATE, factor)
            assert len(changed) == round(len(clip) / factor)
            errors.append(abs(median_f0(changed) / before - 1))
    assert len(errors) == 160
    assert np.median(errors) <= 0.01
    assert np.mean(np.array(errors) <= 0.02) >= 0.9


def test_shifted_speech_of_people_has_the_pitch_requested(shared_data: Path) -> None:
    errors = []
    for clip in real_clips(shared_data):
        before = median_f0(clip)
        for semitones in (-2.0, -1.0, 1.0, 2.0):
            changed = shift_pitch(clip, RATE, semitones)
            assert len(changed) == len(clip)
            errors.append(abs(median_f0(changed) / (before * 2 ** (semitones / 12)) - 1))
    assert np.mean(np.array(errors) <= 0.05) >= 0.98
