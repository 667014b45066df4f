"""The files of a corpus of lists: as settings name them, their folder, and the split in their names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from soritune.corpus.reading.given_files import (
    add_split,
    existing_files,
    folder_above,
    folder_of,
    named_paths,
)
from soritune.errors import ManifestError


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in ("a/one.csv", "a/b/two.csv", "c/three.csv"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


def test_names_start_from_root_or_from_the_folder_of_the_file_root(root: Path) -> None:
    for start in (root / "a", root / "a" / "one.csv"):
        assert folder_of(start) == root / "a"
        assert named_paths(start, ("b/two.csv", "/x.csv")) == [root / "a" / "b" / "two.csv", Path("/x.csv")]
        assert named_paths(start, ()) == [start]


def test_folders_and_missing_paths_are_not_files(root: Path) -> None:
    files = [root / "a" / "one.csv", root / "c" / "three.csv"]
    assert existing_files(iter(files)) == files
    with pytest.raises(ManifestError, match="is not a file") as caught:
        existing_files([files[0], root / "a"])
    assert caught.value.path == root / "a"
    with pytest.raises(ManifestError, match="does not exist"):
        existing_files([root / "gone.csv"])


def test_folder_above_is_the_innermost_common_one(root: Path) -> None:
    one, two, three = root / "a" / "one.csv", root / "a" / "b" / "two.csv", root / "c" / "three.csv"
    assert folder_above([two]) == root / "a" / "b"
    assert folder_above([one, two]) == root / "a"
    assert folder_above([one, two, three]) == root


def test_split_of_the_file_name_is_added_unless_the_row_has_one() -> None:
    for name, extra, expected in (
        ("train.csv", {}, {"split": "train"}),
        ("eval.json", {"x": 1}, {"x": 1, "split": "test"}),
        ("train.csv", {"split": "val"}, {"split": "val"}),
        ("list.csv", {}, {}),
    ):
        result: dict[str, Any] = dict(extra)
        add_split(result, Path("any") / name)
        assert result == expected
