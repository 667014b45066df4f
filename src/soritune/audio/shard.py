"""One shard of a packed corpus: rows of FLAC bytes in an Arrow IPC stream. Next: `audio/audio_store.py`.

The stream is parsed once, through a memory map that is then closed; what is kept is the position of every row (16
bytes). A row is read at its position, so that the memory of a process does not grow with the part of the corpus that it
has read, and processes that fork share no position in the file.
"""

from __future__ import annotations

import os
import threading
import weakref
import zlib
from collections import OrderedDict
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from soritune.errors import AudioError, reason_of

SHARD_SUFFIX = ".arrow"
ROW_SUFFIX = ".flac"
SCHEMA_VERSION = "soritune.packed/1"
AUDIO_COLUMN, CHECKSUM_COLUMN = "audio", "checksum"
_OPEN_FILES = 128
"""Files that a process keeps open; further ones are opened again for every read."""


class Shard:
    """A shard, whose rows are called `0.flac`, `1.flac`, …

    Raises:
        AudioError: it is damaged, or not a shard.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._starts, self._sizes, self._checksums = _positions(path)

    def __len__(self) -> int:
        return len(self._starts)

    def names(self) -> list[str]:
        """The names of its rows."""
        return [row_name(row) for row in range(len(self))]

    def has(self, name: str) -> bool:
        """Whether it has a row of this name."""
        row = _row_of(name)
        return row is not None and row < len(self)

    def read(self, name: str) -> bytes | None:
        """The FLAC bytes of a row; None if `name` is not that of a row.

        Raises:
            AudioError: the shard has fewer rows, or the bytes do not have their checksum.
        """
        row = _row_of(name)
        if row is None:
            return None
        if row >= len(self):
            reason = (
                f"is missing: the shard has {len(self)} rows, so it is truncated or another one; {_AGAIN}"
            )
            raise AudioError(self.path / name, reason, "shard-damaged")
        content = _read_at(self.path, int(self._starts[row]), int(self._sizes[row]))
        expected, checksum = int(self._checksums[row]), zlib.crc32(content)
        if checksum != expected:
            reason = f"is damaged: it has the checksum {checksum:08x}, and the shard states {expected:08x}; {_AGAIN}"
            raise AudioError(self.path / name, reason, "shard-damaged")
        return content


_AGAIN = "delete the shard and run the same `soritune pack` again"


def row_name(row: int) -> str:
    """The name of a row inside its shard."""
    return f"{row}{ROW_SUFFIX}"


def _row_of(name: str) -> int | None:
    stem = name.removesuffix(ROW_SUFFIX)
    return int(stem) if stem != name and stem.isascii() and stem.isdigit() else None


def _positions(path: Path) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.uint32]]:
    """(rows,) first byte in the file, number of bytes, and checksum of each row's audio."""
    import pyarrow as pa  # a quarter of a second, which predicting loose files saves

    try:
        with pa.memory_map(str(path)) as mapped:
            whole = mapped.read_buffer()
            reader = pa.ipc.open_stream(whole)
            version = (reader.schema.metadata or {}).get(b"soritune.schema", b"").decode()
            if version != SCHEMA_VERSION:
                reason = f"is not a shard that this version reads (its schema is '{version}', not '{SCHEMA_VERSION}')"
                raise AudioError(path, reason, "shard-format")
            starts, sizes, checksums = [], [], []
            for batch in reader:
                audio = batch.column(AUDIO_COLUMN)
                _, offsets, data = audio.buffers()
                ends = np.frombuffer(offsets, np.int64)[audio.offset : audio.offset + len(audio) + 1]
                first = 0 if data is None else data.address - whole.address
                starts.append(first + ends[:-1])
                sizes.append(np.diff(ends))
                checksums.append(batch.column(CHECKSUM_COLUMN).to_numpy().copy())
            size = len(whole)
            del reader, whole
    except (pa.ArrowException, OSError, KeyError) as error:
        reason = f"is a damaged shard of a packed corpus ({reason_of(error)}); {_AGAIN}"
        raise AudioError(path, reason, "shard-damaged") from error
    if not starts:
        return np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.uint32)
    found, lengths = np.concatenate(starts), np.concatenate(sizes)
    if len(found) and (found.min() < 0 or (found + lengths).max() > size):
        raise AudioError(
            path, f"is a damaged shard: its rows lie outside of the file; {_AGAIN}", "shard-damaged"
        )
    return found, lengths, np.concatenate(checksums)


class _OpenFile:
    """A file descriptor, closed when nothing reads from it any more."""

    def __init__(self, path: str) -> None:
        self.descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        self.close = weakref.finalize(self, os.close, self.descriptor)
        status = os.fstat(self.descriptor)
        self.identity = (status.st_dev, status.st_ino)


_files: OrderedDict[str, _OpenFile] = OrderedDict()
_lock = threading.Lock()


def _opened(path: Path) -> _OpenFile:
    name = str(path)
    status = os.stat(name)
    with _lock:
        file = _files.get(name)
        if file is None or file.identity != (status.st_dev, status.st_ino):
            file = _files[name] = _OpenFile(name)
            if len(_files) > _OPEN_FILES:
                _files.popitem(last=False)
        _files.move_to_end(name)
    return file


def _read_at(path: Path, start: int, size: int) -> bytes:
    try:
        file = _opened(path)
        if hasattr(os, "pread"):
            content = os.pread(file.descriptor, size, start)
        else:  # Windows
            with _lock:
                os.lseek(file.descriptor, start, os.SEEK_SET)
                content = os.read(file.descriptor, size)
    except OSError as error:
        raise AudioError(path, f"cannot be read ({reason_of(error)})", "audio-unreadable") from error
    return content


def _after_fork() -> None:
    global _lock
    _lock = threading.Lock()  # a thread that does not exist in the child may hold it
    _files.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
