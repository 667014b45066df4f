"""The pitch of speech, by autocorrelation (Boersma 1993): an independent measure of what stretching does to a voice."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from soritune.audio.waveform import read_audio

RATE = 16000
LOWEST_HZ, HIGHEST_HZ = 75.0, 500.0
FRAME = round(3 * RATE / LOWEST_HZ)
"""Three periods of the lowest voice."""


def median_f0(samples: np.ndarray) -> float:
    """The median pitch of the voiced frames in Hz, every 10 ms; nan with fewer than 5 of them."""
    frames = sliding_window_view(samples.astype(np.float64), FRAME)[:: RATE // 100]
    frames = frames - frames.mean(axis=1, keepdims=True)
    window = np.hanning(FRAME)
    points = 1 << (2 * FRAME - 1).bit_length()

    def autocorrelation(signal: np.ndarray) -> np.ndarray:
        correlation = np.fft.irfft(np.abs(np.fft.rfft(signal, points)) ** 2, points)
        return correlation[..., :FRAME] / np.maximum(correlation[..., :1], 1e-12)

    # The autocorrelation of the windowed frame over that of the window is 1 at the period of a periodic sound.
    values = autocorrelation(frames * window) / autocorrelation(window)[None, :]
    shortest, longest = int(RATE / HIGHEST_HZ), int(RATE / LOWEST_HZ)
    lags = np.arange(shortest, longest + 1)
    # A period also fits twice: shorter lags are preferred a little.
    preferred = values[:, lags] - 0.01 * np.log2(lags / shortest)
    best = np.argmax(preferred, axis=1)
    rows, lag = np.arange(len(values)), lags[best]
    before, peak, after = values[rows, lag - 1], values[rows, lag], values[rows, lag + 1]
    offset = (before - after) / np.minimum(2 * (before - 2 * peak + after), -1e-9)
    level = np.sqrt(np.mean(frames**2, axis=1))
    is_voiced = (peak > 0.6) & (level > 0.1 * level.max())
    pitch = RATE / (lag + np.clip(offset, -0.5, 0.5))
    return float(np.median(pitch[is_voiced])) if is_voiced.sum() >= 5 else float("nan")


def real_clips(shared_data: Path, count: int = 40) -> list[np.ndarray]:
    """Clips of people at 16 kHz, spread evenly over two corpora."""
    files = sorted(
        file
        for corpus in ("ko_emotion_selvas", "ko_speech_selvas")
        for file in (shared_data / corpus / "audio").rglob("*.*")
    )
    return [read_audio(files[number]) for number in np.linspace(0, len(files) - 1, count).astype(int)]
