"""The contract of masks on the features of an encoder. Next: `audio/augment/spec_augment.py`.

Masks are members of the open folder `audio/augment`, as augmentations of the waveform are. They are drawn per
utterance; the model hides what they cover (`models/spec_augment.py`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from soritune.settings import Settings


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
