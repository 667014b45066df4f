"""Greedy decoding of a CTC output: the best label of each frame, repeats merged, blanks removed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from soritune.tasks.decoding.decoder import GREEDY, Decoded, Decoder


class GreedyDecoder(Decoder):
    """Best-path decoding (Graves et al. 2006, eq. 4). A symbol lasts as long as its label is the best one."""

    name: ClassVar[str] = GREEDY

    def decode(self, log_probabilities: NDArray[np.float32], labels: Sequence[str], blank: int) -> Decoded:
        """See `Decoder.decode`."""
        if len(log_probabilities) == 0:
            no_frames = np.zeros(0, dtype=np.int64)
            return Decoded((), np.zeros(0, dtype=np.float32), no_frames, no_frames)
        best = log_probabilities.argmax(axis=1)
        starts = np.flatnonzero(np.concatenate([[True], best[1:] != best[:-1]]))
        ends = np.append(starts[1:], len(best)) - 1
        is_symbol = best[starts] != blank
        first, last = starts[is_symbol], ends[is_symbol]

        return Decoded(
            tuple(labels[label] for label in best[first]), log_probabilities[first, best[first]], first, last
        )


DECODER = GreedyDecoder
