"""Nothing that comes from a file moves the cursor, and every encoding of the terminal can show every text."""

from __future__ import annotations

import io
import json
import logging

import pytest
from rich.control import Control
from rich.progress import Progress
from rich.table import Table
from rich.text import Text

from soritune.terminal_text import SafeConsole, SafeFormatter, json_line, visible, write_anything

CLEAR = "\x1b[2J"
HOSTILE = [
    CLEAR,
    "\x1b]52;c;cm0=\x07",  # writes to the clipboard
    "\x9b2J",  # the same as ESC [ 2 J in one character
    "a\rb",
    "a\x08b",
    "a\x00b",
    "a\x7fb",
    "abc\u202egnp.exe",  # shown as abcexe.png
    "sad\u200b",
    "s\u00adad",
    "\ufeffsad",
    "a\u200db",
    "\udcb0\udca1.wav",  # the bytes B0 A1, which are not UTF-8
]


@pytest.mark.parametrize("text", HOSTILE)
def test_control_characters_are_shown_as_escapes(text: str) -> None:
    shown = visible(text)
    assert shown.isprintable() and "\\" in shown
    assert shown.encode("ascii").decode("unicode_escape") == text


@pytest.mark.parametrize("text", ["가나 다라", "a\tb\nc", "é – “x” 😀", "\\x1b", "가", "👩\u200d🔬"])
def test_other_text_is_unchanged(text: str) -> None:
    assert visible(text) == text


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("encoding", ["utf-8", "cp949", "ascii"])
def test_json_has_the_same_value_without_control_characters(text: str, encoding: str) -> None:
    line = json_line({text: ["가", "😀", text]}, encoding)
    assert line.isprintable()
    assert json.loads(line.encode(encoding)) == {text: ["가", "😀", text]}


def test_json_keeps_hangul_where_the_encoding_has_it() -> None:
    assert json_line({"text": "가"}, "cp949") == '{"text": "가"}'
    assert json_line({"text": "가 é"}, "cp949") == '{"text": "\\uac00 \\u00e9"}'


def test_bytes_of_a_file_name_that_are_not_text_are_written_as_json() -> None:
    name = b"\xb0\xa1.wav".decode("utf-8", "surrogateescape")
    assert json_line([name]) == '["\\udcb0\\udca1.wav"]'


@pytest.mark.parametrize(
    ("encoding", "expected"),
    [
        ("utf-8", "가 → 1–2 … é"),
        ("cp949", "가 → 1-2 … \\xe9"),
        ("euc_kr", "가 → 1-2 … \\xe9"),
        ("latin-1", "\\uac00 -> 1-2 ... é"),
        ("ascii", "\\uac00 -> 1-2 ... \\xe9"),
    ],
)
def test_signs_that_an_encoding_lacks_are_replaced(encoding: str, expected: str) -> None:
    buffer = io.BytesIO()
    stream = io.TextIOWrapper(buffer, encoding=encoding)
    write_anything(stream)
    stream.write("가 → 1–2 … é")
    stream.flush()
    assert buffer.getvalue().decode(encoding) == expected


def test_name_of_a_file_that_is_not_text_can_be_written() -> None:
    buffer = io.BytesIO()
    stream = io.TextIOWrapper(buffer, encoding="utf-8")
    write_anything(stream)
    stream.write(b"\xb0\xa1.wav".decode("utf-8", "surrogateescape"))
    stream.flush()
    assert buffer.getvalue() == b"\\udcb0\\udca1.wav"


@pytest.mark.parametrize("text", HOSTILE)
def test_console_shows_control_characters_in_lines_tables_and_bars(text: str) -> None:
    stream = io.StringIO()
    console = SafeConsole(file=stream, width=100, force_terminal=False)
    console.print(text, markup=False, highlight=False)
    console.print(f"[bold]{text}[/bold]")
    table = Table(text)
    table.add_row(Text(text))
    console.print(table)
    console.rule(text)
    with Progress(console=console) as bar:
        bar.add_task(text, total=1)
    assert not set(stream.getvalue()) & set("\x00\x07\x08\r\x1b\x7f\x9b\u202e")


def test_console_keeps_its_own_colours_and_cursor_movements() -> None:
    stream = io.StringIO()
    console = SafeConsole(file=stream, force_terminal=True, color_system="standard", legacy_windows=False)
    console.print("[red]a[/red]")
    console.control(Control.home())
    assert stream.getvalue() == "\x1b[31ma\x1b[0m\n\x1b[H"


def test_log_lines_show_control_characters() -> None:
    record = logging.LogRecord("soritune", logging.INFO, "", 0, "read %s", (f"{CLEAR}.wav",), None)
    assert SafeFormatter("%(levelname)s %(message)s").format(record) == "INFO read \\x1b[2J.wav"


@pytest.mark.parametrize("columns", ["0", "1"])
def test_terminal_without_a_width_shows_lines(columns: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    stream = io.StringIO()
    SafeConsole(file=stream).print("error: nope does not exist")
    assert stream.getvalue() == "error: nope does not exist\n"
