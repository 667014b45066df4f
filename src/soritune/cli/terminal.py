"""What commands write on the terminal: lines, tables, JSON objects. Progress bars: `progress.py`."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape as rich_escape

from soritune import processes
from soritune.terminal_text import SafeConsole, json_line, visible

AsJson = Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")]
"""The option for `print_json`."""


def output(*, wrap: bool = True) -> Console:
    """Standard output.

    Args:
        wrap: break lines at the terminal's width; lines with paths are kept whole so that they can be copied.
    """
    return SafeConsole(soft_wrap=not wrap)


def escape(text: str) -> str:
    """Text of a corpus for a line with markup or a cell: its brackets are not markup, control characters are shown."""
    return rich_escape(visible(text))


def print_line(text: str, *, style: str | None = None) -> None:
    """Prints a line without markup, highlighting or wrapping; control characters are shown."""
    output().print(text, style=style, markup=False, highlight=False, soft_wrap=True)


def print_lines(lines: Iterable[str]) -> None:
    """Prints lines as `print_line` does, but without a console, for results of many thousand lines."""
    sys.stdout.writelines(f"{visible(line)}\n" for line in lines)


def print_markup(text: str) -> None:
    """Prints a line with rich's markup, without highlighting or wrapping."""
    output().print(text, highlight=False, soft_wrap=True)


def print_error(text: str, *, style: str | None = "red") -> None:
    """Prints a line on standard error, as `print_line` does."""
    SafeConsole(stderr=True).print(text, style=style, markup=False, highlight=False, soft_wrap=True)


def announce(text: str, *, quiet: bool) -> None:
    """Shows at once, on standard error, that a command has started: its libraries take seconds to load.

    Args:
        text: what comes first, such as "loading the model".
        quiet: show nothing, as with `--json`.
    """
    if not quiet and processes.is_main():
        print_error(f"{text} …", style="dim")


def print_json(content: Mapping[str, Any] | list[Any]) -> None:
    """One JSON value on one line of standard output."""
    sys.stdout.write(json_line(content, sys.stdout.encoding) + "\n")
