"""Columns of a table by the names in its header."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from soritune.corpus.reading.table_columns import Columns, find_columns, is_header, plain_name
from soritune.corpus.reading.table_rows import Table
from soritune.errors import ManifestError


def columns(tmp_path: Path, header: str, strict: bool = True, **mapped: str) -> Columns:
    (tmp_path / "t.csv").write_text(f"{header}\n", encoding="utf-8")
    table = Table(tmp_path / "t.csv", partial(is_header, mapped=mapped), delimiter=",")
    return find_columns(table, mapped, strict=strict)


def test_usual_names_are_found_in_order_of_preference(tmp_path: Path) -> None:
    result = columns(tmp_path, "wav,Path,label,Start,speaker")
    assert result.of_field == {"audio": 1, "emotion": 2, "start_s": 3, "speaker": 4}
    assert result.others == {"wav": 0}


def test_exact_spelling_is_preferred_to_another_case(tmp_path: Path) -> None:
    assert columns(tmp_path, "path,Speaker,speaker").of_field["speaker"] == 2


def test_mapped_name_replaces_the_usual_ones(tmp_path: Path) -> None:
    result = columns(tmp_path, "path,label,감 정,id", emotion="감정", id="id")
    assert result.of_field == {"audio": 0, "emotion": 2, "id": 3} and result.others == {"label": 1}


def test_id_is_read_only_if_it_is_mapped(tmp_path: Path) -> None:
    assert columns(tmp_path, "path,id").others == {"id": 1}


def test_unused_columns_of_equal_names_are_numbered(tmp_path: Path) -> None:
    assert columns(tmp_path, "path,memo,,memo").others == {"memo": 1, "memo 2": 3}


def test_missing_and_duplicated_columns_are_refused_if_strict(tmp_path: Path) -> None:
    with pytest.raises(
        ManifestError, match=r"no column 나이 \(for 'age'\); there are: path, 나이대.*--field age=나이대"
    ):
        columns(tmp_path, "path,나이대", age="나이")
    with pytest.raises(ManifestError, match="has 2 columns called 'speaker'"):
        columns(tmp_path, "path,speaker,Speaker".replace("Speaker", "speaker"))
    with pytest.raises(ManifestError, match="no column file_path or path"):
        columns(tmp_path, "x,y")
    assert columns(tmp_path, "x,y", strict=False) == Columns({}, {"x": 0, "y": 1})


def test_header_is_a_row_with_the_column_of_the_audio() -> None:
    assert is_header(["File Path", "x"], {}) and not is_header(["a.wav", "x"], {})
    assert is_header(["파일"], {"audio": "파일"}) and not is_header(["path"], {"audio": "파일"})


def test_plain_name_ignores_case_spaces_and_hyphens() -> None:
    assert plain_name(" File_Path-1 ") == "filepath1"
