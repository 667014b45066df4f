"""The contract of the open folder `audio/augment`: a random change to the waveform of one utterance in training.

A file in the folder that binds `AUGMENTATION` to a subclass is a member, and its file name is its key in a recipe:
`augment: {noise: {probability: 0.3}}`. Other packages join through the entry-point group `soritune.audio.augment`.

Drawing is apart from doing. What is drawn for a row depends on the run's seed, the phase, the epoch and the row alone.
An epoch can then be planned without audio, and no result depends on the order of rows, on loader workers or on the
number of processes. Preprocessing normalises afterwards by default, which takes out changes of level and offset.
Next: `audio/augment/chain.py`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator, Field

from soritune.audio.waveform import Float32Array
from soritune.draws import RowDraws
from soritune.settings import Settings

Parameters = dict[str, NDArray[Any]]
"""What was drawn for many rows, by name: arrays whose first axis is the rows."""


class Augmentation(Settings, ABC):
    """Settings of an augmentation of the waveform, and what it does.

    An augmentation that changes the length defines `speed_factor`, `fastest` and `slowest`. The plan of an epoch, the
    check of the corpus and the search for the largest batch ask for them, and `Chain` compares them with what is drawn
    and with the samples.
    """

    probability: float = Field(0.5, ge=0, le=1)
    """Share of utterances that are changed."""

    @abstractmethod
    def draw(self, rng: RowDraws) -> Parameters:
        """Draws the parameters of every row, also of those that `probability` leaves unchanged.

        Args:
            rng: of the rows. `rng.uniform` and `rng.between` take milliseconds for a million rows; `rng.generator`
                takes 20 µs a row, so an augmentation that changes the length should not need it.
        """

    @abstractmethod
    def apply(
        self,
        samples: Float32Array,
        sample_rate_hz: int,
        parameters: Mapping[str, Any],
        generator: np.random.Generator,
    ) -> Float32Array:
        """Changes one utterance.

        Args:
            samples: (samples,) mono; not to be changed in place.
            sample_rate_hz: of the samples.
            parameters: of this row, by name.
            generator: of this row, for what has too many numbers to be a parameter, such as noise.

        Returns:
            (samples / speed factor,) float32, finite, within one sample of that length.
        """

    def speed_factor(self, parameters: Parameters) -> NDArray[np.float64] | float:
        """How many times faster each row plays: duration before / duration after. 1 where the length is kept.

        The convention is that of speed perturbation (Ko et al. 2015): at 1.1 an utterance of 1.1 s becomes one of 1 s,
        durations are divided by the factor.

        Returns:
            (rows,), or one number for all rows.
        """
        return 1.0

    @property
    def fastest(self) -> float:
        """The largest speed factor that can be drawn."""
        return 1.0

    @property
    def slowest(self) -> float:
        """The smallest speed factor that can be drawn."""
        return 1.0


def within(lowest: float, highest: float) -> AfterValidator:
    """Checks a setting that is a range, (low, high)."""

    def check(bounds: tuple[float, float]) -> tuple[float, float]:
        low, high = bounds
        if not lowest <= low <= high <= highest:
            raise ValueError(f"give a range from low to high within {lowest:g} and {highest:g}")
        return bounds

    return AfterValidator(check)
