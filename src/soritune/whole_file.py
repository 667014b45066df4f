"""Writes whole files or none, so that a reader never sees a partial file."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
from collections.abc import Iterator
from pathlib import Path

from soritune.errors import OutputError, reason_of

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]


@contextlib.contextmanager
def whole_file(path: Path | str) -> Iterator[Path]:
    """A new, empty file beside `path` to write to, which replaces `path` when the block succeeds.

    It has the suffix of `path` and the permissions of any new file. Its folder is created. An error removes the file.

    Raises:
        OutputError: the path cannot be written to, or the disk is full.
    """
    target = Path(path)
    if not target.name:
        raise OutputError(f"{target} is a folder and cannot be written as a file; name a file in it")
    temporary = target.with_name(f"{_temporary_stem(target)}{secrets.token_hex(4)}{target.suffix}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with _held(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o666)):
            yield temporary
            os.replace(temporary, target)
    except OSError as error:
        raise OutputError(f"{target} cannot be written ({reason_of(error)}); choose another path") from error
    finally:
        # If its folder is a file or cannot be entered, the temporary file does not exist either.
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def _held(descriptor: int) -> Iterator[None]:
    """Locks a file while this process writes it, so that others know that it is no leftover."""
    try:
        if fcntl is not None:
            lock_file(descriptor)
        else:
            os.close(descriptor)  # an open file cannot be renamed there
            descriptor = -1
        yield
    finally:
        if descriptor >= 0:
            os.close(descriptor)


def lock_file(descriptor: int) -> bool:
    """Locks an open file until it is closed. False if another process has locked it; True where there are no locks."""
    if fcntl is None:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        pass  # a file system without locks
    return True


def _is_written(file: Path) -> bool:
    """Whether a process holds the file."""
    if fcntl is None:
        return False
    descriptor = os.open(file, os.O_RDWR)
    try:
        return not lock_file(descriptor)
    finally:
        os.close(descriptor)


def _temporary_stem(target: Path) -> str:
    """How temporary names begin. Only part of the stem: a name of the maximum length must not become longer."""
    return f".{target.stem[:16]}."


def remove_leftovers(path: Path | str) -> None:
    """Removes what writers of `path` left when they were killed; files that a process is writing stay."""
    target = Path(path)
    name = re.compile(re.escape(_temporary_stem(target)) + "[0-9a-f]{8}" + re.escape(target.suffix))
    with contextlib.suppress(OSError):
        for file in target.parent.iterdir():
            if name.fullmatch(file.name) and not _is_written(file):
                file.unlink(missing_ok=True)


def write_bytes(path: Path | str, content: bytes | memoryview) -> Path:
    """Writes to `path`, whole or not at all, and creates its folder.

    Raises:
        OutputError: the path cannot be written to.
    """
    with whole_file(path) as file:
        file.write_bytes(content)
    return Path(path)


def write_text(path: Path | str, text: str) -> Path:
    """Writes UTF-8 text to `path`, whole or not at all, and creates its folder.

    Bytes of a file name that are not text are written as escapes, `\\udcb0`, which JSON reads as the same name.

    Raises:
        OutputError: the path cannot be written to.
    """
    return write_bytes(path, text.encode("utf-8", "backslashreplace"))
