"""Paths that files name stay inside their folder, whatever a file contains."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from soritune.errors import OutsideFolderError
from soritune.inside_folder import file_names, is_absolute, leads_outside, name_fault, path_inside

OUTSIDE = [
    "../x",
    "a/../../x",
    "/etc/passwd",
    "..",
    ".",
    "",
    "a/..",
    "C:\\x",
    "C:x",
    "\\\\host\\x",
    "a\0b",
    None,
    3,
    ["x"],
]


@pytest.mark.parametrize("name", OUTSIDE)
def test_path_out_of_the_folder_is_refused(name: object, tmp_path: Path) -> None:
    with pytest.raises(OutsideFolderError, match="leads out of"):
        path_inside(tmp_path, name)


@pytest.mark.parametrize("name", ["a", "a/b.wav", "a/../b", "./a", "..a", "가/나.wav", "a b", "...x"])
def test_path_inside_the_folder_is_returned(name: str, tmp_path: Path) -> None:
    assert path_inside(tmp_path, name) == tmp_path / name


def test_link_out_of_the_folder_is_followed_only_if_allowed(tmp_path: Path) -> None:
    folder, other = tmp_path / "folder", tmp_path / "other"
    folder.mkdir()
    other.write_text("x")
    (folder / "link").symlink_to(other)
    with pytest.raises(OutsideFolderError):
        path_inside(folder, "link")
    assert path_inside(folder, "link", links=True).read_text() == "x"


def test_folder_that_is_a_link_itself_is_accepted(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert path_inside(tmp_path / "link", "a") == tmp_path / "link" / "a"


def test_absolute_path_does_not_count_as_leading_outside() -> None:
    assert is_absolute("/a/b.wav") and not leads_outside("/a/../../b.wav")
    assert leads_outside("a/../../b.wav") and not leads_outside("a/../b.wav")


@pytest.mark.skipif(os.sep == "\\", reason="these are absolute on Windows")
def test_absolute_path_of_windows_is_relative_here() -> None:
    assert leads_outside("x:/../../secret.wav") and leads_outside("C:/..")
    assert not leads_outside("x:/a.wav") and not leads_outside("C:\\corpus\\a.wav")


@pytest.mark.parametrize(
    "name", ["../x", "a/b", "a\\b", "C:x", "", "  ", ".", "..", ".hidden", "a\x1b[2Jb", "a\nb"]
)
def test_text_that_is_not_a_folder_name_has_a_fault(name: str) -> None:
    assert name_fault(name) is not None


@pytest.mark.parametrize("name", ["emo", "감정 1", "a.b", "v2-last_3", "a+b", "x" * 40])
def test_usual_name_has_no_fault(name: str) -> None:
    assert name_fault(name) is None


def test_file_names_are_apart_whatever_the_case_and_never_paths() -> None:
    names = file_names(["r16", "R16", "../x", "", "summary"], ".json", taken=("summary.json",))
    assert names == ["r16.json", "R16-2.json", "---x.json", "no-name.json", "summary-2.json"]
