"""The contract of masks on the features of an encoder. Next: `audio/augment/spec_augment.py`.

Masks are members of the open folder `audio/augment`, as augmentations of the waveform are. They are drawn per
utterance; the model hides what they cover (`models/spec_augment.py`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from soritune.settings import Settings


@dataclass(frozen=True, slots=True)
class Masks:
    """The masks of the utterances of a micro-batch."""

    time: NDArray[np.bool_]
    """(batch, frames), True where all channels of a frame are hidden."""
    feature: NDArray[np.bool_]
    """(batch, hidden), True where a channel is hidden in all frames."""
    rectangles: NDArray[np.int64]
    """(batch, rectangles, 4): first frame, end frame, first channel, end channel of each; ends are not included. A row
    with fewer rectangles than another one has empty ones."""


class Masking(Settings, ABC):
    """Settings of a kind of masks, and how they are drawn."""

    probability: float = Field(1.0, ge=0, le=1)
    """Share of utterances that are masked."""

    @abstractmethod
    def mask(self, rng: np.random.Generator, time: NDArray[np.bool_], feature: NDArray[np.bool_]) -> None:
        """Sets the masks of one utterance to True.

        Args:
            rng: of the utterance.
            time: (frames,) of the encoder; False where no mask covers a frame yet.
            feature: (hidden,) of the encoder; False where no mask covers a channel yet.
        """

    def rectangles(self, rng: np.random.Generator, frames: int, channels: int) -> NDArray[np.int64]:
        """Parts of the features that are hidden in some frames and some channels; none by default.

        Args:
            rng: of the utterance, after `mask`.
            frames: of the encoder.
            channels: of the encoder.

        Returns:
            (rectangles, 4): first frame, end frame, first channel, end channel; ends are not included.
        """
        return np.zeros((0, 4), dtype=np.int64)
