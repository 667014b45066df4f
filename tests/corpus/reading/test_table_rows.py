"""Tables: delimiters, quotes that are never closed, and no row lost between them."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from soritune.corpus.reading.table_rows import Table, TableRow
from soritune.errors import ManifestError


def table(tmp_path: Path, text: str, **settings: object) -> Table:
    (tmp_path / "t.csv").write_text(text, encoding="utf-8", newline="")
    return Table(tmp_path / "t.csv", lambda cells: "file_path" in cells, **settings)  # type: ignore[arg-type]


def good(table: Table) -> list[list[str]]:
    return [row.cells for row in table if not row.fault]


@pytest.mark.parametrize("sign", [",", ";", "\t", "|"])
def test_delimiters_are_found_out(tmp_path: Path, sign: str) -> None:
    other = ";" if sign == "," else ","
    found = table(tmp_path, f"file_path{sign}text\r\na.wav{sign}하나{other} 둘\r\n")
    if sign == ",":
        assert found.delimiter == ","
    assert found.header == ["file_path", "text"] and good(found) == [["a.wav", f"하나{other} 둘"]]


def test_an_open_quote_spoils_its_own_line_only(tmp_path: Path) -> None:
    text = 'file_path,text\na.wav,"열린 인용\nb.wav,둘\nc.wav,"셋, 셋"\n'
    rows = list(table(tmp_path, text))
    assert [(row.line, bool(row.fault)) for row in rows] == [(2, True), (3, False), (4, False)]
    assert [row.cells for row in rows[1:]] == [["b.wav", "둘"], ["c.wav", "셋, 셋"]]
    assert "quotation mark opens here" in rows[0].fault


def test_a_line_end_inside_a_text_is_part_of_it(tmp_path: Path) -> None:
    found = list(table(tmp_path, 'file_path,text\r\na.wav,"첫째 줄\r\n둘째 줄"\r\nb.wav,글\r\n'))
    assert [row.line for row in found] == [2, 4]
    assert found[0].cells == ["a.wav", "첫째 줄\r\n둘째 줄"]


@pytest.mark.parametrize(
    ("lines", "faults"),
    [
        (['"안녕 하나,a.wav', '"안녕 둘,b.wav', "셋,c.wav"], [2, 3]),
        (['"열린,a.wav', '",b.wav', "셋,c.wav"], [2, 3]),
        (['"열린,a.wav', '닫힘",b.wav', "셋,c.wav"], [2]),
        (['"열린 글,001', '",002', "셋,003"], [2, 3]),
        (["하나,a.wav", "둘,b.wav", '"열린,c.wav'], [4]),
    ],
)
def test_open_quotes_never_make_one_row_of_several(
    tmp_path: Path, lines: list[str], faults: list[int]
) -> None:
    found = list(table(tmp_path, "\n".join(["text,file_path", *lines]) + "\n"))
    assert [row.line for row in found] == [2, 3, 4]
    assert all(row.fault or row.cells == lines[row.line - 2].split(",") for row in found)
    assert [row.line for row in found if row.fault] == faults


def test_a_header_of_several_lines(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes('"파일\r\n경로",emotion\r\na.wav,기쁨\r\n'.encode("cp949"))
    found = Table(tmp_path / "t.csv", lambda cells: "emotion" in cells)
    assert found.header == ["파일 경로", "emotion"] and good(found) == [["a.wav", "기쁨"]]


def test_a_cell_that_is_too_long_is_not_repeated_in_its_fault(tmp_path: Path) -> None:
    (row, other) = table(tmp_path, f'file_path,text\na.wav,"{"가" * 200_000}"\nb.wav,네\n')
    assert row.cells[0] == "a.wav" and sum(map(len, row.cells)) < 300 and "is no CSV" in row.fault
    assert other.cells == ["b.wav", "네"]


def test_utf8_that_is_asked_for_may_have_a_byte_order_mark(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("file_path,text\na.wav,글\n", encoding="utf-8-sig")
    found = Table(tmp_path / "t.csv", lambda cells: "file_path" in cells, encoding="UTF-8")
    assert found.header == ["file_path", "text"]


@pytest.mark.slow
def test_an_endless_quote_over_more_than_a_cell_may_hold(tmp_path: Path) -> None:
    lines = "".join(f"{n}.wav,글 {n}\n" for n in range(20000))
    rows = list(table(tmp_path, 'file_path,text\nx.wav,"열린\n' + lines))
    assert sum(1 for row in rows if not row.fault) == 20000 and [r.line for r in rows if r.fault] == [2]


def test_cells_are_counted(tmp_path: Path) -> None:
    rows = list(table(tmp_path, "file_path,text\na.wav\nb.wav,x,y\n\n , \nc.wav,x,,\n"))
    assert rows == [
        TableRow(2, ["a.wav"], "has 1 cell, the header has 2"),
        TableRow(3, ["b.wav", "x", "y"], "has 3 cells, the header has 2"),
        TableRow(6, ["c.wav", "x"]),
    ]


def test_what_is_no_table(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="is empty"):
        table(tmp_path, "\n  \n")
    (tmp_path / "t.csv").write_bytes(b"file_path\n\xff\xfe\xff")
    with pytest.raises(ManifestError, match="neither UTF-8"):
        Table(tmp_path / "t.csv", lambda cells: True)
    with pytest.raises(ManifestError, match="cannot be read"):
        Table(tmp_path / "gone.csv", lambda cells: True)


def test_columns_for_a_table_without_a_header(tmp_path: Path) -> None:
    found = table(tmp_path, "a.wav;글\nb.wav;글\n", columns=("file_path", "text"))
    assert good(found) == [["a.wav", "글"], ["b.wav", "글"]]


CELL = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1, max_size=8).map(
    lambda text: text.strip() or "x"
)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(CELL, CELL), min_size=1, max_size=6), st.sampled_from([",", ";", "\t", "|"]))
def test_what_the_standard_writer_writes_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]], sign: str
) -> None:
    import unicodedata

    text = io.StringIO()
    csv.writer(text, delimiter=sign).writerows([("file_path", "text"), *rows])
    found = table(tmp_path_factory.mktemp("t"), text.getvalue())
    assert good(found) == [[unicodedata.normalize("NFC", cell) for cell in row] for row in rows]
