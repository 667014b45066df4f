"""What a console shows, and that library code shows nothing by any other way."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator

import pytest
from tests.test_layers import SOURCE, files, parsed

import soritune
from soritune.progress import LINE_EVERY_S, SILENT, Console, ProgressLines

MAY_PRINT = ("cli/", "progress.py", "terminal_text.py")
RENDERS_TEXT = {"reports/text_report.py": "renders tables into a string"}
WRITES_TEXT = {
    "serving/logs.py": "the log of a server is its output",
    "export/sagemaker_deploy.py": "a program of its own, which is copied into the export",
}
CATCHES_TEXT = {
    "audio/decoder_messages.py": "catches what C code prints on standard error, and logs it",
    "ray_engine.py": "moves what Ray prints from standard output to standard error",
    "training/trackers.py": "moves what tracking libraries print from standard output to standard error",
}


def test_a_message_is_shown_exactly_as_given_on_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    line = "[bold]가 나[/bold] 12.5 % of /a/long/path " + 20 * "word "
    Console().message(line)
    captured = capsys.readouterr()
    assert captured.err == line + "\n"
    assert captured.out == ""


def test_a_quiet_console_shows_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    for console in (Console(quiet=True), SILENT):
        console.message("a")
        console.warning("b")
        console.heading("c")
        with console.bar("d", 2) as bar:
            bar.advance()
            bar.update(2, 2, "done")
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "")


def test_only_the_first_of_several_processes_shows_messages(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("soritune.progress.processes.is_main", lambda: False)
    console = Console()
    console.message("hidden")
    assert console.quiet
    assert capsys.readouterr().err == ""


def test_a_bar_is_not_drawn_into_a_file(capsys: pytest.CaptureFixture[str]) -> None:
    with Console().bar("labels", 3) as bar:
        bar.advance(3)
    assert capsys.readouterr().err == ""


def test_a_stage_is_a_line_where_its_bar_is_not_drawn(capsys: pytest.CaptureFixture[str]) -> None:
    with Console().bar("train", 3) as bar:
        assert capsys.readouterr().err == "training …\n"  # before the stage has done anything
        bar.advance(3)
    assert capsys.readouterr().err == ""


def test_a_bar_shows_the_number_of_finished_items_and_the_state(capsys: pytest.CaptureFixture[str]) -> None:
    console = Console()
    console._rich._force_terminal = True
    with console.bar("check", 18, transient=False) as bar:
        bar.update(7, 18, "epoch 1/2")
    assert re.search(r"check.* 7/18 .*epoch 1/2", capsys.readouterr().err)


def test_bar_on_a_terminal_leaves_standard_output_alone(capsys: pytest.CaptureFixture[str]) -> None:
    """What a command prints while a bar is shown goes to standard output, also if that is a file."""
    console = Console()
    console._rich._force_terminal = True
    with console.bar("assess", 2):
        sys.stdout.write("an answer\n")
    captured = capsys.readouterr()
    assert captured.out == "an answer\n"
    assert "an answer" not in captured.err


def test_the_console_is_a_public_name() -> None:
    assert soritune.Console is Console


def printing(tree: ast.Module) -> Iterator[int]:
    """Lines that print: `print`, the standard streams, anything of rich."""
    for node in ast.walk(tree):
        if (
            (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print")
            or (
                isinstance(node, ast.Attribute)
                and node.attr in ("stdout", "stderr")
                and isinstance(node.value, ast.Name)
                and node.value.id == "sys"
            )
            or (isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "rich")
        ):
            yield node.lineno
        elif isinstance(node, ast.Import):
            yield from (node.lineno for alias in node.names if alias.name.split(".")[0] == "rich")


@pytest.mark.parametrize(
    "code", ["print(1)", "sys.stderr.write(text)", "import rich", "from rich.console import Console"]
)
def test_the_search_finds_printing(code: str) -> None:
    assert list(printing(ast.parse(code))) == [1]


def test_library_code_shows_nothing_but_through_a_console() -> None:
    faults = []
    for path in files():
        relative = path.relative_to(SOURCE).as_posix()
        if not relative.startswith(MAY_PRINT) and relative not in RENDERS_TEXT | WRITES_TEXT | CATCHES_TEXT:
            faults += [f"{relative}:{line}" for line in printing(parsed(path))]
    assert not faults, faults


def test_consoles_are_made_by_the_command_line() -> None:
    """Library code gets its console as an argument; the default is silent."""
    makers = {
        path.relative_to(SOURCE).as_posix()
        for path in files()
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.Call)
        and str(getattr(node.func, "attr", None) or getattr(node.func, "id", None)).endswith("Console")
    }
    assert {maker for maker in makers if not maker.startswith("cli/")} == {"progress.py", *RENDERS_TEXT}


def test_lines_have_counts_and_come_from_time_to_time() -> None:
    now = 0.0
    shown: list[str] = []
    lines = ProgressLines(shown.append, 4, lambda: now)
    lines.add(1)
    assert shown == []
    now = LINE_EVERY_S
    lines.add(0.5)
    lines.add(0.5)
    now = 3 * LINE_EVERY_S
    lines.add(1 / 3 * 3)
    assert shown == ["1 of 4 done (38%) after 0:30 min", "3 of 4 done (75%) after 1:30 min"]


def test_lines_are_shown_only_on_request_and_not_on_a_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("soritune.progress.LINE_EVERY_S", 0.0)
    for lines in (False, True):
        with Console().bar("labels", 2, lines=lines) as bar:
            bar.advance()
    assert capsys.readouterr().err.count("1 of 2 done (50%)") == 1
