"""No text of a corpus reaches the terminal as a command to it."""

from __future__ import annotations

import io
import json
import logging

import pytest
from rich.table import Table
from rich.text import Text

from soritune.terminal_text import TextConsole, VisibleFormatter, visible, visible_json

ATTACK = "a\x1b[2J\x1b]0;title\x07\x9b31m\u202eb\r\x08\x7f"
SHOWN = r"a\x1b[2J\x1b]0;title\x07\x9b31m\u202eb\x0d\x08\x7f"


def test_control_characters_become_escapes() -> None:
    assert visible(ATTACK) == SHOWN
    assert visible("가\t나\nd é 👩‍👧") == "가\t나\nd é 👩‍👧"


def test_json_keeps_its_value_without_control_characters() -> None:
    text = visible_json(json.dumps({"id": ATTACK}, ensure_ascii=False))
    assert json.loads(text) == {"id": ATTACK}
    assert all(character.isprintable() for character in text)


@pytest.mark.parametrize("kind", ["line", "text", "cell", "heading", "rule", "styled"])
def test_console_prints_no_control_character_of_a_text(kind: str) -> None:
    buffer = io.StringIO()
    console = TextConsole(
        file=buffer, width=120, force_terminal=True, color_system="standard" if kind == "styled" else None
    )
    table = Table(ATTACK if kind == "heading" else "id")
    table.add_row(Text(ATTACK) if kind == "text" else ATTACK)
    if kind == "line":
        console.print(ATTACK, markup=False, highlight=False)
    elif kind == "rule":
        console.rule(ATTACK)
    elif kind == "styled":
        console.print("red", style="red")
    else:
        console.print(table)
    printed = buffer.getvalue()
    if kind == "styled":
        assert printed == "\x1b[31mred\x1b[0m\n"  # its own styles are kept
    else:
        assert (SHOWN if kind != "text" else r"a\x1b[2J") in printed
        assert all(character.isprintable() or character == "\n" for character in printed)


def test_log_lines_have_no_control_characters() -> None:
    record = logging.LogRecord("soritune", logging.WARNING, "", 0, "row %s", (ATTACK,), None)
    assert VisibleFormatter("%(message)s").format(record) == f"row {SHOWN}"
