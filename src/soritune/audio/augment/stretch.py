"""Time stretch: another tempo with the same pitch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from soritune.audio.augment.augmentation import Augmentation, Parameters, within
from soritune.audio.channels import Float32Array
from soritune.audio.stretching import stretch
from soritune.draws import RowDraws


class TimeStretch(Augmentation):
    """Plays an utterance faster or slower with its pitch unchanged (`audio/stretching.py`).

    All parts of an utterance change by the same factor, to 12 ms: targets and inputs that cover an utterance evenly,
    and label sequences of CTC, remain valid.
    """

    factor: Annotated[tuple[float, float], within(0.5, 2.0)] = (0.8, 1.2)
    """Range of the speed factor (duration before / after), all values equally likely. At 1.2 an utterance of 1.2 s
    becomes one of 1 s."""

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
        """Stretches (samples,) by the factor drawn."""
        return stretch(samples, sample_rate_hz, float(parameters["factor"]))

    def speed_factor(self, parameters: Parameters) -> NDArray[np.float64]:
        """The factors drawn."""
        factors: NDArray[np.float64] = parameters["factor"]
        return factors

    @property
    def fastest(self) -> float:
        """The upper end of the range."""
        return self.factor[1]

    @property
    def slowest(self) -> float:
        """The lower end of the range."""
        return self.factor[0]


AUGMENTATION = TimeStretch
