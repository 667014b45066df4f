"""Loudness: the level of the speech, and a level that rises or falls along an utterance."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import numpy as np

from soritune.audio.augment.augmentation import Augmentation, Parameters, within
from soritune.audio.augment.noise import active_power
from soritune.audio.channels import Float32Array
from soritune.draws import RowDraws


class Loudness(Augmentation):
    """Brings the active speech (without pauses, as in ITU-T P.56) to a drawn level, with a steady rise or fall.

    A speaker who turns away, or moves towards the microphone, changes level in this way. Samples are clipped at full
    scale. The normalisation of `preprocessing.normalize` removes the level, and keeps the rise or fall and the
    clipping. Digital silence remains silent.
    """

    level_db: Annotated[tuple[float, float], within(-80.0, 0.0)] = (-36.0, -16.0)
    """Range of the level of the active speech relative to full scale (a constant 1.0), equally likely in dB."""
    drift_db: Annotated[tuple[float, float], within(-40.0, 40.0)] = (-6.0, 6.0)
    """Range of the change of level from the beginning to the end, equally likely in dB."""

    def draw(self, rng: RowDraws) -> Parameters:
        """`level_db`, `drift_db`."""
        return {
            "level_db": rng.between("level_db", self.level_db),
            "drift_db": rng.between("drift_db", self.drift_db),
        }

    def apply(
        self,
        samples: Float32Array,
        sample_rate_hz: int,
        parameters: Mapping[str, Any],
        generator: np.random.Generator,
    ) -> Float32Array:
        """Changes the level of (samples,)."""
        half = float(parameters["drift_db"]) / 2
        decibels = np.linspace(-half, half, len(samples), dtype=np.float32)
        drifting = (samples * 10 ** (decibels / 20)).astype(np.float32)
        power = active_power(drifting, sample_rate_hz)
        if power <= 0.0:
            return samples
        factor = np.float32(10 ** (float(parameters["level_db"]) / 20) / np.sqrt(power))
        louder: Float32Array = np.clip(drifting * factor, -1.0, 1.0)
        return louder


AUGMENTATION = Loudness
