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

_CLIPPING_ROUNDS = 20
"""Corrections of the level for noise that is lost in clipping."""
_CLOSE_ENOUGH = 0.01
"""Logarithm of a ratio of powers, 0.04 dB."""

Noise = Literal["none", "steady", "wavering", "hum", "babble", "knocks"]


class AdditiveNoise(Augmentation):
    """Adds computed noise at a level relative to the active speech (pauses do not count, as in ITU-T P.56).
    Digital silence remains silent, since its speech level is zero.
    """

    snr_db: Annotated[tuple[float, float], within(-40.0, 100.0)] = (5.0, 30.0)
    """Range of the speech level over the noise level after clipping, equally likely in dB."""
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
        return with_noise(samples, noise, sample_rate_hz, float(parameters["snr_db"]))


AUGMENTATION = AdditiveNoise


def with_noise(
    samples: Float32Array, noise: NDArray[np.floating], sample_rate_hz: int, snr_db: float
) -> Float32Array:
    """Adds noise at a level relative to the active speech, and clips the sum at full scale.

    The ratio is that of the result: where clipping takes away noise, more is added. Full scale is 1, or the peak of the
    speech where it is higher.

    Args:
        samples: (samples,) speech.
        noise: (samples,) of any level.
        sample_rate_hz: of both.
        snr_db: level of the active speech over that of the noise.
    """
    power = active_power(samples, sample_rate_hz) * 10 ** (-snr_db / 10)
    gain = np.sqrt(power / max(float(np.mean(noise**2)), 1e-20)) if len(noise) else 0.0
    noisy: Float32Array = (samples + noise * np.float32(gain)).astype(np.float32)
    full_scale = np.float32(max(1.0, float(np.abs(samples).max(initial=0.0))))
    if np.abs(noisy).max(initial=0.0) <= full_scale:
        return noisy
    # The power of the clipped noise rises with the gain, but by less than its square: a secant in the logarithms.
    logarithm, slope, latest = float(np.log(gain)), 2.0, (0.0, 0.0)
    for number in range(_CLIPPING_ROUNDS):
        noisy = np.clip(noisy, -full_scale, full_scale)
        missing = float(np.log(power / max(float(np.mean((noisy - samples) ** 2)), 1e-20)))
        if abs(missing) < _CLOSE_ENOUGH:
            break
        if number and logarithm != latest[0]:
            slope = min(max((latest[1] - missing) / (logarithm - latest[0]), 0.1), 2.0)
        latest = (logarithm, missing)
        logarithm += min(missing / slope, 3.0)
        noisy = (samples + noise * np.float32(np.exp(logarithm))).astype(np.float32)
    return np.clip(noisy, -full_scale, full_scale)


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
