"""Splits told by folders and file names."""

from __future__ import annotations

import unicodedata

import pytest

from soritune.corpus.reading.split_names import SPLIT_FOLDERS, SplitFolders, split_of_file


@pytest.mark.parametrize(
    ("path", "split"),
    [
        ("1.Training/a", "train"),
        ("corpus/2.Validation_split/a", "val"),
        ("x/y/3.test", "test"),
        ("1. Training/a", "train"),
        ("원천데이터/VALIDATION/3.Test", "val"),
        ("contest/latest", None),
    ],
)
def test_the_first_folder_with_a_known_name_decides(path: str, split: str | None) -> None:
    assert SplitFolders(SPLIT_FOLDERS).split_of(path.split("/")) == split


def test_what_is_left_out() -> None:
    both = ["2.Validation", "2.Validation_split", "3.Test"]
    assert SplitFolders(SPLIT_FOLDERS).left_out(both) == {"2.Validation": "replaced"}
    own = SplitFolders({**SPLIT_FOLDERS, "2.Validation_split": None, "3.Test": None})
    assert own.left_out(both) == {"2.Validation_split": "unwanted", "3.Test": "unwanted"}
    assert SplitFolders({}).left_out(both) == {}


def test_hangul_names_in_pieces() -> None:
    assert SplitFolders({"검증": "val"}).split_of([unicodedata.normalize("NFD", "검증")]) == "val"


@pytest.mark.parametrize(
    ("stem", "split"),
    [("train_data", "train"), ("val_data", "val"), ("eval", "test"), ("Dev-2", "val"), ("test", "test"),
     ("retrain", None), ("data", None), ("latest", None)],
)  # fmt: skip
def test_file_names(stem: str, split: str | None) -> None:
    assert split_of_file(stem) == split
