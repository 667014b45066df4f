"""The files of a corpus that consists of lists: which ones, the folder above them, and the split in their names."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from soritune.audio.files import as_on_disk
from soritune.corpus.reading.corpus_files import is_file, is_folder
from soritune.corpus.reading.split_names import split_of_file
from soritune.errors import ManifestError


def folder_of(root: Path) -> Path:
    """ROOT itself if it is a folder, else the folder of the file ROOT."""
    return root if is_folder(root) else root.parent


def named_paths(root: Path, names: Sequence[str]) -> list[Path]:
    """The paths that the setting `files` names, absolute or below ROOT; ROOT itself if the setting is empty."""
    return [as_on_disk(folder_of(root) / name) for name in names] or [root]


def existing_files(paths: Iterable[Path]) -> list[Path]:
    """The paths, all of them files.

    Raises:
        ManifestError: a path does not exist or is a folder.
    """
    files = list(paths)
    for file in files:
        if not is_file(file):
            raise ManifestError("is not a file" if file.exists() else "does not exist", path=file)
    return files


def folder_above(files: Iterable[Path]) -> Path:
    """The innermost folder that contains all of the files."""
    return Path(os.path.commonpath([file.absolute().parent for file in files]))


def add_split(extra: dict[str, Any], file: Path) -> None:
    """Adds the split in the name of a file (`train.csv`) to `extra`, unless the row has a split of its own."""
    if (split := split_of_file(file.stem)) is not None:
        extra.setdefault("split", split)
