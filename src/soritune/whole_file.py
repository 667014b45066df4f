"""Files that are there whole or not at all, so that a reader never meets half of one."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

from soritune.errors import OutputError


@contextlib.contextmanager
def whole_file(path: Path | str) -> Iterator[Path]:
    """A new, empty file beside `path` to write to, which takes the place of `path` when the block ends well.

    Its suffix is that of `path`, its permissions those that any new file gets, and the folder is made. Nothing of it
    stays behind after an error.

    Raises:
        OutputError: the place cannot be written to, or the disk is full.
    """
    target = Path(path)
    if not target.name:
        raise OutputError(f"{target} is a folder and cannot be written as a file; name a file in it")
    # A part of the stem, because a name that is as long as the file system allows must not become longer.
    temporary = target.with_name(f".{target.stem[:16]}.{secrets.token_hex(4)}{target.suffix}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary.touch(exist_ok=False)
        yield temporary
        os.replace(temporary, target)
    except OSError as error:
        raise OutputError(
            f"{target} cannot be written ({error.strerror or error}); choose another place"
        ) from error
    finally:
        # Where its folder is a file or may not be entered, there is nothing to take away either.
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def write_bytes(path: Path | str, content: bytes | memoryview) -> Path:
    """Writes to `path`, whole or not at all, making its folder.

    Raises:
        OutputError: the place cannot be written to.
    """
    with whole_file(path) as file:
        file.write_bytes(content)
    return Path(path)


def write_text(path: Path | str, text: str) -> Path:
    """Writes UTF-8 text to `path`, whole or not at all, making its folder.

    Raises:
        OutputError: the place cannot be written to.
    """
    return write_bytes(path, text.encode("utf-8"))
