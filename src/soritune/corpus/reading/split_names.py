"""A corpus's own split, as the names of its folders and files give it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

from soritune.korean.hangul import composed

SPLIT_FOLDERS: dict[str, str | None] = {
    "1.Training": "train",
    "2.Validation": "val",
    "2.Validation_split": "val",
    "3.Test": "test",
    "Training": "train",
    "Validation": "val",
    "Test": "test",
}
"""Folder names of the public Korean corpora → split."""
GIVEN_NAMES = {
    **dict.fromkeys(("train", "training", "1.training"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "dev", "2.validation", "2.validation_split"), "val"),
    **dict.fromkeys(("test", "testing", "eval", "evaluation", "3.test"), "test"),
}
"""Names that a ready split may have for its parts (in any case)."""
_SUCCESSOR = "_split"


class SplitFolders:
    """Finds the split of a path by the names of its folders.

    `names` maps a folder's name (in any case, with or without spaces) to a split, or to None if the folder is to be
    left out. If a folder `X` has a neighbour `X_split` (both in `names`, the latter not None), `X` is left out: such
    corpora keep the validation set before and after it was divided, and reading both would double it.
    """

    def __init__(self, names: Mapping[str, str | None]) -> None:
        self._names = {_plain(name): split for name, split in names.items()}
        self._seen = set[str]()

    def split_of(self, parts: Iterable[str]) -> str | None:
        """The split of a path: that of its first folder with a known name, or None."""
        key = next((key for key in map(_plain, parts) if key in self._names), None)
        if key is None:
            return None
        self._seen.add(key)
        return self._names[key]

    def has_seen(self, name: str) -> bool:
        """Whether a folder with this name, one of `names`, has been met so far."""
        return _plain(name) in self._seen

    def left_out(self, folders: Sequence[str]) -> dict[str, Literal["unwanted", "replaced"]]:
        """Which of some neighbouring folders are not to be read, and why."""
        keys = {_plain(name) for name in folders}
        left_out: dict[str, Literal["unwanted", "replaced"]] = {}
        for name in folders:
            key = _plain(name)
            if key not in self._names:
                continue
            self._seen.add(key)
            if self._names[key] is None:
                left_out[name] = "unwanted"
            elif key + _SUCCESSOR in keys and self._names.get(key + _SUCCESSOR) is not None:
                left_out[name] = "replaced"
        return left_out


def split_of_file(stem: str) -> str | None:
    """The split in a file's name: `train_data` → train, `val-data` → val, `eval` → test; None otherwise."""
    words = re.split(r"[^0-9a-z]+", stem.lower())
    return next((GIVEN_NAMES[word] for word in words if word in GIVEN_NAMES), None)


def _plain(name: str) -> str:
    return "".join(composed(name).casefold().split())
