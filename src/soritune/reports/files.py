"""Writing result files so that a reader never meets half of one."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from soritune.errors import OutputError


def write_text(path: Path | str, text: str) -> Path:
    """Writes UTF-8 text to `path`, at once or not at all, making its folder.

    Raises:
        OutputError: the place cannot be written to.
    """
    return write_bytes(path, text.encode("utf-8"))


def write_bytes(path: Path | str, content: bytes) -> Path:
    """Writes to `path`, at once or not at all, making its folder.

    Raises:
        OutputError: the place cannot be written to.
    """
    target = Path(path)
    temporary: Path | None = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
        temporary = Path(name)
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
        os.chmod(name, 0o644)
        os.replace(name, target)
    except OSError as error:
        raise OutputError(
            f"{target} cannot be written ({error.strerror or error}); choose another place"
        ) from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)
    return target
