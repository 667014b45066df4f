"""White Gaussian noise: independent samples of a normal distribution."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import numpy as np

from soritune.audio.augment.augmentation import Augmentation, Parameters, within
from soritune.audio.augment.noise import with_noise
from soritune.audio.channels import Float32Array
from soritune.draws import RowDraws


class GaussianNoise(Augmentation):
    """Adds white Gaussian noise at a level relative to the active speech, as `noise` adds coloured noise.

    Digital silence remains silent.
    """

    snr_db: Annotated[tuple[float, float], within(-40.0, 100.0)] = (5.0, 30.0)
    """Range of the speech level over the noise level after clipping, equally likely in dB."""

    def draw(self, rng: RowDraws) -> Parameters:
        """`snr_db`."""
        return {"snr_db": rng.between("snr_db", self.snr_db)}

    def apply(
        self,
        samples: Float32Array,
        sample_rate_hz: int,
        parameters: Mapping[str, Any],
        generator: np.random.Generator,
    ) -> Float32Array:
        """Adds noise drawn from `generator` to (samples,)."""
        noise = generator.standard_normal(len(samples), dtype=np.float32)
        return with_noise(samples, noise, sample_rate_hz, float(parameters["snr_db"]))


AUGMENTATION = GaussianNoise
