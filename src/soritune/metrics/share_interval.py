"""The interval of a share of independent events, such as the errors of one phone."""

from __future__ import annotations

import math

_Z = 1.959964
"""Of the 95 % interval."""


def wilson(count: float, total: float) -> tuple[float, float]:
    """The interval of 95 % of a share (Wilson 1927).

    >>> [round(end, 3) for end in wilson(0, 10)], [round(end, 3) for end in wilson(10, 20)]
    ([0.0, 0.278], [0.299, 0.701])
    """
    if total == 0:
        return 0.0, 1.0
    share, spread = count / total, _Z**2 / total
    middle = (share + spread / 2) / (1 + spread)
    half = math.sqrt(share * (1 - share) * spread + (spread / 2) ** 2) / (1 + spread)
    return max(0.0, middle - half), min(1.0, middle + half)
