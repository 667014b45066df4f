"""The contract of the open folder `audio/augment`: a random change to the waveform of one utterance in training.

A file in the folder that binds `AUGMENTATION` to a subclass is a member, and its file name is its key
in a recipe: `augment: {noise: {probability: 0.3}}`. Other packages add members through the
entry-point group `soritune.audio.augment`.

Drawing parameters and applying them are separate. What is drawn for a row depends only on the run's seed, the
phase, the epoch and the row. An epoch can therefore be planned without audio, and no result depends on the
order of rows, on the loader workers or on the number of processes. By default, preprocessing normalises
afterwards and removes changes of level and offset.
Next: `audio/augment/chain.py`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator, Field

from soritune.audio.channels import Float32Array
from soritune.draws import RowDraws
from soritune.settings import Settings

Parameters = dict[str, NDArray[Any]]
"""The parameters drawn for many rows, by name: arrays whose first axis is the rows."""


class Augmentation(Settings, ABC):
    """Settings of an augmentation of the waveform, and how it is drawn and applied.

    An augmentation that changes the length defines `speed_factor`, `fastest` and `slowest`. The plan of an
    epoch, the check of the corpus and the search for the largest batch use them. `Chain` checks them against
    the factors drawn and the samples returned.
    """

    probability: float = Field(0.5, ge=0, le=1)
    """Share of utterances that are changed."""

    @abstractmethod
    def draw(self, rng: RowDraws) -> Parameters:
        """Draws the parameters of every row, including the rows that `probability` leaves unchanged.

        Args:
            rng: random numbers of the rows. `rng.uniform` and `rng.between` take milliseconds for a million
                rows. `rng.generator` takes 20 µs for each row, so an augmentation that changes the length
                should not use it.
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
            samples: (samples,) mono; must not be changed in place.
            sample_rate_hz: of the samples.
            parameters: of this row, by name.
            generator: of this row, for random numbers that are too many for parameters, such as noise.

        Returns:
            (samples / speed factor,) float32, finite; the length may differ by one sample.
        """

    def check_usable(self) -> None:
        """Looks for files and libraries that the settings need, before a training starts.

        Raises:
            AugmentationError: one is missing.
        """
        return

    def origin(self) -> dict[str, Any] | None:
        """What a model card states about recordings that the augmentation takes from a folder of the user.

        Returns:
            `folder`, `files`, `licence`; None for an augmentation that computes everything.
        """
        return None

    def speed_factor(self, parameters: Parameters) -> NDArray[np.float64] | float:
        """How many times faster each row plays: duration before / duration after. 1 where the length is kept.

        The convention is that of speed perturbation (Ko et al. 2015): durations are divided by the factor, so
        that at 1.1 an utterance of 1.1 s becomes one of 1 s.

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
    """The check of a setting that is a range (low, high) between two limits."""

    def check(bounds: tuple[float, float]) -> tuple[float, float]:
        low, high = bounds
        if not lowest <= low <= high <= highest:
            raise ValueError(f"give a range from low to high within {lowest:g} and {highest:g}")
        return bounds

    return AfterValidator(check)
