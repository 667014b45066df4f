"""What an output asks of a row, without tensors."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def frames_needed(symbols: NDArray[np.int64]) -> int:
    """Frames CTC needs for a label sequence: one each, and a blank between equal neighbours (Graves et al. 2006)."""
    return len(symbols) + int((symbols[1:] == symbols[:-1]).sum())
