"""Level, signal-to-noise ratio and clipping of a recording, estimated from the waveform alone."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

_FRAME_S = 0.025
_FLOOR = 1e-10
"""Power that counts as digital silence, -100 dBFS."""

_LEAST_RANGE = 1e-6
"""Difference of samples that counts as none: a thirtieth of a step of 16 bits. Resampling
changes an offset by up to ten times its level of this."""


class Quality(NamedTuple):
    """Estimates for one utterance."""

    snr_db: float
    """Mean power of the speech frames over the noise floor, limited to 0 … 60; nan if speech and noise cannot
    be distinguished."""
    clipped_share: float
    """Share of samples at full scale."""
    level_dbfs: float
    """Root-mean-square level relative to full scale; -100 for silence."""
    speech_share: float
    """Share of frames at least 6 dB above the noise floor."""


def is_constant(waveform: NDArray[np.float32]) -> bool:
    """Whether (samples,) in [-1, 1] are silence, perhaps with an offset: they hardly vary, as of a dead microphone."""
    if len(waveform) == 0:
        return True
    low, high = float(waveform.min()), float(waveform.max())
    return high - low <= _LEAST_RANGE * (1.0 + 10.0 * max(abs(low), abs(high)))


def measure_quality(waveform: NDArray[np.float32], sample_rate_hz: int) -> Quality:
    """Estimates from (samples,) in [-1, 1].

    The noise floor is the 5th percentile of the power of 25 ms frames. Frames 6 dB above it are speech, and
    SNR = 10 log10((speech power - noise power) / noise power). With less than 0.25 s, or no speech frame, the
    SNR is nan.
    """
    samples = np.asarray(waveform, dtype=np.float64)
    if len(samples) == 0:
        return Quality(float("nan"), 0.0, -100.0, 0.0)
    level = 10 * np.log10(max(float(np.mean(samples**2)), _FLOOR))
    clipped = float(np.mean(np.abs(samples) >= 1.0 - 2.0**-15))
    size = max(1, round(_FRAME_S * sample_rate_hz))
    frames = samples[: len(samples) // size * size].reshape(-1, size)
    if len(frames) < 10:
        return Quality(float("nan"), clipped, level, float(level > -60))
    power = np.maximum((frames**2).mean(axis=1), _FLOOR)
    noise = float(np.percentile(power, 5))
    speech = power > 4 * noise
    if not speech.any():
        return Quality(float("nan"), clipped, level, 0.0)
    ratio = (float(power[speech].mean()) - noise) / noise
    return Quality(float(np.clip(10 * np.log10(ratio), 0, 60)), clipped, level, float(speech.mean()))
