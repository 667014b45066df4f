"""Speed perturbation: tempo and pitch change together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import field_validator

from soritune.audio.augment.augmentation import Augmentation, Parameters
from soritune.audio.channels import Float32Array
from soritune.audio.resample import change_speed
from soritune.draws import RowDraws


class SpeedPerturbation(Augmentation):
    """Plays an utterance faster or slower (`resample.change_speed`), as in Ko et al. 2015."""

    factors: tuple[float, ...] = (0.9, 1.0, 1.1)
    """Speeds to draw from, all equally likely; 1.0 changes nothing."""

    @field_validator("factors")
    @classmethod
    def _positive(cls, factors: tuple[float, ...]) -> tuple[float, ...]:
        if not factors or any(not 0.5 <= factor <= 2.0 for factor in factors):
            raise ValueError(f"speed factors must be between 0.5 and 2.0, got {list(factors)}")
        if set(factors) == {1.0}:
            raise ValueError("speed factors of 1 change nothing; give others, or leave speed out")
        return factors

    def draw(self, rng: RowDraws) -> Parameters:
        """`factor`."""
        chosen = (rng.uniform() * len(self.factors)).astype(np.int64)
        return {"factor": np.asarray(self.factors)[chosen]}

    def apply(
        self,
        samples: Float32Array,
        sample_rate_hz: int,
        parameters: Mapping[str, Any],
        generator: np.random.Generator,
    ) -> Float32Array:
        """Plays (samples,) at the speed drawn."""
        factor = float(parameters["factor"])
        return samples if factor == 1.0 else change_speed(samples, factor)

    def speed_factor(self, parameters: Parameters) -> NDArray[np.float64]:
        """The factors drawn."""
        factors: NDArray[np.float64] = parameters["factor"]
        return factors

    @property
    def fastest(self) -> float:
        """The largest factor."""
        return max(self.factors)

    @property
    def slowest(self) -> float:
        """The smallest factor."""
        return min(self.factors)


AUGMENTATION = SpeedPerturbation
