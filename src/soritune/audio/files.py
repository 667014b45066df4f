"""Finding audio files. Next: `audio/waveform.py`."""

from __future__ import annotations

import os
from pathlib import Path

from soritune.errors import AudioError, MissingAudioError

SUFFIXES = frozenset({".wav", ".flac", ".mp3", ".ogg", ".opus", ".m4a", ".aac", ".webm"})


def find_audio(folder: str | Path) -> list[Path]:
    """Audio files in a folder and below it, sorted by path; hidden files and folders are left out.

    A file is audio if it has one of `SUFFIXES`, in upper or lower case.

    Raises:
        AudioError: the folder does not exist, or is a file.
    """
    root = Path(folder)
    if not root.exists():
        raise MissingAudioError(root)
    if not root.is_dir():
        raise AudioError(root, "is not a folder", "audio-not-a-folder")
    files = []
    for parent, folders, names in os.walk(root, followlinks=True):
        folders[:] = [name for name in folders if not name.startswith(".")]
        visible = (Path(parent, name) for name in names if not name.startswith("."))
        files += [file for file in visible if file.suffix.lower() in SUFFIXES]
    return sorted(files)
