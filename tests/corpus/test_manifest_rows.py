"""Rows of JSONL and Parquet files of any origin, with line numbers."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from soritune.corpus.manifest_rows import decode_text, extra_of, read_rows
from soritune.corpus.reading.field_mapping import FieldMapping
from soritune.errors import ManifestError

MAPPING = FieldMapping(required=("id", "audio"))


def test_jsonl_rows_have_their_line_in_the_file(tmp_path: Path) -> None:
    file = tmp_path / "m.JSONL"
    file.write_bytes(
        b'\xef\xbb\xbf{"id": "a", "audio": "a.wav"}\n\n  \n{"id": "b", "audio": "b.wav", "x": 1}\n'
    )
    assert list(read_rows(file, MAPPING)) == [
        (1, {"id": "a", "audio": "a.wav"}),
        (4, {"id": "b", "audio": "b.wav", "x": 1}),
    ]


def test_parquet_rows_are_numbered_and_extra_is_parsed(tmp_path: Path) -> None:
    table = pa.table({"id": ["a", "b"], "audio": ["a.wav", "b.wav"], "extra": ['{"k": [1]}', None]})
    pq.write_table(table, tmp_path / "m.parquet")
    assert list(read_rows(tmp_path / "m.parquet", MAPPING)) == [
        (1, {"id": "a", "audio": "a.wav", "extra": {"k": [1]}}),
        (2, {"id": "b", "audio": "b.wav", "extra": None}),
    ]


def test_column_counts_as_missing_only_if_no_early_line_has_it(tmp_path: Path) -> None:
    file = tmp_path / "m.jsonl"
    lines = ['{"audio": "a.wav"}'] * 999
    file.write_text("\n".join([*lines, '{"id": "a"}']), encoding="utf-8")
    assert len(list(read_rows(file, MAPPING))) == 1000
    file.write_text("\n".join([*lines, '{"audio": "a.wav"}', '{"id": "a"}']), encoding="utf-8")
    with pytest.raises(ManifestError, match="column 'id'") as caught:
        list(read_rows(file, MAPPING))
    assert caught.value.field == "id"


@pytest.mark.parametrize(
    ("content", "line"),
    [(b'{"id": "a", "audio": "a"}\n[1]\n', 2), (b'{"id": \n', 1), (b'\n{"id": "\xff"}\n', 2)],
)
def test_line_that_is_not_an_object_is_refused_with_its_number(
    tmp_path: Path, content: bytes, line: int
) -> None:
    (tmp_path / "m.jsonl").write_bytes(content)
    with pytest.raises(ManifestError) as caught:
        list(read_rows(tmp_path / "m.jsonl", MAPPING))
    assert caught.value.line == line


def test_files_without_rows_and_of_other_kinds_are_refused(tmp_path: Path) -> None:
    (tmp_path / "empty.jsonl").touch()
    (tmp_path / "folder.jsonl").mkdir()
    (tmp_path / "text.parquet").write_text("not a table")
    for name, reason in (
        ("empty.jsonl", "holds no utterances"),
        ("folder.jsonl", "is not a file"),
        ("gone.jsonl", "does not exist"),
        ("m.txt", r"ends in \.parquet or \.jsonl, not in '\.txt'"),
        ("text.parquet", "not a readable Parquet file"),
    ):
        with pytest.raises(ManifestError, match=reason):
            list(read_rows(tmp_path / name, MAPPING))


def test_cp949_text_is_refused_with_the_command_that_converts_it() -> None:
    assert decode_text("소리".encode(), Path("m.jsonl")) == "소리"
    with pytest.raises(ManifestError, match="iconv -f CP949"):
        decode_text("소리".encode("cp949"), Path("m.jsonl"), 3)
    with pytest.raises(ManifestError, match="save the file as UTF-8") as caught:
        decode_text(b"\xff\xff", Path("m.jsonl"), 3)
    assert caught.value.line == 3


@pytest.mark.parametrize(
    ("name", "more"), [("t.csv", ""), ("t.TSV", ""), ("t.xlsx", "after saving the workbook")]
)
def test_table_is_refused_with_the_source_that_reads_it(tmp_path: Path, name: str, more: str) -> None:
    with pytest.raises(ManifestError, match=f"is a table.*data.source=csv.*soritune prepare csv.*{more}"):
        list(read_rows(tmp_path / name, MAPPING))


@pytest.mark.parametrize(("text", "fault"), [("{", "is not JSON"), ("[1]", "must be a JSON object")])
def test_extra_that_is_not_an_object_is_refused_with_its_line(text: str, fault: str) -> None:
    with pytest.raises(ManifestError, match=rf"m\.parquet.*3.*'extra' {fault}"):
        extra_of(text, Path("m.parquet"), 3)
