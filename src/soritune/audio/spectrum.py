"""Transform lengths and power, for filtering by products in the frequency domain; mel bands for pictures.

Next: `audio/rooms.py`.
"""

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


def log_mel(
    samples: NDArray[np.float32], sample_rate_hz: int, bands: int = 80, hop_s: float = 0.02
) -> NDArray[np.float32]:
    """The level in mel bands over time, for pictures.

    Args:
        samples: (samples,).
        sample_rate_hz: of the samples.
        bands: triangular bands from 0 Hz to half the rate, on the scale 2595 log10(1 + f / 700).
        hop_s: time from frame to frame; a frame has 25 ms.

    Returns:
        (frames, bands) dB; at least one frame, and at least -120 dB.
    """
    size, hop = max(round(0.025 * sample_rate_hz), 2), max(round(hop_s * sample_rate_hz), 1)
    frames = max(len(samples) - size, 0) // hop + 1
    padded = np.pad(samples, (0, max(size - len(samples), 0)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, size)[::hop][:frames]
    power = np.abs(np.fft.rfft(windows * np.hanning(size), axis=1)) ** 2 / size
    triangles = mel_triangles(np.fft.rfftfreq(size, 1 / sample_rate_hz), bands, sample_rate_hz)
    levels: NDArray[np.float32] = (10 * np.log10(np.maximum(power @ triangles.T, 1e-12))).astype(np.float32)
    return levels


def mel_triangles(hertz: NDArray[np.floating], bands: int, sample_rate_hz: int) -> NDArray[np.float64]:
    """(bands, bins) triangular filters of equal width on the scale 2595 log10(1 + f / 700), up to half the rate.

    Args:
        hertz: (bins,) frequencies of the bins of a transform.
        bands: number of filters.
        sample_rate_hz: of the samples.
    """
    top = 2595 * np.log10(1 + sample_rate_hz / 1400)
    edges = 700 * (10 ** (np.linspace(0, top, bands + 2) / 2595) - 1)
    rising = (hertz - edges[:-2, None]) / np.diff(edges)[:-1, None]
    falling = (edges[2:, None] - hertz) / np.diff(edges)[1:, None]
    triangles: NDArray[np.float64] = np.clip(np.minimum(rising, falling), 0, None)
    # A low band may lie between two bins of the transform; it then takes the nearest one.
    nearest = np.argmin(np.abs(hertz - edges[1:-1, None]), axis=1)
    empty = triangles.sum(axis=1) == 0
    triangles[empty, nearest[empty]] = 1.0
    return triangles
