"""Finding audio files."""

from __future__ import annotations

import os
from pathlib import Path

from soritune.errors import AudioError

SUFFIXES = frozenset({".wav", ".flac", ".mp3", ".ogg", ".opus", ".m4a", ".aac", ".webm"})


def find_audio(folder: str | Path) -> list[Path]:
    """Audio files in a folder and below, by suffix in any case, sorted by path; hidden files are left out.

    Raises:
        AudioError: there is no such folder.
    """
    root = Path(folder)
    if not root.is_dir():
        raise AudioError(root, "is not a folder" if root.exists() else "is not there")
    found = []
    for place, folders, names in os.walk(root, followlinks=True):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [
            Path(place, n) for n in names if Path(n).suffix.lower() in SUFFIXES and not n.startswith(".")
        ]
    return sorted(found)
