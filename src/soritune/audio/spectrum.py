"""Transform lengths and power, for filtering by products in the frequency domain. Next: `audio/rooms.py`."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def mean_power(spectrum: NDArray[Any], points: int) -> float:
    """Mean square of a signal over `points` samples, by Parseval's theorem.

    The bins at 0 Hz and at half the sampling rate occur once in the full spectrum but are counted twice here.
    For audio without a constant offset the difference is negligible.

    Args:
        spectrum: (points // 2 + 1,) complex, as returned by `np.fft.rfft`.
        points: length of the transform.
    """
    return float(2 * (np.sum(np.square(spectrum.real)) + np.sum(np.square(spectrum.imag)))) / points**2


def fast_length(least: int) -> int:
    """The smallest length of at least `least` that is a power of 2, 3/4 or 5/8 of one, and at least 10."""
    power = 1 << max(4, (least - 1).bit_length())
    return next(size for size in (power // 8 * 5, power // 4 * 3, power) if size >= least)
