"""The processes that make speech, and the error when the system ends one of them."""

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
    """Processes that make speech. When the work is interrupted, they finish what they have begun.

    Args:
        processes: their number.
        kept: second half of the error message: what is kept of the work, and how to resume it.

    Raises:
        SorituneError: a process was ended from outside.
    """
    context = multiprocessing.get_context("fork" if sys.platform == "linux" else "spawn")
    with ProcessPoolExecutor(processes, mp_context=context, initializer=_ignore_interrupts) as pool:
        try:
            with _interrupts_held():
                pool.submit(_nothing).result()
            yield pool
        except BrokenProcessPool:
            raise SorituneError(
                f"a process that makes speech was ended from outside, as the system does when memory runs out; {kept}"
            ) from None
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """Delays Ctrl-C while the processes start: they inherit this, so that none is ended before it ignores it."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _nothing() -> None:
    """Starts the processes."""


def _ignore_interrupts() -> None:
    """Leaves Ctrl-C to the parent process, which waits for the work in progress and stops."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
