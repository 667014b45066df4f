"""What a decoder prints on standard error becomes a logged warning that names the file. Next: `audio/waveform.py`.

mpg123, inside libsndfile, reports damaged frames and wrong tags by printing them to C's stream `stderr`, without the
file's name. libsndfile has no setting that makes it quiet or returns the messages. So this stream is replaced while a
file of MPEG frames is open. File descriptor 2 is left unchanged: what Python, progress bars and other programs print
does not pass through here. The replacement is called in the thread that prints, so that each message belongs to the
file that its thread has open, and files are decoded in parallel. It passes on what other threads print.

Only the C library of most Linux systems (glibc) has a `stderr` that can be replaced. Elsewhere the messages are printed
as they are.
"""

from __future__ import annotations

import atexit
import ctypes
import logging
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

logger = logging.getLogger(__name__)

_SHOWN = 3
"""Different messages of one file that are logged; the others are counted."""
_UNBUFFERED = 2
"""`_IONBF` of C: what is printed arrives in the thread that prints it."""
_WriteFunction = ctypes.CFUNCTYPE(ctypes.c_ssize_t, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t)


class _Functions(ctypes.Structure):
    """`cookie_io_functions_t` of glibc."""

    _fields_ = (
        ("read", ctypes.c_void_p),
        ("write", _WriteFunction),
        ("seek", ctypes.c_void_p),
        ("close", ctypes.c_void_p),
    )


class _Stream:
    """Replaces C's `stderr` while any thread has a file open."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._printed: dict[int, list[bytes]] = {}
        """Thread → what it printed while it has a file open."""
        self._write = _WriteFunction(self._receive)  # must live as long as the stream
        library = ctypes.CDLL(None)
        library.fopencookie.argtypes = (ctypes.c_void_p, ctypes.c_char_p, _Functions)
        library.fopencookie.restype = ctypes.c_void_p
        library.setvbuf.argtypes = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t)
        self._replacement = library.fopencookie(None, b"w", _Functions(None, self._write, None, None))
        library.setvbuf(self._replacement, None, _UNBUFFERED, 0)
        self._current = ctypes.c_void_p.in_dll(library, "stderr")
        self._original = self._current.value
        os.register_at_fork(after_in_child=self._restore)
        atexit.register(self._restore)  # C code may print after Python has ended

    @contextmanager
    def catch(self, printed: list[bytes]) -> Iterator[None]:
        """Adds to `printed` what the calling thread prints through C in a `with` block."""
        thread = threading.get_ident()
        try:
            with self._lock:
                self._printed[thread] = printed
                self._current.value = self._replacement
            yield
        finally:
            with self._lock:
                self._printed.pop(thread, None)
                if not self._printed:
                    self._current.value = self._original

    def _receive(self, _: int | None, data: int, size: int) -> int:
        """Called by C in the thread that prints."""
        content = ctypes.string_at(data, size)
        printed = self._printed.get(threading.get_ident())
        if printed is not None:
            printed.append(content)
        else:
            with suppress(OSError):  # there is no standard error
                os.write(2, content)
        return size

    def _restore(self) -> None:
        self._lock = threading.Lock()  # a thread that does not exist in a forked process may hold it
        self._printed.clear()
        self._current.value = self._original


def _stream() -> _Stream | None:
    """None with a C library whose `stderr` cannot be replaced."""
    if sys.platform != "linux" or not hasattr(ctypes.CDLL(None), "gnu_get_libc_version"):
        return None
    return _Stream()


_STREAM = _stream()


@contextmanager
def attributed_to(file: Path) -> Iterator[None]:
    """Logs with the file's name what C code prints on standard error, in this thread, in a `with` block."""
    if _STREAM is None:
        yield
        return
    printed: list[bytes] = []
    try:
        with _STREAM.catch(printed):
            yield
    finally:
        _log(file, b"".join(printed).decode("utf-8", "replace"))


def _log(file: Path, printed: str) -> None:
    messages = list(dict.fromkeys(line.strip() for line in printed.splitlines() if line.strip()))
    if not messages:
        return
    more = f"; and {len(messages) - _SHOWN} more" if len(messages) > _SHOWN else ""
    logger.warning("%s: the decoder reports: %s%s", file, "; ".join(messages[:_SHOWN]), more)
