"""Level, signal-to-noise ratio, clipping, offset, silence and bandwidth of a recording, estimated from its waveform."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from soritune.audio.voice_activity import Activity

_FRAME_S = 0.025
_FLOOR = 1e-10
"""Power that counts as digital silence, -100 dBFS."""

_LEAST_RANGE = 1e-6
"""Difference of samples that counts as none: a thirtieth of a step of 16 bits. Resampling
changes an offset by up to ten times its level of this."""
_SILENT_POWER = 1e-7
"""Power of a frame that is silence whatever the rest, -70 dBFS."""
_SILENT_BELOW = 1e-4
"""Power relative to the loud frames, below which a frame is silence: 40 dB."""
_BAND_HZ = 250
_BAND_RANGE_DB = 60.0
"""Of 160 recordings of four corpora, the bandwidth at this range is at least 7,250 Hz, and at most 4,750 Hz after
resampling to 8 kHz and back, by soxr and by scipy."""
_LEAST_NOISE_FRAMES = 3


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


class Faults(NamedTuple):
    """What may be wrong with a recording that can be decoded."""

    dc_offset: float
    """Absolute mean of the samples, as a share of full scale."""
    silent_share: float
    """Share of frames at least 40 dB below the loud ones, or below -70 dBFS."""
    bandwidth_hz: float
    """Upper edge of the highest band with signal; nan for less than 0.25 s, or silence."""


def measure_faults(waveform: NDArray[np.float32], sample_rate_hz: int) -> Faults:
    """Offset, silence and bandwidth of (samples,) in [-1, 1].

    The loud frames are the 95th percentile of the power of 25 ms frames without their mean. For the bandwidth, each
    band of 250 Hz has the 95th percentile of its power over the frames, since consonants that reach high frequencies
    are short. The highest band at most 60 dB below the strongest one bounds the bandwidth. Telephone speech at a
    higher rate ends below 4 kHz: the filter of a resampler leaves less than that above.
    """
    samples = np.asarray(waveform, dtype=np.float32)
    if len(samples) == 0:
        return Faults(0.0, 1.0, float("nan"))
    offset = abs(float(samples.mean(dtype=np.float64)))
    size = max(1, round(_FRAME_S * sample_rate_hz))
    frames = samples[: len(samples) // size * size].reshape(-1, size)
    if len(frames) == 0:
        return Faults(offset, 0.0, float("nan"))
    frames = frames - frames.mean(axis=1, keepdims=True)
    power = np.square(frames).mean(axis=1, dtype=np.float64)
    loud = float(np.percentile(power, 95))
    silent = float((power < max(_SILENT_POWER, _SILENT_BELOW * loud)).mean())
    if len(frames) < 10 or loud <= _FLOOR:
        return Faults(offset, silent, float("nan"))
    return Faults(offset, silent, _bandwidth_hz(frames, sample_rate_hz))


def _bandwidth_hz(frames: NDArray[np.float32], sample_rate_hz: int) -> float:
    """Upper edge of the highest band of (frames, samples) with signal."""
    spectrum = np.abs(np.fft.rfft(frames * np.hanning(frames.shape[1]).astype(np.float32))) ** 2
    hertz = np.fft.rfftfreq(frames.shape[1], 1 / sample_rate_hz)
    edges = np.searchsorted(hertz, np.arange(_BAND_HZ, sample_rate_hz / 2, _BAND_HZ))
    bands = np.add.reduceat(spectrum, edges, axis=1)
    level = 10 * np.log10(np.maximum(np.percentile(bands, 95, axis=0), 1e-20))
    highest = int(np.flatnonzero(level >= level.max() - _BAND_RANGE_DB)[-1])
    return float(min(_BAND_HZ * (highest + 2), sample_rate_hz / 2))


def snr_by_activity(waveform: NDArray[np.float32], sample_rate_hz: int, activity: Activity) -> float:
    """Signal-to-noise ratio in dB, -20 … 60, of (samples,) whose speech is known.

    Noise is the median power of the frames without speech that have no speech beside them. Speech is the mean power of
    the frames with speech, less the noise.

    Returns:
        nan with fewer than three frames of noise, or without speech.
    """
    size = max(1, round(activity.frame_s * sample_rate_hz))
    count = min(len(waveform) // size, len(activity.frames))
    frames = np.asarray(waveform[: count * size], dtype=np.float64).reshape(-1, size)
    power = np.maximum(frames.var(axis=1), _FLOOR)
    speech = activity.frames[:count]
    near = speech.copy()
    near[1:] |= speech[:-1]
    near[:-1] |= speech[1:]
    if not speech.any() or (~near).sum() < _LEAST_NOISE_FRAMES:
        return float("nan")
    noise = float(np.median(power[~near]))
    ratio = max((float(power[speech].mean()) - noise) / noise, 1e-10)
    return float(np.clip(10 * np.log10(ratio), -20, 60))
