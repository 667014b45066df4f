"""Statistics of MFCC, level and pitch over an utterance: what a simple classifier of voices can use.

Next: `stages/trained_baselines.py`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from soritune.audio.channels import Float32Array
from soritune.audio.spectrum import mel_triangles

SAMPLE_RATE_HZ = 16000
"""Rate of the samples."""
_FRAME, _HOP, _TRANSFORM = 400, 160, 512
_BANDS, _COEFFICIENTS = 40, 20
_PITCH_FRAME, _PITCH_HOP = 800, 320
_LOWEST_HZ, _HIGHEST_HZ = 75, 500
_LEAST_CORRELATION = 0.5
"""Normalised autocorrelation from which a frame is voiced."""


def voice_statistics(samples: Float32Array) -> NDArray[np.float64]:
    """Means and deviations of 20 MFCC and of the log energy; percentiles 10, 50 and 90 and the deviation of the pitch,
    the share of voiced frames, and the duration.

    Args:
        samples: (samples,) at `SAMPLE_RATE_HZ`; a clip shorter than a frame is padded with silence.

    Returns:
        (48,)
    """
    wave = np.asarray(samples, dtype=np.float64)
    wave = np.pad(wave, (0, max(_PITCH_FRAME - len(wave), 0)))
    frames = np.lib.stride_tricks.sliding_window_view(wave, _FRAME)[::_HOP] * np.hanning(_FRAME)
    power = np.abs(np.fft.rfft(frames, _TRANSFORM)) ** 2
    hertz = np.fft.rfftfreq(_TRANSFORM, 1 / SAMPLE_RATE_HZ)
    cepstrum = np.log(power @ mel_triangles(hertz, _BANDS, SAMPLE_RATE_HZ).T + 1e-10) @ _cosines().T
    energy = np.log((frames**2).sum(axis=1) + 1e-10)
    pitch = pitch_track(wave)
    voiced = pitch[pitch > 0]
    percentiles = np.percentile(voiced, [10, 50, 90]) if len(voiced) > 3 else np.zeros(3)
    deviation = voiced.std() if len(voiced) else 0.0
    return np.concatenate(
        [
            cepstrum.mean(axis=0),
            cepstrum.std(axis=0),
            [energy.mean(), energy.std()],
            percentiles,
            [deviation, len(voiced) / len(pitch), len(samples) / SAMPLE_RATE_HZ],
        ]
    )


def pitch_track(wave: NDArray[np.floating]) -> NDArray[np.float64]:
    """Pitch in Hz per 20 ms: the highest normalised autocorrelation between 75 and 500 Hz; 0 where it is weak.

    Args:
        wave: (samples,) at `SAMPLE_RATE_HZ`, at least 50 ms.
    """
    frames = np.lib.stride_tricks.sliding_window_view(wave, _PITCH_FRAME)[::_PITCH_HOP]
    frames = frames - frames.mean(axis=1, keepdims=True)
    spectrum = np.abs(np.fft.rfft(frames, 2 * _PITCH_FRAME)) ** 2
    correlation = np.fft.irfft(spectrum)[:, :_PITCH_FRAME]
    normalised = correlation / np.maximum(correlation[:, :1], 1e-9)
    shortest, longest = SAMPLE_RATE_HZ // _HIGHEST_HZ, SAMPLE_RATE_HZ // _LOWEST_HZ
    lag = normalised[:, shortest:longest].argmax(axis=1) + shortest
    is_voiced = normalised[np.arange(len(lag)), lag] > _LEAST_CORRELATION
    return np.where(is_voiced, SAMPLE_RATE_HZ / lag, 0.0)


def _cosines() -> NDArray[np.float64]:
    """(coefficients, bands): the first rows of the orthonormal cosine transform (DCT-II)."""
    band = (2 * np.arange(_BANDS) + 1) / (2 * _BANDS)
    rows: NDArray[np.float64] = np.sqrt(2 / _BANDS) * np.cos(np.pi * np.arange(_COEFFICIENTS)[:, None] * band)
    rows[0] /= np.sqrt(2)
    return rows
