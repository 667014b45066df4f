"""Resampling and speed, compared with the frequencies of tones."""

from __future__ import annotations

import numpy as np
import pytest

from soritune.audio.resample import change_speed, resample, resample_blocks


def tone(rate: int, hz: float = 500.0) -> np.ndarray:
    return np.sin(2 * np.pi * hz * np.arange(rate) / rate).astype(np.float32)


def loudest_hz(waveform: np.ndarray, rate: int) -> float:
    spectrum = np.abs(np.fft.rfft(waveform * np.hanning(len(waveform))))
    return float(np.argmax(spectrum) * rate / len(waveform))


def test_same_rate_returns_the_same_samples() -> None:
    assert np.array_equal(resample(tone(16000), 16000, 16000), tone(16000))


def test_resampling_agrees_with_the_tone_made_at_the_new_rate() -> None:
    assert np.abs(resample(tone(48000), 48000, 16000)[500:-500] - tone(16000)[500:-500]).max() < 1e-3


def test_frequencies_above_half_the_new_rate_are_removed() -> None:
    assert np.abs(resample(tone(48000, 12000), 48000, 16000)[500:-500]).max() < 1e-3


@pytest.mark.parametrize("factor", [0.9, 1.1, 2.0])
def test_speed_changes_length_and_pitch_together(factor: float) -> None:
    faster = change_speed(tone(16000), factor)
    assert len(faster) == pytest.approx(16000 / factor, abs=2)
    assert loudest_hz(faster, 16000) == pytest.approx(500 * factor, rel=0.005)


def test_rates_and_factors_that_are_not_positive_are_refused() -> None:
    with pytest.raises(ValueError, match="must be positive, got 0"):
        resample(tone(16000), 0, 16000)
    with pytest.raises(ValueError, match="must be positive, got -1"):
        change_speed(tone(16000), -1)
    assert len(resample(np.empty(0, np.float32), 8000, 16000)) == 0


@pytest.mark.parametrize(("from_hz", "to_hz"), [(8000, 16000), (44100, 16000), (16000, 16000)])
@pytest.mark.parametrize("size", [997, 50_000])
def test_blocks_are_resampled_without_a_seam(from_hz: int, to_hz: int, size: int) -> None:
    samples = np.random.default_rng(0).standard_normal(20_000).astype(np.float32)
    blocks = [samples[at : at + size] for at in range(0, len(samples), size)]
    whole = resample(samples, from_hz, to_hz)
    joined = np.concatenate(list(resample_blocks(blocks, from_hz, to_hz)))
    assert len(joined) == len(whole)
    np.testing.assert_allclose(joined, whole, atol=1e-5)


def test_blocks_at_a_rate_that_is_not_positive_are_refused() -> None:
    with pytest.raises(ValueError, match="positive"):
        list(resample_blocks([], 0, 16000))
