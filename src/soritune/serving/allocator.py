"""Memory of finished requests goes back to the system: glibc keeps it otherwise, in pieces that fit no later request.

A block above a threshold has a mapping of its own, which ends with it. glibc raises the threshold to the size of each
such block that is freed, up to 32 MiB, so that later arrays share one heap. Batches of ever other shapes, and small
things that live on between them, leave holes there, and the process grows by several hundred megabytes.
"""

from __future__ import annotations

import ctypes
import os

THRESHOLD = 2**20
"""Bytes. A page of the mapping costs a page fault, so small blocks stay in the heap."""
CHOICES = ("MALLOC_MMAP_THRESHOLD_", "GLIBC_TUNABLES")
"""Variables by which a user has chosen already."""
_M_MMAP_THRESHOLD = -3
"""Of malloc.h."""


def return_large_blocks() -> bool:
    """Fixes the threshold for this process. False where the user has chosen, or the C library is not glibc."""
    if any(name in os.environ for name in CHOICES):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):  # Windows, musl
        return False
    return bool(mallopt(_M_MMAP_THRESHOLD, THRESHOLD) == 1)
