"""Walking a corpus folder by folder, with the names of a single folder in memory."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from soritune.audio.files import SUFFIXES
from soritune.corpus.reading.corpus_files import is_archive, is_compressed, listing
from soritune.corpus.reading.outcomes import Note, Rejected, Skipped
from soritune.errors import ManifestError, reason_of
from soritune.korean.hangul import composed

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
    outcomes: list[Rejected | Skipped | Note]
    """What is not read: the folder itself if it cannot be listed, or if it is a link to a folder read elsewhere. A note
    if it is an archive."""

    def path_of(self, name: str) -> str:
        """The path of one of `names` or `folders`, below the root."""
        return f"{self.relative}/{name}" if self.relative else name


def walk_folders(root: Path, *, archives: bool = False) -> Iterator[Folder]:
    """Every folder from `root` down once, parents first, in order of names.

    Links to folders outside of `root` are followed.

    Args:
        root: The corpus.
        archives: Also enter ZIP and TAR files, or begin in one: each is a folder with its name. One whose
            content, or a folder of its name, is beside it is unpacked already and is skipped.

    Raises:
        ManifestError: the folder does not exist or cannot be listed.
    """
    if not (root.is_dir() or (archives and root.is_file() and is_archive(root.name))):
        raise ManifestError(_no_folder(root, archives=archives), path=root)
    home, seen = os.path.realpath(root), dict[tuple[int, int], str]()
    waiting = [""]
    while waiting:
        relative = waiting.pop()
        path = os.path.join(root, relative)
        shown = writable_name(relative)[0]
        folder = Folder(Path(path), relative, [], [], [])
        try:
            on_disk = os.path.isdir(path)
            status = os.stat(path) if on_disk else None
            identity = (0, 0) if status is None else (status.st_dev, status.st_ino)
            if on_disk and (_leads_back(path, home) or seen.setdefault(identity, relative) != relative):
                reason = "link to a folder that is read by its own name"
                folder.outcomes.append(Skipped(reason, 1, shown, kind="folder-repeated"))
            else:
                found = listing(folder.path)
                folder.folders.extend(filter(_is_visible, found.folders))
                folder.names.extend(filter(_is_visible, found.files))
                if archives:
                    _find_archives(folder, on_disk=on_disk)
                    if not on_disk and is_archive(relative):
                        reason = "archive read as a folder"
                        folder.outcomes.append(Note(reason, 1, shown, kind="archive-read"))
        except OSError as error:
            if not relative:
                raise ManifestError(f"cannot be listed ({reason_of(error)})", path=root) from error
            if is_archive(relative):
                folder.outcomes.append(Rejected(shown, reason_of(error), kind="archive-damaged"))
            else:
                reason = f"folder cannot be listed ({reason_of(error)})"
                folder.outcomes.append(Rejected(shown, reason, kind="folder-unreadable"))
        yield folder
        waiting += [folder.path_of(name) for name in reversed(folder.folders)]


def _no_folder(root: Path, *, archives: bool) -> str:
    if not root.exists():
        return "does not exist"
    if archives and is_compressed(root.name):
        return "is a compressed TAR, whose files cannot be read one by one; unpack it"
    return "is neither a folder nor a ZIP or TAR archive" if archives else "is not a folder"


def _find_archives(folder: Folder, *, on_disk: bool) -> None:
    """Moves the archives among the files of a folder to its folders, or to what is not read."""
    for name in [name for name in folder.names if is_archive(name) or is_compressed(name)]:
        folder.names.remove(name)
        shown = writable_name(folder.path_of(name))[0]
        if not on_disk:
            reason = "archive inside an archive, which is not read; unpack the outer one"
            folder.outcomes.append(Skipped(reason, 1, shown, kind="archive-nested"))
        elif is_compressed(name):
            reason = "compressed TAR, which is not read; unpack it"
            folder.outcomes.append(Skipped(reason, 1, shown, kind="archive-compressed"))
        elif _is_unpacked(folder, name):
            reason = "archive beside what it holds"
            folder.outcomes.append(Skipped(reason, 1, shown, kind="archive-unpacked"))
        else:
            folder.folders.append(name)
    folder.folders.sort()


def _is_unpacked(folder: Folder, name: str) -> bool:
    beside = {composed(other) for other in (*folder.folders, *folder.names)}
    if composed(os.path.splitext(name)[0]) in map(composed, folder.folders):
        return True
    try:
        inside = listing(folder.path / name)
    except OSError:
        return False  # its fault is reported when it is entered
    contents = [composed(other) for other in (*inside.folders, *inside.files) if _is_visible(other)]
    return bool(contents) and beside.issuperset(contents)


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


def _leads_back(path: str, home: str) -> bool:
    """Whether a folder is a link to a folder of the corpus that the walk enters anyway, or to one above the corpus."""
    if not os.path.islink(path):
        return False
    target = os.path.realpath(path)
    if target == home or home.startswith(target + os.sep):
        return True
    inside = target.startswith(home + os.sep)
    return inside and all(_is_visible(part) for part in target[len(home) :].split(os.sep) if part)
