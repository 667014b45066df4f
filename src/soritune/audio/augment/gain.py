"""Gain: an utterance becomes louder or quieter."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import numpy as np

from soritune.audio.augment.augmentation import Augmentation, Parameters, within
from soritune.audio.channels import Float32Array
from soritune.draws import RowDraws


class Gain(Augmentation):
    """Multiplies the samples by a factor and clips them at full scale, as a recorder does.

    The normalisation of `preprocessing.normalize` removes the factor; what is left of it then is the clipping.
    """

    factor: Annotated[tuple[float, float], within(0.01, 100.0)] = (0.5, 1.5)
    """Range of the factor of the amplitude, all values equally likely."""

    def draw(self, rng: RowDraws) -> Parameters:
        """`factor`."""
        return {"factor": rng.between("factor", self.factor)}

    def apply(
        self,
        samples: Float32Array,
        sample_rate_hz: int,
        parameters: Mapping[str, Any],
        generator: np.random.Generator,
    ) -> Float32Array:
        """Multiplies and clips (samples,)."""
        louder: Float32Array = np.clip(samples * np.float32(parameters["factor"]), -1.0, 1.0)
        return louder


AUGMENTATION = Gain
