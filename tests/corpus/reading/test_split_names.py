"""Splits in the names of folders and files."""

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
def test_first_folder_with_a_known_name_counts(path: str, split: str | None) -> None:
    assert SplitFolders(SPLIT_FOLDERS).split_of(path.split("/")) == split


def test_unwanted_and_replaced_folders_are_left_out() -> None:
    both = ["2.Validation", "2.Validation_split", "3.Test"]
    assert SplitFolders(SPLIT_FOLDERS).left_out(both) == {"2.Validation": "replaced"}
    changed = SplitFolders({**SPLIT_FOLDERS, "2.Validation_split": None, "3.Test": None})
    assert changed.left_out(both) == {"2.Validation_split": "unwanted", "3.Test": "unwanted"}
    assert SplitFolders({}).left_out(both) == {}


def test_decomposed_hangul_names_are_known() -> None:
    assert SplitFolders({"검증": "val"}).split_of([unicodedata.normalize("NFD", "검증")]) == "val"


@pytest.mark.parametrize(
    ("stem", "split"),
    [("train_data", "train"), ("val_data", "val"), ("eval", "test"), ("Dev-2", "val"), ("test", "test"),
     ("retrain", None), ("data", None), ("latest", None)],
)  # fmt: skip
def test_split_in_a_file_name(stem: str, split: str | None) -> None:
    assert split_of_file(stem) == split
