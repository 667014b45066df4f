"""Masks on the encoder's features, drawn per utterance. Next: `audio/augment/spec_augment.py`.

Masks are members of the open folder `audio/augment` like augmentations of the waveform; the model hides what they cover
(`models/spec_augment.py`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from soritune.settings import Settings


class Masking(Settings, ABC):
    """Settings of some masks, and how they are drawn."""

    probability: float = Field(1.0, ge=0, le=1)
    """Share of the utterances that are masked at all."""

    @abstractmethod
    def mask(self, rng: np.random.Generator, time: NDArray[np.bool_], feature: NDArray[np.bool_]) -> None:
        """Sets the masks of one utterance to True.

        Args:
            rng: of the utterance.
            time: (frames,) of the encoder; False where no mask covers it yet.
            feature: (hidden,) channels of the encoder, likewise.
        """
