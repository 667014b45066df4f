"""Pitch shift: another pitch with the same tempo."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import numpy as np

from soritune.audio.augment.augmentation import Augmentation, Parameters, within
from soritune.audio.channels import Float32Array
from soritune.audio.stretching import shift_pitch
from soritune.draws import RowDraws


class PitchShift(Augmentation):
    """Raises or lowers the voice with its length unchanged (`audio/stretching.py`).

    An input with the pitch of a row, such as a contour from the corpus, is not changed with it.
    """

    semitones: Annotated[tuple[float, float], within(-12.0, 12.0)] = (-2.0, 2.0)
    """Range of the shift, all values equally likely; 12 semitones double the pitch."""

    def draw(self, rng: RowDraws) -> Parameters:
        """`semitones`."""
        return {"semitones": rng.between("semitones", self.semitones)}

    def apply(
        self,
        samples: Float32Array,
        sample_rate_hz: int,
        parameters: Mapping[str, Any],
        generator: np.random.Generator,
    ) -> Float32Array:
        """Shifts the pitch of (samples,)."""
        return shift_pitch(samples, sample_rate_hz, float(parameters["semitones"]))


AUGMENTATION = PitchShift
