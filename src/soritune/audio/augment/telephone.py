"""A telephone line: an augmentation, and the telephone of synthetic recordings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from soritune.audio.augment.augmentation import Augmentation, Parameters, within
from soritune.audio.augment.microphone import ANCHORS_HZ, filtered
from soritune.audio.channels import Float32Array
from soritune.audio.resample import resample
from soritune.draws import RowDraws

_TELEPHONE_HZ = 8000
_MU = 255.0
"""The constant of the mu-law of ITU-T G.711."""
_SLOPE = 4
"""Slope of the edges, as for `response_curve`: 24 dB an octave below 300 Hz, 48 above 3400 Hz."""


class TelephoneLine(Augmentation):
    """Sends an utterance through a telephone line: 300 to 3400 Hz (ITU-T G.712), mu-law (ITU-T G.711) at 8
    kHz. Its sampling rate and level are restored.
    """

    probability: float = Field(0.1, ge=0, le=1)
    """Share of utterances that are changed."""
    peak_db: Annotated[tuple[float, float], within(-60.0, 0.0)] = (-20.0, 0.0)
    """Range of the peak on the line relative to full scale of the code; a quieter signal is coded more coarsely."""

    def draw(self, rng: RowDraws) -> Parameters:
        """`peak_db`."""
        return {"peak_db": rng.between("peak_db", self.peak_db)}

    def apply(
        self,
        samples: Float32Array,
        sample_rate_hz: int,
        parameters: Mapping[str, Any],
        generator: np.random.Generator,
    ) -> Float32Array:
        """Sends (samples,) through the line."""
        flat = np.zeros(len(ANCHORS_HZ))
        narrow = filtered(samples, sample_rate_hz, flat, low_hz=300.0, high_hz=3400.0, slope=_SLOPE)
        peak = float(np.abs(narrow).max(initial=0.0))
        if peak == 0.0:
            return narrow
        gain = np.float32(10 ** (float(parameters["peak_db"]) / 20) / peak)
        return by_telephone(narrow * gain, sample_rate_hz) / gain


AUGMENTATION = TelephoneLine


def by_telephone(samples: Float32Array, sample_rate_hz: int) -> Float32Array:
    """(samples,) in [-1, 1] after 8 bit mu-law coding at 8 kHz, resampled to their rate again."""
    narrow = np.clip(resample(samples, sample_rate_hz, _TELEPHONE_HZ), -1, 1)
    wide = resample(through_mu_law(narrow).astype(np.float32), _TELEPHONE_HZ, sample_rate_hz)
    result = np.zeros(len(samples), np.float32)
    result[: len(wide)] = wide[: len(samples)]
    return result


def through_mu_law(samples: NDArray[np.floating]) -> NDArray[np.floating]:
    """(samples,) in [-1, 1], rounded to the 255 levels of the continuous mu-law. The eight chords of G.711
    are a piecewise linear approximation of it."""
    coded = np.round(np.sign(samples) * np.log1p(_MU * np.abs(samples)) / np.log1p(_MU) * 127) / 127
    decoded: NDArray[np.floating] = np.sign(coded) * np.expm1(np.abs(coded) * np.log1p(_MU)) / _MU
    return decoded
