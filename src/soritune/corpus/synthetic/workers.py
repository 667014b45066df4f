"""The processes that make speech or pack it, and the error when the system ends one of them."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager

from soritune.errors import SorituneError

_WATCHED_S = 0.5
"""How often a process looks whether its parent lives, where the kernel does not do it."""
_PR_SET_PDEATHSIG = 1
"""Of prctl(2): the signal that a process gets when its parent ends."""


@contextmanager
def worker_pool(processes: int, kept: str, work: str = "makes speech") -> Iterator[ProcessPoolExecutor]:
    """Processes that work on parts of a corpus. When the work is interrupted, they finish what they have begun.

    They end with their parent, also when that is killed.

    Args:
        processes: their number.
        kept: second half of the error message: what is kept of the work, and how to resume it.
        work: what a process does, for the message.

    Raises:
        SorituneError: a process was ended from outside.
    """
    context = multiprocessing.get_context("fork" if sys.platform == "linux" else "spawn")
    with ProcessPoolExecutor(
        processes, mp_context=context, initializer=_begin, initargs=(os.getpid(),)
    ) as pool:
        try:
            with _interrupts_held():
                pool.submit(_nothing).result()
            yield pool
        except BrokenProcessPool:
            raise SorituneError(
                f"a process that {work} was ended from outside, as the system does when memory runs out; {kept}"
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


def _begin(parent: int) -> None:
    _ignore_interrupts()
    if sys.platform == "linux":
        # The kernel ends this process with the thread that started it; no thread of its own is needed after a fork.
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it ended before
            os._exit(1)
    else:
        threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: int) -> None:
    """Ends this process soon after its parent, which has no chance to end it if it is killed itself."""
    while os.getppid() == parent:
        time.sleep(_WATCHED_S)
    os._exit(1)


def _ignore_interrupts() -> None:
    """Leaves Ctrl-C to the parent process, which waits for the work in progress and stops."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
