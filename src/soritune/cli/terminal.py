"""What commands write on the terminal: lines, tables, JSON objects. Progress bars: `progress.py`."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Any

from rich.console import Console

from soritune.terminal_text import TextConsole, visible_json


def output(*, wrap: bool = True) -> Console:
    """Standard output.

    Args:
        wrap: break lines at the terminal's width; lines with paths are kept whole so that they can be copied.
    """
    return TextConsole(soft_wrap=not wrap)


def print_line(text: str, *, style: str | None = None) -> None:
    """Prints a line exactly as given: without markup, highlighting or wrapping."""
    output().print(text, style=style, markup=False, highlight=False, soft_wrap=True)


def print_markup(text: str) -> None:
    """Prints a line with rich's markup, without highlighting or wrapping."""
    output().print(text, highlight=False, soft_wrap=True)


def print_error(text: str, *, style: str | None = "red") -> None:
    """Prints a line on standard error, exactly as given."""
    TextConsole(stderr=True).print(text, style=style, markup=False, highlight=False, soft_wrap=True)


def print_json(content: Mapping[str, Any] | list[Any]) -> None:
    """One JSON value on one line of standard output."""
    sys.stdout.write(visible_json(json.dumps(content, ensure_ascii=False)) + "\n")
