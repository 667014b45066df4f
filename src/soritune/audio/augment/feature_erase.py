"""Random erasing of a rectangle of the encoder's features (Zhong et al. 2020, "Random erasing data augmentation")."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from soritune.audio.augment.augmentation import within
from soritune.audio.augment.masks import Masking


class FeatureErase(Masking):
    """Hides a rectangle of the input features of the encoder: some channels during some frames.

    SpecAugment hides all channels of a frame, or a channel in all frames. `random_erase` erases a span of the waveform.
    """

    time_share: Annotated[tuple[float, float], within(0.0, 1.0)] = (0.05, 0.3)
    """Range of the share of the frames, all values equally likely."""
    feature_share: Annotated[tuple[float, float], within(0.0, 1.0)] = (0.1, 0.4)
    """Range of the share of the channels, all values equally likely."""

    def mask(self, rng: np.random.Generator, time: NDArray[np.bool_], feature: NDArray[np.bool_]) -> None:
        """Hides no whole frame and no whole channel."""

    def rectangles(self, rng: np.random.Generator, frames: int, channels: int) -> NDArray[np.int64]:
        """(1, 4): a rectangle of drawn size at a drawn place."""
        corners: list[int] = []
        for (low, high), size in ((self.time_share, frames), (self.feature_share, channels)):
            width = round(float(rng.uniform(low, high)) * size)
            start = int(rng.integers(0, size - width + 1))
            corners += [start, start + width]
        return np.array([corners], dtype=np.int64)


AUGMENTATION = FeatureErase
