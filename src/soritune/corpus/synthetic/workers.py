"""The processes that make speech, and what is said when the system ends one of them."""

from __future__ import annotations

import multiprocessing
import signal
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager

from soritune.errors import SorituneError


@contextmanager
def worker_pool(processes: int, kept: str) -> Iterator[ProcessPoolExecutor]:
    """Processes to make speech in; what they have under way is finished when the work is interrupted.

    Args:
        processes: how many.
        kept: what is left of the work when one of them dies, and how to go on: the second half of the sentence.

    Raises:
        SorituneError: a process was ended from outside.
    """
    context = multiprocessing.get_context("fork" if sys.platform == "linux" else "spawn")
    with ProcessPoolExecutor(processes, mp_context=context, initializer=_ignore_interrupts) as pool:
        try:
            yield pool
        except BrokenProcessPool:
            raise SorituneError(
                f"a process that makes speech was ended from outside, as the system does when memory runs out; {kept}"
            ) from None
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise


def _ignore_interrupts() -> None:
    """Ctrl-C is the parent's affair: it waits for what is under way and stops."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
