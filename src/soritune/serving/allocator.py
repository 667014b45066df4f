"""Memory of finished requests goes back to the system: glibc keeps it otherwise, in pieces that fit no later request.

Batches have ever other shapes, and small things live on between their arrays, so that the heap gets holes and the
process grows by several hundred megabytes. A mapping for every large array avoids the holes, but each of its pages
costs a page fault in every batch: with mappings from 1 MiB on, a server was a quarter slower. So only the largest
arrays, of which a batch has few, are mappings, and the pages of the holes between the others return to the system from
time to time.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
from typing import Any

LARGE_BYTES = 8 << 20
"""Arrays from this size on are mappings of their own, which are returned as soon as they are free."""
FREE_BYTES = 64 << 20
"""So much may be free at the end of the heap until the next round."""
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
"""`M_TRIM_THRESHOLD` and `M_MMAP_THRESHOLD` of glibc's malloc.h."""
STATED = ("MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_", "GLIBC_TUNABLES")
"""Variables by which a user sets these."""
PERIOD_S = 10.0
"""A page that was returned costs a page fault when it is used again, so this is not done after every batch."""


def map_large_arrays() -> bool:
    """Makes the next large arrays of this process mappings.

    glibc would raise its threshold, which begins at 128 KiB, to the largest array that was freed, up to 32 MiB. A set
    threshold does not rise, nor does that of the free end of the heap, which would cost a page fault for every page of
    every array at 128 KiB, so both are set.

    False where the C library is not glibc, or where a variable (`STATED`) has other sizes.
    """
    mallopt = None if any(name in os.environ for name in STATED) else _function("mallopt")
    if mallopt is None:
        return False
    return bool(mallopt(_MMAP_THRESHOLD, LARGE_BYTES)) and bool(mallopt(_TRIM_THRESHOLD, FREE_BYTES))


def return_holes() -> bool:
    """Returns the unused pages of the heap to the system. False where the C library is not glibc."""
    trim = _function("malloc_trim")
    if trim is None:
        return False
    trim(0)
    return True


def _function(name: str) -> Any:
    """A function of the C library; None where it does not have it."""
    try:
        library = ctypes.CDLL(None)
        return getattr(library, name) if hasattr(library, "gnu_get_libc_version") else None
    except (OSError, TypeError):  # Windows
        return None


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
