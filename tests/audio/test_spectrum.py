"""Power by Parseval's theorem, and transform lengths of small factors."""

from __future__ import annotations

import numpy as np
import pytest

from soritune.audio.spectrum import fast_length, log_mel, mean_power


def test_mean_power_is_the_mean_square_of_the_signal() -> None:
    """Parseval: a sine of amplitude a has the mean square a² / 2."""
    time = np.arange(1024) / 1024
    tones = 0.6 * np.sin(2 * np.pi * 50 * time) + 0.8 * np.cos(2 * np.pi * 200 * time)
    assert mean_power(np.fft.rfft(tones), 1024) == pytest.approx((0.36 + 0.64) / 2, rel=1e-12)
    padded = np.fft.rfft(tones, 4096)  # zeros add no energy: a quarter of the mean square
    assert mean_power(padded, 4096) == pytest.approx(0.125, rel=1e-3)


def test_bins_that_occur_once_are_counted_twice() -> None:
    """A constant is only in the bin at 0 Hz."""
    assert mean_power(np.fft.rfft(np.ones(64)), 64) == pytest.approx(2.0)
    assert mean_power(np.fft.rfft(np.tile([1.0, -1.0], 32)), 64) == pytest.approx(2.0)


def test_fast_length_is_the_smallest_with_small_factors() -> None:
    allowed = sorted(factor << shift for factor in (1, 3, 5) for shift in range(22) if factor << shift >= 10)
    for least in (*range(1, 3000), 48_000, 100_001, 524_288, 524_289):
        assert fast_length(least) == next(length for length in allowed if length >= least)


@pytest.mark.parametrize("hertz", [120.0, 1000.0, 5000.0])
def test_tone_is_loudest_in_the_mel_band_of_its_frequency(hertz: float) -> None:
    """Band b of 80 up to 8 kHz is centred on (b + 1) / 81 × 2840 mel, and 1000 Hz are 1000 mel (O'Shaughnessy)."""
    tone = np.sin(2 * np.pi * hertz * np.arange(16000) / 16000).astype(np.float32)
    levels = log_mel(tone, 16000)
    assert levels.shape == (49, 80)
    mel = 2595 * np.log10(1 + hertz / 700)
    assert np.abs(levels.argmax(axis=1) - (mel / 2840 * 81 - 1)).max() <= 1.0
    louder = log_mel(2 * tone, 16000)
    assert louder.max() - levels.max() == pytest.approx(20 * np.log10(2), abs=1e-3)


def test_silence_and_short_clips_have_a_picture() -> None:
    assert (log_mel(np.zeros(800, np.float32), 16000) == -120).all()
    assert log_mel(np.ones(10, np.float32), 8000).shape == (1, 80)
