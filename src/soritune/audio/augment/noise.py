"""Noise beside speech."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from soritune.audio.spectrum import mean_power
from soritune.audio.waveform import Float32Array

Noise = Literal["none", "steady", "wavering", "hum", "babble", "knocks"]


def noise_spectrum(
    kind: Noise,
    colour: float,
    size: int,
    points: int,
    frequencies: NDArray[np.float64],
    sample_rate_hz: int,
    rng: np.random.Generator,
    babble: Float32Array | None = None,
) -> NDArray[np.complexfloating[Any, Any]]:
    """The spectrum of some noise, of no particular level; coloured noise is under every kind.

    Args:
        kind: steady; wavering in level; hum of the mains; babble; knocks.
        colour: exponent of the power over frequency: 0 white, 1 pink, 2 brown.
        size: samples of noise.
        points: samples of the transform, at least `size`.
        frequencies: (bins,) of the transform, in Hz.
        sample_rate_hz: of the noise.
        rng: for everything here.
        babble: (samples,) other people's speech, of any length, to make babble from.

    Returns:
        (bins,) complex.
    """
    white = rng.standard_normal(size, dtype=np.float32)
    if kind == "wavering":
        knots = max(2, size * 4 // sample_rate_hz)
        drawn = np.cumsum(rng.normal(0, 0.5, knots))
        envelope = np.exp(np.clip(drawn - drawn.mean(), -2, 2))
        white *= np.interp(np.arange(size), np.linspace(0, size, knots), envelope).astype(np.float32)
    coloured = np.fft.rfft(white, points)
    coloured *= (np.maximum(frequencies, 40.0) ** (-colour / 2)).astype(np.float32)
    extra = None
    if kind == "babble" and babble is not None and len(babble):
        extra = np.zeros(size, np.float32)
        for start in rng.integers(0, len(babble), int(rng.integers(3, 9))):
            extra += np.take(babble, np.arange(start, start + size), mode="wrap")
    elif kind == "hum":
        times = np.arange(size, dtype=np.float32) / sample_rate_hz
        base = float(rng.choice([50.0, 60.0, 100.0, 120.0]))
        extra = np.zeros(size, np.float32)
        for harmonic, strength in enumerate(rng.random(8), start=1):
            extra += np.float32(strength / harmonic) * np.sin(np.float32(2 * np.pi * base * harmonic) * times)
    elif kind == "knocks":
        extra = np.zeros(size, np.float32)
        decay = np.exp(
            -np.arange(size, dtype=np.float32) / (sample_rate_hz * float(rng.uniform(0.003, 0.03)))
        )
        for start in rng.integers(0, size, int(rng.integers(1, 8))):
            extra[start:] += decay[: size - start] * rng.standard_normal(size - start, dtype=np.float32)
    if extra is None:
        return coloured
    added = np.fft.rfft(extra, points)
    share = np.float32(np.sqrt(mean_power(coloured, points) / max(mean_power(added, points), 1e-20)))
    return added * (share * np.float32(rng.uniform(1.5, 6))) + coloured


def active_share(speech: Float32Array, frame_samples: int) -> float:
    """The share of frames of so many samples (10 ms) within 30 dB of the loudest; 1 where there is none."""
    frames = speech[: len(speech) // frame_samples * frame_samples].reshape(-1, frame_samples)
    if not len(frames):
        return 1.0
    powers = np.mean(frames**2, axis=1)
    return float(np.mean(powers > powers.max() * 1e-3)) or 1.0
