"""Finding the file that a written path means: slashes and folders of another machine, other spellings of Hangul."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterator, Sequence
from pathlib import Path

from soritune.audio.audio_store import STORE
from soritune.audio.files import as_on_disk
from soritune.audio.remote import is_url
from soritune.corpus.reading.folder_walk import is_audio
from soritune.errors import AudioError
from soritune.inside_folder import leads_outside


class AudioFinder:
    """Looks up the paths of one list.

    Args:
        folders: Where relative paths may start, the likeliest first.
        base: Paths below this folder are returned relative to it.
        drop_prefix: First folders that are cut off a written path, as they were on another machine.
        matched: Gets ("drop_prefix", "") when a path begins with it, ("audio_root", "") when a path is relative.
    """

    def __init__(
        self,
        folders: Sequence[Path],
        base: Path,
        drop_prefix: str = "",
        matched: set[tuple[str, str]] | None = None,
    ) -> None:
        self._matched = set() if matched is None else matched
        self._folders = [os.path.abspath(folder) for folder in folders]
        self._base = os.path.abspath(base)
        self._prefix = plain_path(drop_prefix).rstrip("/") + "/" if drop_prefix else ""

    def find(self, written: str) -> str | None:
        """The path of the file that `written` means, on disk or in an archive, or None if no such file exists. A URL is
        returned as it is."""
        if is_url(written.strip()):
            return written.strip()
        path = self._path(written)
        starts = [path] if posixpath.isabs(path) else [f"{folder}/{path}" for folder in self._folders]
        spellings = [spelling for start in starts for spelling in _spellings(start)]
        file = next(filter(os.path.isfile, spellings), None)
        if file is None:  # names on disk that differ in the form of Hangul or the case of the suffix
            spelt = (str(as_on_disk(Path(spelling))) for spelling in spellings)
            file = next(filter(os.path.isfile, spelt), None)
        if file is None:
            file = next(filter(_is_contained, spellings), None)
        return None if file is None else self._result(path, file)

    def expected(self, written: str) -> str:
        """The likeliest path of a file that does not exist, for messages."""
        path = self._path(written)
        return path if posixpath.isabs(path) else self._result(path, f"{self._folders[0]}/{path}")

    def _result(self, written: str, file: str) -> str:
        """The path of a file; relative to the base, with "..", if the list itself leads out of the base."""
        below = self._below(file)
        leads_out = os.path.isabs(below) and not posixpath.isabs(written) and leads_outside(written)
        return os.path.relpath(below, self._base) if leads_out else below

    def _path(self, written: str) -> str:
        path = plain_path(written)
        if self._prefix and path.startswith(self._prefix):
            self._matched.add(("drop_prefix", ""))
            path = path[len(self._prefix) :]
        if not posixpath.isabs(path):
            self._matched.add(("audio_root", ""))
        return path

    def _below(self, path: str) -> str:
        normal = os.path.normpath(path)
        return normal[len(self._base) + 1 :] if normal.startswith(self._base + os.sep) else normal


def _is_contained(path: str) -> bool:
    """Whether a path leads into an archive that has it. A damaged archive has everything: reading gives the reason."""
    try:
        return STORE.has(Path(path))
    except AudioError:
        return True


def plain_path(written: str) -> str:
    """A path with "/" between folders and without detours: `a\\b.wav` and `./a/b.wav` are both a/b.wav."""
    return posixpath.normpath(written.strip().replace("\\", "/"))


def _spellings(path: str) -> Iterator[str]:
    yield path
    if not is_audio(path):
        yield from (path + suffix for suffix in (".wav", ".flac", ".pcm"))
