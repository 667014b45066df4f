"""The contract of augmentations that take sounds from a folder of the user: noise, and responses of rooms.

The folder is a source of the training beside the corpus: its name, its number of files and its licence are stored in
the card of every bundle. Next: `audio/augment/noise_files.py`.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from soritune.audio.augment.augmentation import Augmentation
from soritune.audio.files import find_audio
from soritune.audio.waveform import read_header
from soritune.draws import RowDraws
from soritune.errors import AudioError, AugmentationError


class RecordedSounds(Augmentation):
    """Settings of an augmentation with recordings, and the choice of one for each row."""

    folder: str = Field(min_length=1)
    """Folder with audio files, in it and below it; hidden ones are left out."""
    licence: str | None = None
    """Licence of the recordings, for the card of every bundle."""

    def files(self) -> tuple[str, ...]:
        """Paths relative to the folder, sorted by path. The list is made once in a process.

        Raises:
            AugmentationError: there is no such folder, or it has no audio file.
        """
        return _files_below(self.folder)

    def check_usable(self) -> None:
        """Opens every file before a training starts: one that cannot be read would cost the rows that draw it.

        Raises:
            AugmentationError: as `files`, or a file is not audio, or it is empty.
        """
        _check_headers(self.folder)

    def origin(self) -> dict[str, Any]:
        """Name of the folder, number of files, licence."""
        return {
            "folder": Path(self.folder).resolve().name,
            "files": len(self.files()),
            "licence": self.licence,
        }

    def draw_files(self, rng: RowDraws) -> NDArray[np.str_]:
        """(rows,) relative paths, all files equally likely."""
        files = self.files()
        numbers = (rng.uniform("file") * len(files)).astype(np.int64)
        return np.array([files[number] for number in numbers], dtype=np.str_)


@lru_cache(maxsize=64)
def _files_below(folder: str) -> tuple[str, ...]:
    root = Path(folder)
    try:
        files = find_audio(root)
    except AudioError as error:
        raise AugmentationError(f"the folder of recordings {folder} cannot be used: {error.reason}") from None
    if not files:
        raise AugmentationError(f"the folder of recordings {folder} holds no audio file")
    return tuple(file.relative_to(root).as_posix() for file in files)


@lru_cache(maxsize=64)
def _check_headers(folder: str) -> None:
    """Reads the header of every file; once in a process."""
    for name in _files_below(folder):
        try:
            read_header(Path(folder, name))
        except AudioError as error:
            raise AugmentationError(
                f"a recording cannot be used: {error}; remove it from the folder {folder}"
            ) from None
