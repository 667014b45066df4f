"""Filtering by products in the frequency domain: transform lengths and power. Next: `audio/rooms.py`."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def mean_power(spectrum: NDArray[Any], points: int) -> float:
    """Mean square of the signal over `points` samples, by Parseval's theorem.

    Args:
        spectrum: (points // 2 + 1,) complex, as `np.fft.rfft` gives it.
        points: samples of the transform.
    """
    return float(2 * (np.sum(np.square(spectrum.real)) + np.sum(np.square(spectrum.imag)))) / points**2


def fast_length(least: int) -> int:
    """The next length from `least` on that has only the factors 2, 3 and 5, with at most one 3 or one 5."""
    power = 1 << max(4, (least - 1).bit_length())
    return next(size for size in (power // 8 * 5, power // 4 * 3, power) if size >= least)
