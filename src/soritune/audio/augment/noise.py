"""Additive noise: an augmentation, and the noise of synthetic recordings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import field_validator

from soritune.audio.augment.augmentation import Augmentation, Parameters, within
from soritune.audio.channels import Float32Array
from soritune.audio.spectrum import fast_length, mean_power
from soritune.draws import RowDraws

Noise = Literal["none", "steady", "wavering", "hum", "babble", "knocks"]


class AdditiveNoise(Augmentation):
    """Adds computed noise at a level relative to the active speech (pauses do not count, as in ITU-T P.56).
    Digital silence remains silent, since its speech level is zero.
    """

    snr_db: Annotated[tuple[float, float], within(-40.0, 100.0)] = (5.0, 30.0)
    """Range of the speech level over the noise level, equally likely in dB."""
    kinds: tuple[Literal["steady", "wavering", "hum", "knocks"], ...] = (
        "steady",
        "wavering",
        "hum",
        "knocks",
    )
    """Kinds of noise, all equally likely. Babble is not available: it consists of other utterances, and the
    change to an utterance must not depend on others."""
    colour_exponent: Annotated[tuple[float, float], within(-2.0, 4.0)] = (-0.3, 2.0)
    """Range of the exponent of the power over frequency, 1 / fⁿ: 0 white, 1 pink, 2 brown."""

    @field_validator("kinds")
    @classmethod
    def _some(cls, kinds: tuple[str, ...]) -> tuple[str, ...]:
        if not kinds:
            raise ValueError("name at least one kind of noise")
        return kinds

    def draw(self, rng: RowDraws) -> Parameters:
        """`snr_db`, `kind`, `colour_exponent`."""
        return {
            "snr_db": rng.between("snr_db", self.snr_db),
            "kind": np.asarray(self.kinds)[(rng.uniform("kind") * len(self.kinds)).astype(np.int64)],
            "colour_exponent": rng.between("colour_exponent", self.colour_exponent),
        }

    def apply(
        self,
        samples: Float32Array,
        sample_rate_hz: int,
        parameters: Mapping[str, Any],
        generator: np.random.Generator,
    ) -> Float32Array:
        """Adds noise drawn from `generator` to (samples,)."""
        size = len(samples)
        points = fast_length(size)
        frequencies = np.fft.rfftfreq(points, 1 / sample_rate_hz).astype(np.float64)
        spectrum = noise_spectrum(
            parameters["kind"],
            float(parameters["colour_exponent"]),
            size,
            points,
            frequencies,
            sample_rate_hz,
            generator,
        )
        noise = np.fft.irfft(spectrum, points)[:size]
        power = active_power(samples, sample_rate_hz) * 10 ** (-float(parameters["snr_db"]) / 10)
        gain = np.sqrt(power / max(float(np.mean(noise**2)), 1e-20))
        noisy: Float32Array = (samples + noise * np.float32(gain)).astype(np.float32)
        return noisy


AUGMENTATION = AdditiveNoise


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
    """The spectrum of drawn noise, of arbitrary level. Every kind includes coloured noise.

    Args:
        kind: steady; wavering in level; hum of the mains; babble; knocks.
        colour: exponent of the power over frequency, 1 / fⁿ: 0 white, 1 pink, 2 brown.
        size: samples of noise.
        points: length of the transform, at least `size`.
        frequencies: (bins,) of the transform, in Hz.
        sample_rate_hz: of the noise.
        rng: for all random numbers.
        babble: (samples,) speech of other speakers, of any length; babble is a sum of parts of it.

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
    """The share of frames within 30 dB of the loudest frame; 1 for speech shorter than a frame, or silent.

    Args:
        speech: (samples,).
        frame_samples: length of a frame, 10 ms.
    """
    frames = speech[: len(speech) // frame_samples * frame_samples].reshape(-1, frame_samples)
    if not len(frames):
        return 1.0
    powers = np.mean(frames**2, axis=1)
    return float(np.mean(powers > powers.max() * 1e-3)) or 1.0


def active_power(speech: Float32Array, sample_rate_hz: int) -> float:
    """Mean square of (samples,) over its active part, after removal of a constant offset."""
    level = speech - np.mean(speech)
    return float(np.mean(level**2)) / active_share(level, sample_rate_hz // 100)
