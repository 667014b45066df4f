"""Files and folders of a walk, their order, and the folders that a walk does not enter."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from soritune.corpus.reading.folder_walk import walk_folders, writable_name
from soritune.corpus.reading.outcomes import Rejected, Skipped
from soritune.errors import ManifestError


def test_walk_is_sorted_and_skips_hidden_system_and_removed_folders(tmp_path: Path) -> None:
    for name in (
        "b/2.wav",
        "b/1.wav",
        "a/c/x.wav",
        ".hidden/x.wav",
        "__MACOSX/x.wav",
        "b/._1.wav",
        "skip/x.wav",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    seen = []
    for folder in walk_folders(tmp_path):
        if "skip" in folder.folders:
            folder.folders.remove("skip")
        seen += [folder.path_of(name) for name in folder.names]
    assert seen == ["a/c/x.wav", "b/1.wav", "b/2.wav"]


def test_links_to_folders_above_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "x.wav").touch()
    root = tmp_path / "root"
    (root / "deep").mkdir(parents=True)
    (root / "linked").symlink_to(tmp_path / "elsewhere")
    (root / "deep" / "up").symlink_to(root)
    (root / "deep" / "self").symlink_to(root / "deep")
    assert [f.path_of(n) for f in walk_folders(root) for n in f.names] == ["linked/x.wav"]


def test_folder_with_several_links_is_read_once(tmp_path: Path) -> None:
    (tmp_path / "far" / "x").mkdir(parents=True)
    root = tmp_path / "root"
    for name in ("a", "b", ".store/kim"):
        (root / name).mkdir(parents=True)
        (root / name / "1.wav").touch()
    (root / "a" / "toB").symlink_to(root / "b")
    (root / "b" / "toA").symlink_to(root / "a")
    (root / "kim").symlink_to(root / ".store" / "kim")
    (root / "kim2").symlink_to(root / ".store" / "kim")
    (root / "back").symlink_to(tmp_path)
    folders = list(walk_folders(root))
    assert [f.path_of(n) for f in folders for n in f.names] == ["a/1.wav", "b/1.wav", "kim/1.wav"]
    skipped = [item for folder in folders for item in folder.outcomes if isinstance(item, Skipped)]
    assert [item.example for item in skipped] == ["a/toB", "b/toA", "back", "kim2"]
    assert {item.kind for item in skipped} == {"folder-repeated"}


def test_folder_that_cannot_be_listed_is_rejected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a", "b", "lost+found", "$RECYCLE.BIN"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "1.wav").touch()
    listed = os.scandir

    def scandir(path: str) -> Any:
        if path.endswith("a"):
            raise PermissionError(13, "Permission denied")
        return listed(path)

    monkeypatch.setattr(os, "scandir", scandir)
    folders = list(walk_folders(tmp_path))
    assert [f.path_of(n) for f in folders for n in f.names] == ["b/1.wav"]
    assert [item for folder in folders for item in folder.outcomes] == [
        Rejected("a", "folder cannot be listed (this user is not allowed to)", kind="folder-unreadable")
    ]


def test_root_that_is_not_a_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for name, reason in (("file", "is not a folder"), ("gone", "does not exist")):
        with pytest.raises(ManifestError, match=reason):
            list(walk_folders(tmp_path / name))


def test_name_that_is_not_utf8_is_shown_as_cp949() -> None:
    name = os.fsdecode("소리.wav".encode("cp949"))
    shown, fault = writable_name(f"a/{name}")
    assert shown == "a/소리.wav" and fault is not None and "convmv" in fault
    assert writable_name("a/소리.wav") == ("a/소리.wav", None)
