"""Level, clipping and SNR on signals whose values are known."""

from __future__ import annotations

import numpy as np
import pytest
import soxr

from soritune.audio.quality import measure_faults, measure_quality, snr_by_activity
from soritune.audio.voice_activity import Activity


def speech_like(snr_db: float) -> np.ndarray:
    """Two seconds, every other half second a tone of power 0.02, noise everywhere."""
    rng = np.random.default_rng(0)
    time = np.arange(32000) / 16000
    tone = 0.2 * np.sin(2 * np.pi * 200 * time) * ((time % 1.0) < 0.5)
    return (tone + np.sqrt(0.02 * 10 ** (-snr_db / 10)) * rng.standard_normal(32000)).astype(np.float32)


@pytest.mark.parametrize("snr_db", [10.0, 20.0, 35.0])
def test_snr_of_a_known_mixture(snr_db: float) -> None:
    quality = measure_quality(speech_like(snr_db), 16000)
    assert quality.snr_db == pytest.approx(snr_db, abs=1.5)
    assert quality.speech_share == pytest.approx(0.5, abs=0.05)


def test_level_and_clipping() -> None:
    square = np.tile(np.repeat(np.array([1.0, -1.0], np.float32), 50), 320)
    quality = measure_quality(square, 16000)
    assert quality.level_dbfs == pytest.approx(0.0, abs=1e-6)
    assert quality.clipped_share == 1.0
    assert measure_quality(0.5 * square, 16000).level_dbfs == pytest.approx(-6.02, abs=0.01)
    assert measure_quality(0.5 * square, 16000).clipped_share == 0.0


def test_silence_and_short_clips_have_no_snr() -> None:
    assert measure_quality(np.zeros(16000, np.float32), 16000).level_dbfs == -100.0
    assert np.isnan(measure_quality(np.zeros(16000, np.float32), 16000).snr_db)
    assert np.isnan(measure_quality(np.ones(100, np.float32), 16000).snr_db)
    assert measure_quality(np.empty(0, np.float32), 16000).level_dbfs == -100.0


def noise(seconds: float, seed: int = 0) -> np.ndarray:
    return 0.1 * np.random.default_rng(seed).standard_normal(round(seconds * 16000))


def test_offset_and_silence_are_shares() -> None:
    half = np.concatenate([noise(1.0), np.zeros(16000)])
    faults = measure_faults((half + 0.05).astype(np.float32), 16000)
    assert faults.dc_offset == pytest.approx(0.05, abs=1e-3)
    assert faults.silent_share == 0.5  # 40 of 80 frames of 25 ms; their offset is no sound
    assert measure_faults(np.zeros(16000, np.float32), 16000).silent_share == 1.0
    assert np.isnan(measure_faults(np.zeros(16000, np.float32), 16000).bandwidth_hz)


def test_quiet_sound_is_silence_from_40_db_below_the_loud_frames() -> None:
    for db, share in ((-37, 0.0), (-43, 0.5)):
        samples = np.concatenate([noise(1.0), 10 ** (db / 20) * noise(1.0, 1)]).astype(np.float32)
        assert measure_faults(samples, 16000).silent_share == share


@pytest.mark.parametrize("quality", ["MQ", "HQ", "VHQ"])
def test_telephone_bandwidth_is_found_at_a_higher_rate(quality: str) -> None:
    """Half a second of white noise reaches 8 kHz; after 8,000 samples per second it ends at 4 kHz."""
    samples = np.concatenate([noise(0.5), 0.01 * noise(1.5, 1)]).astype(np.float32)
    assert measure_faults(samples, 16000).bandwidth_hz == 8000
    narrow = soxr.resample(soxr.resample(samples, 16000, 8000, quality), 8000, 16000, quality)
    assert 3500 <= measure_faults(np.rint(narrow * 32768) / 32768, 16000).bandwidth_hz <= 4500


@pytest.mark.parametrize("snr_db", [0.0, 10.0, 20.0, 30.0])
def test_snr_of_known_speech_is_that_of_the_mixture(snr_db: float) -> None:
    """Speech of power 0.02 in every other half second, noise everywhere."""
    frames = (np.arange(80) * 0.025 % 1.0) < 0.5
    measured = snr_by_activity(speech_like(snr_db), 16000, Activity(frames, 0.025))
    assert measured == pytest.approx(snr_db, abs=0.5)


def test_snr_needs_speech_and_three_frames_without() -> None:
    samples = speech_like(20)
    for frames in (np.zeros(80, bool), np.ones(80, bool), np.arange(80) >= 3):
        assert np.isnan(snr_by_activity(samples, 16000, Activity(frames, 0.025)))
    # The frame beside the speech does not count, so three remain.
    assert not np.isnan(snr_by_activity(samples, 16000, Activity(np.arange(80) >= 4, 0.025)))
