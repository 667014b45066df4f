"""Memory of finished requests goes back to the system: glibc keeps it otherwise, in pieces that fit no later request.

Batches have ever other shapes, and small things live on between their arrays, so that the heap gets holes and the
process grows by several hundred megabytes. A mapping for every large array would avoid the holes, but each of its
pages costs a page fault in every batch: a server was a quarter slower. The pages of the holes are given back from time
to time instead.
"""

from __future__ import annotations

import asyncio
import ctypes

PERIOD_S = 10.0
"""The pages that are given back cost a page fault each when they are used again, so not after every batch."""


def give_back_holes() -> bool:
    """Gives the unused pages of the heap back to the system. False where the C library is not glibc."""
    try:
        trim = ctypes.CDLL(None).malloc_trim
    except (OSError, AttributeError):  # Windows, musl
        return False
    trim(0)
    return True


class Trimmer:
    """Gives memory back every few seconds, as long as there is work.

    Args:
        period_s: seconds from one time to the next.
    """

    def __init__(self, period_s: float = PERIOD_S) -> None:
        self._period_s = period_s
        self._has_worked = False

    def worked(self) -> None:
        """Notes that a batch was run. May be called by any thread."""
        self._has_worked = True

    async def run(self) -> None:
        """Runs until it is cancelled, or ends at once where memory cannot be given back."""
        while True:
            await asyncio.sleep(self._period_s)
            if not self._has_worked:
                continue
            self._has_worked = False
            if not await asyncio.to_thread(give_back_holes):
                return
