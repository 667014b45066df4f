"""The response of a microphone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

ANCHORS_HZ = np.array([60.0, 150.0, 400.0, 1000.0, 2400.0, 5000.0, 8000.0])
"""Where a microphone's response is drawn; between them it is a line over log frequency."""


def response_curve(
    frequencies: NDArray[np.float64],
    response_db: Sequence[float] | NDArray[np.float64],
    low_hz: float,
    high_hz: float,
    slope: int,
) -> NDArray[np.float32]:
    """Gain of a microphone and its band at each frequency, without phase.

    Args:
        frequencies: (bins,) in Hz.
        response_db: (7,) at `ANCHORS_HZ`.
        low_hz, high_hz: where the band begins and ends (3 dB down); from the highest anchor on it does not end.
        slope: order of the band's edges, 6 dB an octave each.

    Returns:
        (bins,) factors of the amplitude.
    """
    places = np.log(np.maximum(frequencies, ANCHORS_HZ[0]))
    curve = 10 ** (np.interp(places, np.log(ANCHORS_HZ), response_db) / 20)
    power = 2 * slope
    curve /= np.sqrt(1 + (low_hz / np.maximum(frequencies, 1.0)) ** min(power, 8))
    if high_hz < ANCHORS_HZ[-1]:
        curve /= np.sqrt(1 + (frequencies / high_hz) ** (power * 2))
    result: NDArray[np.float32] = curve.astype(np.float32)
    return result
