"""Memory of finished requests goes back to the system: glibc keeps it otherwise, in pieces that fit no later request.

Batches have ever other shapes, and small things live on between their arrays, so that the heap gets holes and the
process grows by several hundred megabytes. A mapping for every large array would avoid the holes, but each of its
pages costs a page fault in every batch: a server was a quarter slower. Instead, the pages of the holes return to the
system from time to time.
"""

from __future__ import annotations

import asyncio
import ctypes

PERIOD_S = 10.0
"""A page that was returned costs a page fault when it is used again, so this is not done after every batch."""


def return_holes() -> bool:
    """Returns the unused pages of the heap to the system. False where the C library is not glibc."""
    try:
        trim = ctypes.CDLL(None).malloc_trim
    except (OSError, AttributeError, TypeError):  # musl, Windows
        return False
    trim(0)
    return True


class Trimmer:
    """Returns memory every few seconds, as long as there is work.

    Args:
        period_s: seconds from one time to the next.
    """

    def __init__(self, period_s: float = PERIOD_S) -> None:
        self._period_s = period_s
        self._rounds = 0

    def worked(self) -> None:
        """Notes that a batch is run, which may end after the next round. May be called by any thread."""
        self._rounds = 2

    async def run(self) -> None:
        """Runs until it is cancelled, or ends where memory cannot be returned."""
        while True:
            await asyncio.sleep(self._period_s)
            if not self._rounds:
                continue
            self._rounds -= 1
            if not await asyncio.to_thread(return_holes):
                return
