"""What a decoder prints on standard error becomes a logged warning that names the file. Next: `audio/waveform.py`.

mpg123, inside libsndfile, reports damaged frames and wrong tags by printing them, without the file's name. libsndfile
has no setting that makes it quiet or returns the messages, so standard error is redirected while a file of MPEG frames
is open; files of other formats are decoded without this.

Threads of one process therefore decode MP3 one after another. That is about 0.35 ms for a second of audio on one core
(8 files, 124 s: 43 ms in 1 or 2 threads; 28 ms in 2 threads without the redirection), far below a forward pass, and
the worker processes of training do not wait for each other. PyAV is not better: it needs an extra, took 39 and 44 ms,
and its messages come through a log of the whole process as well.
"""

from __future__ import annotations

import logging
import os
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

logger = logging.getLogger(__name__)

_SHOWN = 3
"""Different messages of one file that are logged; the others are counted."""
_exclusive = threading.Lock()
"""Standard error belongs to the whole process, so one file is decoded at a time."""
_terminal: tuple[tuple[int, int], TextIO] | None = None
"""What Python prints to meanwhile, with the device and inode of the file it was made for."""

if hasattr(os, "register_at_fork"):
    # A process that forks while another thread holds the lock would leave it locked in the child.
    os.register_at_fork(
        before=_exclusive.acquire, after_in_parent=_exclusive.release, after_in_child=_exclusive.release
    )


@contextmanager
def attributed_to(file: Path) -> Iterator[None]:
    """Catches what C code prints on standard error in a `with` block, and logs it with the file's name."""
    with _exclusive, tempfile.TemporaryFile() as store:
        try:
            saved = os.dup(2)
        except OSError:  # there is no standard error
            yield
            return
        stream, python_stream = sys.stderr, _stream_of_python(saved)
        os.dup2(store.fileno(), 2)
        if python_stream is not None:
            sys.stderr = python_stream
        try:
            yield
        finally:
            if python_stream is not None:
                python_stream.flush()
                sys.stderr = stream
            os.dup2(saved, 2)
            os.close(saved)
            store.seek(0)
            printed = store.read().decode("utf-8", "replace")
    _log(file, printed)


def _stream_of_python(saved: int) -> TextIO | None:
    """A stream to the terminal for other threads, such as that of a progress bar; None if Python prints elsewhere."""
    global _terminal
    try:
        if sys.stderr.fileno() != 2:
            return None
        sys.stderr.flush()
    except (AttributeError, OSError, ValueError):
        return None
    status = os.fstat(saved)
    identity = (status.st_dev, status.st_ino)
    if _terminal is None or _terminal[0] != identity:
        stream = open(os.dup(saved), "w", encoding=sys.stderr.encoding, errors="replace", buffering=1)  # noqa: SIM115
        _terminal = (identity, stream)
    return _terminal[1]


def _log(file: Path, printed: str) -> None:
    messages = list(dict.fromkeys(line.strip() for line in printed.splitlines() if line.strip()))
    if not messages:
        return
    more = f"; and {len(messages) - _SHOWN} more" if len(messages) > _SHOWN else ""
    logger.warning("%s: the decoder reports: %s%s", file, "; ".join(messages[:_SHOWN]), more)
