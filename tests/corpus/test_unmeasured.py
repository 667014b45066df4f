"""Lists without lengths are read as manifests whose lengths come from the recordings."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from soritune.corpus.manifest import Manifest
from soritune.corpus.unmeasured import TableColumns, load_rows
from soritune.errors import ManifestError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, seconds in (("a.wav", 1.0), ("b.wav", 0.25)):
        soundfile.write(tmp_path / name, np.full(int(16000 * seconds), 0.1, np.float32), 16000)
    return tmp_path


def lines(path: Path, *rows: dict[str, object]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def lengths(rows: Manifest) -> list[tuple[str, float]]:
    return [(row.id, row.duration_s) for row in rows]


def test_lengths_of_a_list_come_from_the_recordings(folder: Path) -> None:
    file = lines(
        folder / "rows.jsonl",
        {"id": "1", "audio": "a.wav", "text": "오늘"},
        {"id": "2", "audio": "b.wav"},
        {"id": "3", "audio": "a.wav", "start_s": 0.75},
        {"id": "4", "audio": "gone.wav"},
    )
    rows = load_rows(file)
    assert lengths(rows) == [("1", 1.0), ("2", 0.25), ("3", 0.25), ("4", 0.0)]
    assert next(iter(rows)).text == "오늘"
    assert rows.audio_path(next(iter(rows))) == folder / "a.wav"


def test_stated_lengths_are_kept(folder: Path) -> None:
    file = lines(folder / "rows.jsonl", {"id": "1", "audio": "a.wav", "duration_s": 0.5})
    assert lengths(load_rows(file)) == [("1", 0.5)]


def test_table_of_korean_excel_is_read(folder: Path) -> None:
    (folder / "목록.csv").write_bytes("파일명,화자\na.wav,김\nb.wav,이\n".encode("cp949"))
    rows = load_rows(folder / "목록.csv")
    assert [(row.speaker, row.duration_s) for row in rows] == [("김", 1.0), ("이", 0.25)]


@pytest.mark.parametrize("name", ["학생", "학습자", "이름", "학생 이름"])
def test_learners_of_a_table_are_found_and_its_columns_are_reported(folder: Path, name: str) -> None:
    (folder / "명단.csv").write_bytes(f"{name},파일,문장,비고\n민수,a.wav,가요,숙제\n".encode("cp949"))
    reports: list[TableColumns] = []
    (row,) = load_rows(folder / "명단.csv", report=reports.append)
    assert (row.speaker, row.text, row.extra) == ("민수", "가요", {"비고": "숙제"})
    assert reports == [
        TableColumns("명단.csv", {name: "speaker", "파일": "audio", "문장": "text"}, ("비고",))
    ]


def test_named_column_replaces_the_usual_one(folder: Path) -> None:
    (folder / "t.csv").write_text("번호,화자,file\n7,김,a.wav\n", encoding="utf-8")
    assert [row.speaker for row in load_rows(folder / "t.csv", fields={"speaker": "번호"})] == ["7"]
    with pytest.raises(ManifestError, match="no column 없음"):
        load_rows(folder / "t.csv", fields={"speaker": "없음"})


def test_named_field_of_a_list(folder: Path) -> None:
    for given in ({}, {"duration_s": 0.5}):
        file = lines(folder / "rows.jsonl", {"id": "1", "audio": "a.wav", "who": "kim", **given})
        assert [row.speaker for row in load_rows(file, fields={"speaker": "who"})] == ["kim"]


def test_root_replaces_the_folder_of_the_list(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "lists").mkdir()
    file = lines(tmp_path / "lists/rows.jsonl", {"id": "1", "audio": "a.wav"})
    assert lengths(load_rows(file)) == [("1", 0.0)]
    assert lengths(load_rows(file, root=folder)) == [("1", 1.0)]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([{"id": "1", "audio": "a.wav"}, {"id": "1", "audio": "b.wav"}], "the id '1' is in several rows"),
        ([{"id": "1", "audio": "a.wav", "age": "x"}], "has no row that can be read; the first: "),
    ],
)
def test_list_that_cannot_be_used_is_refused(
    rows: list[dict[str, object]], message: str, folder: Path
) -> None:
    with pytest.raises(ManifestError, match=message):
        load_rows(lines(folder / "rows.jsonl", *rows))
