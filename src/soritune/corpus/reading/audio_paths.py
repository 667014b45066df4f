"""Finding the file that a list means: other machines' slashes and folders, other spellings of Hangul."""

from __future__ import annotations

import os
import posixpath
import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import Path

from soritune.corpus.reading.folder_walk import is_audio


class AudioFinder:
    """Looks up the paths of one list.

    Args:
        folders: Where relative paths may start, the likeliest first.
        base: What the paths given back are relative to, where they lie below it.
        drop_prefix: First folders that are cut off a written path, as they were on another machine.
    """

    def __init__(self, folders: Sequence[Path], base: Path, drop_prefix: str = "") -> None:
        self._folders = [os.path.abspath(folder) for folder in folders]
        self._base = os.path.abspath(base)
        self._prefix = plain_path(drop_prefix).rstrip("/") + "/" if drop_prefix else ""

    def find(self, written: str) -> str | None:
        """The path of the file that is meant, or None when there is none."""
        path = self._path(written)
        places = [path] if posixpath.isabs(path) else [f"{folder}/{path}" for folder in self._folders]
        found = next((one for place in places for one in _spellings(place) if os.path.isfile(one)), None)
        return None if found is None else self._below(found)

    def expected(self, written: str) -> str:
        """Where the file should be, for naming one that is not there."""
        path = self._path(written)
        return path if posixpath.isabs(path) else self._below(f"{self._folders[0]}/{path}")

    def _path(self, written: str) -> str:
        path = plain_path(written)
        if self._prefix and path.startswith(self._prefix):
            return path[len(self._prefix) :]
        return path

    def _below(self, path: str) -> str:
        normal = os.path.normpath(path)
        return normal[len(self._base) + 1 :] if normal.startswith(self._base + os.sep) else normal


def plain_path(written: str) -> str:
    """A path with "/" between folders and no detours, as in `a\\b.wav` and `./a/b.wav`, both a/b.wav."""
    return posixpath.normpath(written.strip().replace("\\", "/"))


def _spellings(path: str) -> Iterator[str]:
    yield path
    for form in () if path.isascii() else ("NFC", "NFD"):
        yield unicodedata.normalize(form, path)
    if not is_audio(path):
        yield from (path + suffix for suffix in (".wav", ".WAV", ".flac"))
