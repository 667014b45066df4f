"""Finding audio files. Next: `audio/waveform.py`."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path

from soritune.audio.pcm import PCM_SUFFIXES
from soritune.errors import AudioError, MissingAudioError

SUFFIXES = frozenset({".wav", ".flac", ".mp3", ".ogg", ".opus", ".m4a", ".aac", ".webm"}) | PCM_SUFFIXES
_SPELLING_FOLDERS = 64
"""Folders whose names are kept for looking up other spellings."""


def find_audio(folder: str | Path) -> list[Path]:
    """Audio files in a folder and below it, sorted by path; hidden files and folders are left out.

    A file is audio if it has one of `SUFFIXES`, in upper or lower case.

    Raises:
        AudioError: the folder does not exist, or is a file.
    """
    root = as_on_disk(Path(folder))
    if not root.exists():
        raise MissingAudioError(root)
    if not root.is_dir():
        raise AudioError(root, "is not a folder", "audio-not-a-folder")
    files = []
    for parent, folders, names in os.walk(root, followlinks=True):
        folders[:] = [name for name in folders if not name.startswith(".")]
        visible = [name for name in names if not name.startswith(".")]
        files += [Path(parent, name) for name in recordings(visible)]
    return sorted(files)


def recordings(names: Iterable[str]) -> list[str]:
    """The names in one folder that are audio by their suffix, in their order.

    Headerless files are left out if the same name has a file with a header: it is the same recording.
    """
    audio = {name: os.path.splitext(name) for name in names}
    audio = {
        name: (stem, suffix.lower()) for name, (stem, suffix) in audio.items() if suffix.lower() in SUFFIXES
    }
    with_header = {stem for stem, suffix in audio.values() if suffix not in PCM_SUFFIXES}
    return [
        name
        for name, (stem, suffix) in audio.items()
        if suffix not in PCM_SUFFIXES or stem not in with_header
    ]


def as_on_disk(path: Path) -> Path:
    """The path as its names are spelt on disk; `path` itself if it exists, or if there is no such spelling.

    Two spellings mean the same file if they differ only in how Hangul is put together (NFC or NFD) or in the case of
    the suffix. macOS and archives change the first, copying from Windows the second. Two files that both differ from
    the path in this way are ambiguous, and neither is taken.
    """
    if os.path.lexists(path):
        return path
    spelt = Path(path.anchor) if path.anchor else Path()
    parts = path.parts[1:] if path.anchor else path.parts
    for part in parts:
        step = spelt / part
        if os.path.lexists(step):
            spelt = step
            continue
        name = _names_of(spelt).get(spelling_of(part))
        if name is None:
            return path
        spelt = spelt / name
    return spelt


def _names_of(folder: Path) -> Mapping[str, str | None]:
    """Spelling → name on disk of what a folder holds; None if several names share the spelling."""
    try:
        status = folder.stat()
        return _listed(str(folder), status.st_mtime_ns)
    except OSError:
        return {}


@lru_cache(maxsize=_SPELLING_FOLDERS)
def _listed(folder: str, changed_ns: int) -> Mapping[str, str | None]:
    names: dict[str, str | None] = {}
    for name in os.listdir(folder):
        spelling = spelling_of(name)
        names[spelling] = None if spelling in names else name
    return names


def spelling_of(name: str) -> str:
    """Equal for names that mean the same file."""
    stem, suffix = os.path.splitext(unicodedata.normalize("NFC", name))
    return stem + suffix.lower()
