"""The contract of a choice among augmentations: which of its members change each utterance.

A choice is a member of the open folder `audio/augment` too. Its members may change the waveform, hide features or mix
utterances. `Chain` applies those that are chosen, as if the others were switched off. Next: `one_of.py`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from soritune.audio.augment.augmentation import Augmentation
from soritune.audio.augment.masks import Masking
from soritune.audio.augment.mixing import Mixing
from soritune.draws import RowDraws
from soritune.settings import Settings


class Selection(Settings, ABC):
    """Settings of a choice, and how it is drawn."""

    @property
    @abstractmethod
    def choices(self) -> Mapping[str, Augmentation | Masking | Mixing]:
        """The members by their place in these settings, such as `among.noise`, in the order in which they are applied.

        Their `probability` has no effect.
        """

    @property
    @abstractmethod
    def at_most(self) -> int:
        """The largest number of members that change one utterance."""

    @abstractmethod
    def chosen(self, rng: RowDraws) -> NDArray[np.bool_]:
        """Which members change each row.

        Args:
            rng: random numbers of the rows.

        Returns:
            (rows, members) in the order of `choices`.
        """
