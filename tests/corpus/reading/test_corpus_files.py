"""Folders and files are found and read alike on disk, in ZIP and in TAR."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

import pytest
from tests.corpus.layouts.archived import archive

from soritune.corpus.reading.corpus_files import is_file, is_folder, listing, read_file, unpacked
from soritune.corpus.reading.folder_walk import walk_folders
from soritune.errors import ManifestError


def corpus(root: Path) -> Path:
    for name, content in {
        "가/첫째.json": "{}",
        "가/나/둘째.wav": "RIFF",
        "가/.숨김": "",
        "셋째.txt": "글",
    }.items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content, encoding="utf-8")
    return root


@pytest.mark.parametrize("suffix", ["", ".zip", ".tar"])
def test_the_same_folders_and_files(suffix: str, tmp_path: Path) -> None:
    root = corpus(tmp_path / "말뭉치")
    if suffix:
        root = archive(root, suffix=suffix)
    top, inner = listing(root), listing(root / "가")
    assert (top.folders, top.files) == (["가"], ["셋째.txt"])
    assert (inner.folders, inner.files) == (["나"], ["첫째.json"])
    assert is_folder(root) and is_folder(root / "가" / "나")
    assert not is_folder(root / "다") and not is_folder(root / "셋째.txt")
    assert is_file(root / "가" / "첫째.json") and not is_file(root / "가")
    assert read_file(root / "셋째.txt") == "글".encode()
    for absent in (root / "없음.txt", root / "없음" / "a.txt"):
        with pytest.raises(FileNotFoundError):
            read_file(absent)
    with pytest.raises(FileNotFoundError):
        listing(root / "없음")
    walked = [(folder.relative, folder.names) for folder in walk_folders(root, archives=True)]
    assert walked == [("", ["셋째.txt"]), ("가", ["첫째.json"]), ("가/나", ["둘째.wav"])]


def test_workbook_is_no_folder(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "목록.xlsx", "w") as target:
        target.writestr("xl/workbook.xml", "")
    assert not is_folder(tmp_path / "목록.xlsx")


def test_path_of_the_unpacked_corpus() -> None:
    assert unpacked("원천/TS1.ZIP/a.zip.d/b.zip") == "원천/TS1/a.zip.d/b.zip"
    assert unpacked("a.tar/b.wav") == "a/b.wav"


def test_archives_are_entered_once_and_only_if_they_are_not_unpacked(tmp_path: Path) -> None:
    for name in ("beside", "spread", "alone", "outer/inner"):
        corpus(tmp_path / name)
    shutil.copytree(tmp_path / "beside", tmp_path / "kept")
    archive(tmp_path / "beside")
    (tmp_path / "kept").rename(tmp_path / "beside")
    shutil.copytree(tmp_path / "spread", tmp_path / "here")
    archive(tmp_path / "spread")
    (tmp_path / "spread.zip").rename(tmp_path / "here" / "spread.zip")
    archive(tmp_path / "alone")
    archive(tmp_path / "outer" / "inner")
    archive(tmp_path / "outer")
    (tmp_path / "other.tar.gz").write_bytes(b"\x1f\x8b")
    (tmp_path / "cut.zip").write_bytes(b"PK\x03\x04 and no more")
    folders = list(walk_folders(tmp_path, archives=True))
    assert {folder.relative for folder in folders if "첫째.json" in folder.names} == {
        "beside/가",
        "here/가",
        "alone.zip/가",
    }
    outcomes = {outcome.kind for folder in folders for outcome in folder.outcomes}
    faults = {"archive-unpacked", "archive-nested", "archive-compressed", "archive-damaged"}
    assert outcomes == {*faults, "archive-read"}
    unpacked_ones = [o for folder in folders for o in folder.outcomes if o.kind == "archive-unpacked"]
    assert [o.example for o in unpacked_ones] == ["beside.zip", "here/spread.zip"]  # type: ignore[union-attr]
    # A walk that does not ask for archives leaves them among the files, as before.
    plain = list(walk_folders(tmp_path))
    assert {"alone.zip", "beside.zip", "cut.zip", "other.tar.gz"} <= set(plain[0].names)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("a.tar.gz", "is a compressed TAR, whose files cannot be read one by one; unpack it"),
        ("a.txt", "is neither a folder nor a ZIP or TAR archive"),
        ("cut.zip", r"cannot be listed \(is a damaged ZIP archive"),
        ("absent.zip", "does not exist"),
    ],
)
def test_other_roots_are_refused(name: str, reason: str, tmp_path: Path) -> None:
    if name != "absent.zip":
        (tmp_path / name).write_bytes(b"PK\x03\x04 and no more")
    with pytest.raises(ManifestError, match=reason):
        list(walk_folders(tmp_path / name, archives=True))


def test_damaged_file_in_an_archive_is_an_os_error(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as target:
        target.writestr("a.txt", "0123456789")
    raw = (tmp_path / "a.zip").read_bytes()
    (tmp_path / "a.zip").write_bytes(raw.replace(b"0123456789", b"0123456780"))
    with pytest.raises(OSError, match="is damaged in its ZIP archive"):
        read_file(tmp_path / "a.zip" / "a.txt")
