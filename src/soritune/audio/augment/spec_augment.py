"""SpecAugment's masks along time and features (Park et al. 2019, "SpecAugment")."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from soritune.audio.augment.masks import Masking


class SpecAugment(Masking):
    """Masks on the input features of the encoder (Park et al. 2019), drawn per utterance."""

    time_masks: int = Field(2, ge=0)
    """Number of masks along time."""
    time_width_frames: int = Field(30, ge=0)
    """Widest time mask in encoder frames of 20 ms. Widths are drawn from 0 to this, both included."""
    feature_masks: int = Field(2, ge=0)
    """Number of masks along the feature axis."""
    feature_width_share: float = Field(15 / 80, ge=0, le=1)
    """Widest feature mask as a share of the axis: 15 of 80 mel bins is 15/80 of the encoder's channels."""
    longest_share: float = Field(0.25, gt=0, le=1)
    """Largest share of an utterance that one time mask covers, so that parts of short clips remain."""

    def mask(self, rng: np.random.Generator, time: NDArray[np.bool_], feature: NDArray[np.bool_]) -> None:
        """Draws a width from 0 to the widest, both included, then a start at which the mask fits (§2 of
        the paper)."""
        widest = min(self.time_width_frames, int(self.longest_share * len(time)))
        for axis, count, limit in (
            (time, self.time_masks, widest),
            (feature, self.feature_masks, round(self.feature_width_share * len(feature))),
        ):
            for _ in range(count):
                width = int(rng.integers(0, limit + 1))
                start = int(rng.integers(0, len(axis) - width + 1))
                axis[start : start + width] = True


AUGMENTATION = SpecAugment
