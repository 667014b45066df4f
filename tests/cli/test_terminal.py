"""Lines and JSON on standard output and standard error."""

from __future__ import annotations

import json

import pytest

from soritune.cli.terminal import print_error, print_json, print_line, print_markup

LONG = "/a/long/path/" + "folder/" * 30


def test_lines_are_printed_exactly_as_given(capsys: pytest.CaptureFixture[str]) -> None:
    print_line(f"[bold]report[/bold]: {LONG}")
    print_error(f"error: [red] {LONG}")
    captured = capsys.readouterr()
    assert captured.out == f"[bold]report[/bold]: {LONG}\n"
    assert captured.err == f"error: [red] {LONG}\n"


def test_markup_is_applied_without_wrapping(capsys: pytest.CaptureFixture[str]) -> None:
    print_markup(f"[yellow]3 rejected[/yellow] {LONG}")
    assert capsys.readouterr().out == f"3 rejected {LONG}\n"


def test_json_is_one_line_with_hangul_as_text(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"text": "가나", "n": [1, None]})
    out = capsys.readouterr().out
    assert out == '{"text": "가나", "n": [1, null]}\n'
    assert json.loads(out) == {"text": "가나", "n": [1, None]}
