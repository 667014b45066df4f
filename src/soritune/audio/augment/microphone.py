"""The frequency response and the band of a microphone: an augmentation, and the filter of synthetic recordings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from soritune.audio.augment.augmentation import Augmentation, Parameters, within
from soritune.audio.channels import Float32Array
from soritune.audio.spectrum import fast_length
from soritune.draws import RowDraws

ANCHORS_HZ = np.array([60.0, 150.0, 400.0, 1000.0, 2400.0, 5000.0, 8000.0])
"""Frequencies at which the response of a microphone is drawn; it is linear in log frequency between them."""
_STEEPEST = 8
"""Largest slope that is drawn, as for `response_curve`."""


class MicrophoneResponse(Augmentation):
    """Filters an utterance by a drawn response with zero phase, so that time labels remain valid."""

    deviation_db: float = Field(4.0, ge=0, le=20)
    """Standard deviation of the response from flat at each of seven frequencies from 60 Hz to 8 kHz."""
    low_hz: Annotated[tuple[float, float], within(1.0, 1000.0)] = (20.0, 240.0)
    """Range of the lower end of the band, equally likely on a logarithmic scale."""
    narrow_share: float = Field(0.35, ge=0, le=1)
    """Share of microphones whose band ends at `high_hz`."""
    high_hz: Annotated[tuple[float, float], within(1000.0, 8000.0)] = (3400.0, 7800.0)
    """Range of the upper end of a narrow band, equally likely on a logarithmic scale."""

    def draw(self, rng: RowDraws) -> Parameters:
        """`response_db` (rows, 7), `low_hz`, `high_hz` (8000 for a band without an upper end), `slope`."""
        generators = [rng.generator(index) for index in range(len(rng))]
        drawn = [generator.normal(0.0, self.deviation_db, len(ANCHORS_HZ)) for generator in generators]
        low, high = np.log(self.low_hz), np.log(self.high_hz)
        narrow = rng.uniform("narrow") < self.narrow_share
        ends = np.exp(rng.between("high_hz", (float(high[0]), float(high[1]))))
        return {
            "response_db": np.reshape(drawn, (len(rng), len(ANCHORS_HZ))),
            "low_hz": np.exp(rng.between("low_hz", (float(low[0]), float(low[1])))),
            "high_hz": np.where(narrow, ends, ANCHORS_HZ[-1]),
            "slope": 2 + (rng.uniform("slope") * (_STEEPEST - 1)).astype(np.int64),
        }

    def apply(
        self,
        samples: Float32Array,
        sample_rate_hz: int,
        parameters: Mapping[str, Any],
        generator: np.random.Generator,
    ) -> Float32Array:
        """Filters (samples,) by the response drawn."""
        return filtered(
            samples,
            sample_rate_hz,
            parameters["response_db"],
            float(parameters["low_hz"]),
            float(parameters["high_hz"]),
            int(parameters["slope"]),
        )


AUGMENTATION = MicrophoneResponse


def filtered(
    samples: Float32Array,
    sample_rate_hz: int,
    response_db: Sequence[float] | NDArray[np.float64],
    low_hz: float,
    high_hz: float,
    slope: int,
) -> Float32Array:
    """(samples,) filtered by `response_curve`; 0.1 s of zeros keep the end from wrapping around to the beginning."""
    points = fast_length(len(samples) + sample_rate_hz // 10)
    frequencies = np.fft.rfftfreq(points, 1 / sample_rate_hz).astype(np.float64)
    curve = response_curve(frequencies, response_db, low_hz, high_hz, slope)
    return np.fft.irfft(np.fft.rfft(samples, points) * curve, points)[: len(samples)].astype(np.float32)


def response_curve(
    frequencies: NDArray[np.float64],
    response_db: Sequence[float] | NDArray[np.float64],
    low_hz: float,
    high_hz: float,
    slope: int,
) -> NDArray[np.float32]:
    """The gain of a microphone and its band at each frequency, with zero phase.

    Args:
        frequencies: (bins,) in Hz.
        response_db: (7,) at `ANCHORS_HZ`.
        low_hz, high_hz: lower and upper end of the band (-3 dB). With `high_hz` at the highest anchor or
            above, the band has no upper end.
        slope: n for edges of 6 n dB an octave below the band, at most 24, and 12 n dB above it.

    Returns:
        (bins,) factors of the amplitude.
    """
    positions = np.log(np.maximum(frequencies, ANCHORS_HZ[0]))
    curve = 10 ** (np.interp(positions, np.log(ANCHORS_HZ), response_db) / 20)
    power = 2 * slope
    curve /= np.sqrt(1 + (low_hz / np.maximum(frequencies, 1.0)) ** min(power, 8))
    if high_hz < ANCHORS_HZ[-1]:
        curve /= np.sqrt(1 + (frequencies / high_hz) ** (power * 2))
    result: NDArray[np.float32] = curve.astype(np.float32)
    return result
