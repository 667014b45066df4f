"""Tables: delimiters, and quotation marks that are never closed without the loss of another row."""

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
def test_delimiter_is_detected(tmp_path: Path, sign: str) -> None:
    in_text = ";" if sign == "," else ","
    read = table(tmp_path, f"file_path{sign}text\r\na.wav{sign}하나{in_text} 둘\r\n")
    if sign == ",":
        assert read.delimiter == ","
    assert read.header == ["file_path", "text"] and good(read) == [["a.wav", f"하나{in_text} 둘"]]


def test_open_quotation_mark_is_a_fault_of_its_own_line(tmp_path: Path) -> None:
    text = 'file_path,text\na.wav,"열린 인용\nb.wav,둘\nc.wav,"셋, 셋"\n'
    rows = list(table(tmp_path, text))
    assert [(row.line, bool(row.fault)) for row in rows] == [(2, True), (3, False), (4, False)]
    assert [row.cells for row in rows[1:]] == [["b.wav", "둘"], ["c.wav", "셋, 셋"]]
    assert rows[0].fault_kind == "row-quotation"


def test_line_end_inside_a_text_is_kept(tmp_path: Path) -> None:
    rows = list(table(tmp_path, 'file_path,text\r\na.wav,"첫째 줄\r\n둘째 줄"\r\nb.wav,글\r\n'))
    assert [row.line for row in rows] == [2, 4]
    assert rows[0].cells == ["a.wav", "첫째 줄\r\n둘째 줄"]


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
def test_open_quotation_mark_never_joins_rows(tmp_path: Path, lines: list[str], faults: list[int]) -> None:
    rows = list(table(tmp_path, "\n".join(["text,file_path", *lines]) + "\n"))
    assert [row.line for row in rows] == [2, 3, 4]
    assert all(row.fault or row.cells == lines[row.line - 2].split(",") for row in rows)
    assert [row.line for row in rows if row.fault] == faults


def test_header_of_several_lines_is_joined(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes('"파일\r\n경로",emotion\r\na.wav,기쁨\r\n'.encode("cp949"))
    read = Table(tmp_path / "t.csv", lambda cells: "emotion" in cells)
    assert read.header == ["파일 경로", "emotion"] and good(read) == [["a.wav", "기쁨"]]


def test_very_long_cell_is_cut_in_the_faulty_row(tmp_path: Path) -> None:
    row, following = table(tmp_path, f'file_path,text\na.wav,"{"가" * 200_000}"\nb.wav,네\n')
    assert row.cells[0] == "a.wav" and sum(map(len, row.cells)) < 300 and row.fault_kind == "row-not-csv"
    assert following.cells == ["b.wav", "네"]


def test_byte_order_mark_is_removed_if_utf8_is_set(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("file_path,text\na.wav,글\n", encoding="utf-8-sig")
    read = Table(tmp_path / "t.csv", lambda cells: "file_path" in cells, encoding="UTF-8")
    assert read.header == ["file_path", "text"]


@pytest.mark.slow
def test_open_quotation_mark_before_very_many_rows(tmp_path: Path) -> None:
    lines = "".join(f"{n}.wav,글 {n}\n" for n in range(20000))
    rows = list(table(tmp_path, 'file_path,text\nx.wav,"열린\n' + lines))
    assert sum(1 for row in rows if not row.fault) == 20000 and [r.line for r in rows if r.fault] == [2]


def test_rows_of_another_length_have_a_fault(tmp_path: Path) -> None:
    rows = list(table(tmp_path, "file_path,text\na.wav\nb.wav,x,y\n\n , \nc.wav,x,,\n"))
    assert rows == [
        TableRow(2, ["a.wav"], "has 1 cell, the header has 2 (split at delimiter=',')", "row-length"),
        TableRow(
            3, ["b.wav", "x", "y"], "has 3 cells, the header has 2 (split at delimiter=',')", "row-length"
        ),
        TableRow(6, ["c.wav", "x"]),
    ]


def test_files_that_are_not_tables_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="is empty"):
        table(tmp_path, "\n  \n")
    (tmp_path / "t.csv").write_bytes(b"file_path\n\xff\xfe\xff")
    with pytest.raises(ManifestError, match="neither UTF-8"):
        Table(tmp_path / "t.csv", lambda cells: True)
    with pytest.raises(ManifestError, match="cannot be read"):
        Table(tmp_path / "gone.csv", lambda cells: True)


def test_table_without_a_header_has_the_given_columns(tmp_path: Path) -> None:
    read = table(tmp_path, "a.wav;글\nb.wav;글\n", columns=("file_path", "text"))
    assert good(read) == [["a.wav", "글"], ["b.wav", "글"]]


CELL = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1, max_size=8).map(
    lambda text: text.strip() or "x"
)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(CELL, CELL), min_size=1, max_size=6), st.sampled_from([",", ";", "\t", "|"]))
def test_tables_of_the_standard_writer_are_read_back(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]], sign: str
) -> None:
    import unicodedata

    text = io.StringIO()
    csv.writer(text, delimiter=sign).writerows([("file_path", "text"), *rows])
    read = table(tmp_path_factory.mktemp("t"), text.getvalue())
    assert good(read) == [[unicodedata.normalize("NFC", cell) for cell in row] for row in rows]


