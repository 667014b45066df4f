"""Paths and names that are written in files: they stay inside the folder that the file belongs to."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath, PureWindowsPath

from soritune.errors import OutsideFolderError


def path_inside(folder: Path | str, name: object, *, links: bool = False) -> Path:
    """`folder / name`, if `name` is a relative path that stays below `folder`.

    Args:
        folder: where the path starts.
        name: as a file contains it, of any type.
        links: whether a symbolic link may lead out of the folder, as in the cache of the hub.

    Raises:
        OutsideFolderError: `name` is not a text, is empty or absolute, or leads out of the folder.
    """
    if not isinstance(name, str) or not name or "\0" in name or leads_outside(name) or is_absolute(name):
        raise OutsideFolderError(folder, name)
    path = Path(folder) / name
    if not links and not path.resolve().is_relative_to(Path(folder).resolve()):
        raise OutsideFolderError(folder, name)
    return path


def leads_outside(path: str) -> bool:
    """Whether a relative path climbs out of the folder it starts from, or is that folder; links are not followed."""
    # An absolute path of Windows is a relative one elsewhere, such as "x:/..".
    if os.path.isabs(path) or os.path.splitdrive(path)[0]:
        return False
    depth = 0
    for part in path.replace("\\", "/").split("/") if os.sep == "\\" else path.split("/"):
        if part in ("", "."):
            continue
        depth += -1 if part == ".." else 1
        if depth < 0:
            return True
    return depth == 0


def is_absolute(path: str) -> bool:
    """Whether a path is absolute here or on Windows."""
    windows = PureWindowsPath(path)
    return PurePosixPath(path).is_absolute() or bool(windows.drive) or windows.is_absolute()


def name_fault(name: str) -> str | None:
    """Why a text cannot be the name of a folder; None if it can."""
    if not name.strip():
        return "is empty"
    if "/" in name or "\\" in name or PureWindowsPath(name).drive:
        return "is a path, not a name"
    if name.startswith("."):
        return "begins with a full stop"
    if any(unicodedata.category(character) == "Cc" for character in name):
        return "has a control character"
    return None


def file_names(names: Sequence[str], suffix: str, taken: Iterable[str] = ()) -> list[str]:
    """A file name for each of the names: letters, digits, - and _; a second one of the same letters gets `-2`.

    Args:
        names: any texts.
        suffix: of the files, with its full stop.
        taken: file names that are not given.

    >>> file_names(["r16", "r16", "한 글/x"], ".json")
    ['r16.json', 'r16-2.json', '한-글-x.json']
    """
    used = {name.casefold() for name in taken}
    found = []
    for given in names:
        stem = "".join(c if c.isalnum() or c in "-_" else "-" for c in given)[:60] or "no-name"
        number, name = 1, stem + suffix
        while name.casefold() in used:
            number += 1
            name = f"{stem}-{number}{suffix}"
        used.add(name.casefold())
        found.append(name)
    return found
