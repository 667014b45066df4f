"""Walking a corpus folder by folder, with no more in memory than one folder's names."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from soritune.audio.files import SUFFIXES
from soritune.errors import ManifestError


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

    def place(self, name: str) -> str:
        """The path of one of `names` below the root."""
        return f"{self.relative}/{name}" if self.relative else name


def walk_folders(root: Path) -> Iterator[Folder]:
    """Every folder from `root` down, parents first, in order of names. Links to folders are followed, circles
    are not.

    Raises:
        ManifestError: there is no such folder, or one of them cannot be listed.
    """
    if not root.is_dir():
        raise ManifestError("is not a folder" if root.exists() else "is not there", path=root)
    for place, folders, names in os.walk(root, followlinks=True, onerror=_refuse):
        folders[:] = sorted(name for name in folders if _wanted(name) and not _circle(place, name))
        relative = os.path.relpath(place, root)
        yield Folder(
            Path(place), "" if relative == "." else relative, sorted(n for n in names if _wanted(n)), folders
        )


def is_audio(name: str) -> bool:
    """Whether a file's suffix, in any case, is one of audio."""
    return os.path.splitext(name)[1].lower() in SUFFIXES


def composed(text: str) -> str:
    """`text` with Hangul in whole syllables (NFC); folders made on a Mac spell it in pieces."""
    return text if text.isascii() else unicodedata.normalize("NFC", text)


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
    return not name.startswith(".") and name != "__MACOSX"


def _circle(place: str, name: str) -> bool:
    path = os.path.join(place, name)
    if not os.path.islink(path):
        return False
    target, here = os.path.realpath(path), os.path.realpath(place)
    return here == target or here.startswith(target + os.sep)


def _refuse(error: OSError) -> None:
    raise ManifestError(f"cannot be listed ({error.strerror})", path=error.filename) from error
