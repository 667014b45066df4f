"""Power by Parseval's theorem, and transform lengths of small factors."""

from __future__ import annotations

import numpy as np
import pytest

from soritune.audio.spectrum import fast_length, mean_power


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
