"""Walking a corpus folder by folder, with no more in memory than one folder's names."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from soritune.audio.files import SUFFIXES
from soritune.corpus.reading.items import Rejected, Skipped
from soritune.errors import ManifestError

_LITTER = ("__MACOSX", "lost+found", "$RECYCLE.BIN", "System Volume Information", "@eaDir")
"""Folders that systems put among a corpus."""


@dataclass(frozen=True, slots=True)
class Folder:
    """One folder of a corpus."""

    path: Path
    relative: str
    """Below the root, with "/" between folders, as spelt on disk; "" for the root itself."""
    names: list[str]
    """Its files, sorted; hidden ones and those that macOS adds (`._name`) are left out."""
    folders: list[str]
    """Its folders, sorted; take names out to keep the walk from going there."""
    told: list[Rejected | Skipped]
    """What is not read: the folder itself where it cannot be listed, and links to what is read anyway."""

    def place(self, name: str) -> str:
        """The path of one of `names` below the root."""
        return f"{self.relative}/{name}" if self.relative else name


def walk_folders(root: Path) -> Iterator[Folder]:
    """Every folder from `root` down once, parents first, in order of names. Links to folders are followed where
    they lead out of `root`.

    Raises:
        ManifestError: there is no such folder, or it cannot be listed.
    """
    if not root.is_dir():
        raise ManifestError("is not a folder" if root.exists() else "is not there", path=root)
    home, seen = os.path.realpath(root), dict[tuple[int, int], str]()
    waiting = [""]
    while waiting:
        relative = waiting.pop()
        place = os.path.join(root, relative)
        shown = writable_name(relative)[0]
        folder = Folder(Path(place), relative, [], [], [])
        try:
            status = os.stat(place)
            own = (status.st_dev, status.st_ino)
            if _leads_back(place, home) or seen.setdefault(own, relative) != relative:
                why = "link to a folder that is read by its own name"
                folder.told.append(Skipped(why, 1, shown))
            else:
                for entry in sorted(os.scandir(place), key=lambda entry: entry.name):
                    if _wanted(entry.name):
                        (folder.folders if _is_folder(entry) else folder.names).append(entry.name)
        except OSError as error:
            if not relative:
                raise ManifestError(f"cannot be listed ({error.strerror})", path=root) from error
            folder.told.append(Rejected(shown, f"folder cannot be listed ({error.strerror})"))
        yield folder
        waiting += [folder.place(name) for name in reversed(folder.folders)]


def is_audio(name: str) -> bool:
    """Whether a file's suffix, in any case, is one of audio."""
    return os.path.splitext(name)[1].lower() in SUFFIXES


def writable_name(path: str) -> tuple[str, str | None]:
    """A path as text that can be written down, and what is wrong where the name on disk is no UTF-8.

    Archives unpacked with the wrong encoding leave such names; a manifest cannot hold them.
    """
    try:
        path.encode("utf-8")
    except UnicodeEncodeError:
        raw = os.fsencode(path)
        try:
            shown = raw.decode("cp949")
        except UnicodeDecodeError:
            shown = raw.decode("utf-8", "backslashreplace")
        return shown, "its name on disk is not UTF-8; rename it, for example with: convmv -r -f cp949 -t utf8"
    return path, None


def _wanted(name: str) -> bool:
    return not name.startswith(".") and name not in _LITTER


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False  # a link to where nobody may look; reading it says so


def _leads_back(place: str, home: str) -> bool:
    """Whether a folder is a link into the corpus, to a place the walk comes to anyway, or to a folder above it."""
    if not os.path.islink(place):
        return False
    target = os.path.realpath(place)
    if target == home or home.startswith(target + os.sep):
        return True
    inside = target.startswith(home + os.sep)
    return inside and all(_wanted(part) for part in target[len(home) :].split(os.sep) if part)