def test_quotation_marks_are_text_in_tables_with_tabs_that_do_not_quote(tmp_path: Path) -> None:
    lines = ['"왔다" 라고 "했다"', '"왜 그래?', "그래", '그는 "왔다"고']
    read = table(
        tmp_path, "file_path\ttext\n" + "".join(f"{n}.wav\t{text}\n" for n, text in enumerate(lines))
    )
    assert [cells[1] for cells in good(read)] == lines


@pytest.mark.parametrize("sign", ["\t", "|", ","])
def test_quoted_cells_stay_quoted_where_one_needs_it(tmp_path: Path, sign: str) -> None:
    text = (
        f'file_path{sign}text\na.wav{sign}"가{sign}나"\nb.wav{sign}"그는 ""왔다"" 라고"\nc.wav{sign}"열린\n'
    )
    rows = list(table(tmp_path, text))
    assert [row.cells[1] for row in rows[:2]] == [f"가{sign}나", '그는 "왔다" 라고']
    assert rows[2].fault_kind == "row-quotation" and "quoting=none" in rows[2].fault


def test_marks_that_do_not_enclose_a_cell_are_kept_with_commas(tmp_path: Path) -> None:
    assert good(table(tmp_path, 'file_path,text\na.wav,"왔다" 라고 "했다"\nb.wav,"글" \n')) == [
        ["a.wav", '"왔다" 라고 "했다"'],
        ["b.wav", "글"],
    ]


def test_quoting_can_be_set(tmp_path: Path) -> None:
    text = 'file_path,text\na.wav,"글"\n'
    assert good(table(tmp_path, text, quoting="none")) == [["a.wav", '"글"']]
    text = 'file_path\ttext\na.wav\t"왔다" 라고\n'
    assert good(table(tmp_path, text, quoting="standard")) == [["a.wav", '"왔다" 라고']]


@pytest.mark.parametrize("sign", ["::", " :: ", "||", "<>", "\t\t"])
def test_delimiter_may_have_several_characters(tmp_path: Path, sign: str) -> None:
    text = f"a.wav{sign}하나, 둘\nb.wav{sign}셋 | 넷\n"
    read = table(tmp_path, text, delimiter=sign, columns=("file_path", "text"))
    assert good(read) == [["a.wav", "하나, 둘"], ["b.wav", "셋 | 넷"]]


@pytest.mark.parametrize("sign", [";", "\t", "|", "::", "||"])
def test_delimiter_of_a_table_without_header_splits_every_row(tmp_path: Path, sign: str) -> None:
    rows = [["a.wav", "그는 왔고, 나는 갔고, 끝났다."], ["b.wav", "아니, 왜, 그래?"], ["c.wav", "하나, 둘"]]
    read = table(tmp_path, "".join(sign.join(row) + "\n" for row in rows), columns=("file_path", "text"))
    assert read.delimiter == sign and good(read) == rows


@pytest.mark.parametrize("first", ["sep=;", "\ufeffsep=;", '"sep=;"'])
def test_line_with_the_delimiter_at_the_top_is_followed(tmp_path: Path, first: str) -> None:
    read = table(tmp_path, f"{first}\r\nfile_path;text\r\na.wav;하나, 둘\r\nb.wav\r\n")
    assert read.delimiter == ";" and good(read) == [["a.wav", "하나, 둘"]]
    assert [row.line for row in read] == [3, 4]


def test_single_column_keeps_its_commas(tmp_path: Path) -> None:
    assert good(table(tmp_path, "file_path\na, b.wav\nc, d.wav\n")) == [["a, b.wav"], ["c, d.wav"]]
