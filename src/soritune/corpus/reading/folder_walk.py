"""Walking a corpus folder by folder, with the names of a single folder in memory."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from soritune.audio.files import SUFFIXES
from soritune.corpus.reading.outcomes import Rejected, Skipped
from soritune.errors import ManifestError

_SYSTEM_FOLDERS = ("__MACOSX", "lost+found", "$RECYCLE.BIN", "System Volume Information", "@eaDir")
"""Folders that operating systems add to a corpus."""


@dataclass(frozen=True, slots=True)
class Folder:
    """One folder of a corpus."""

    path: Path
    relative: str
    """The path below the root, with "/" between folders, as spelt on disk; "" for the root itself."""
    names: list[str]
    """Its files, sorted, without hidden ones and those that macOS adds (`._name`)."""
    folders: list[str]
    """Its folders, sorted; the walk does not enter those that the caller removes."""
    outcomes: list[Rejected | Skipped]
    """What is not read: the folder itself if it cannot be listed, or if it is a link to a folder read elsewhere."""

    def path_of(self, name: str) -> str:
        """The path of one of `names` or `folders`, below the root."""
        return f"{self.relative}/{name}" if self.relative else name


def walk_folders(root: Path) -> Iterator[Folder]:
    """Every folder from `root` down once, parents first, in order of names.

    Links to folders outside of `root` are followed.

    Raises:
        ManifestError: the folder does not exist or cannot be listed.
    """
    if not root.is_dir():
        raise ManifestError("is not a folder" if root.exists() else "does not exist", path=root)
    home, seen = os.path.realpath(root), dict[tuple[int, int], str]()
    waiting = [""]
    while waiting:
        relative = waiting.pop()
        path = os.path.join(root, relative)
        shown = writable_name(relative)[0]
        folder = Folder(Path(path), relative, [], [], [])
        try:
            status = os.stat(path)
            identity = (status.st_dev, status.st_ino)
            if _leads_back(path, home) or seen.setdefault(identity, relative) != relative:
                reason = "link to a folder that is read by its own name"
                folder.outcomes.append(Skipped(reason, 1, shown, kind="folder-repeated"))
            else:
                for entry in sorted(os.scandir(path), key=lambda entry: entry.name):
                    if _is_visible(entry.name):
                        (folder.folders if _is_folder(entry) else folder.names).append(entry.name)
        except OSError as error:
            if not relative:
                raise ManifestError(f"cannot be listed ({error.strerror})", path=root) from error
            reason = f"folder cannot be listed ({error.strerror})"
            folder.outcomes.append(Rejected(shown, reason, kind="folder-unreadable"))
        yield folder
        waiting += [folder.path_of(name) for name in reversed(folder.folders)]


def is_audio(name: str) -> bool:
    """Whether a file's suffix, in upper or lower case, is one of audio."""
    return os.path.splitext(name)[1].lower() in SUFFIXES


def writable_name(path: str) -> tuple[str, str | None]:
    """A path as text that a file can hold, and the fault if the name on disk is not UTF-8 (else None).

    Archives unpacked with the wrong encoding leave such names. A manifest cannot contain them.
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


def _is_visible(name: str) -> bool:
    return not name.startswith(".") and name not in _SYSTEM_FOLDERS


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False  # a link to a place without permission; reading it reports the fault


def _leads_back(path: str, home: str) -> bool:
    """Whether a folder is a link to a folder of the corpus that the walk enters anyway, or to one above the corpus."""
    if not os.path.islink(path):
        return False
    target = os.path.realpath(path)
    if target == home or home.startswith(target + os.sep):
        return True
    inside = target.startswith(home + os.sep)
    return inside and all(_is_visible(part) for part in target[len(home) :].split(os.sep) if part)
