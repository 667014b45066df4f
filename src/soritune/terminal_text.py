"""Text on a terminal: ids and file names from a corpus must not control it."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Iterator
from typing import Any

from rich.console import Console
from rich.segment import Segment
from rich.text import Text

_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
"""Control characters except tab and line feed, and the signs that change the direction of what follows."""


def visible(text: str) -> str:
    r"""The text with every control character as an escape: ESC becomes `\x1b`."""
    return _CONTROL.sub(lambda match: _escaped(match[0]), text)


def visible_json(text: str) -> str:
    """JSON text in which the control characters that `json.dumps` does not escape are escapes too."""
    return _CONTROL.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def _escaped(character: str) -> str:
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


class TextConsole(Console):
    """A console of rich that shows control characters of what is printed, instead of sending them."""

    def render_str(self, text: str, **options: Any) -> Text:
        """See `Console.render_str`. The width of a cell is measured on its result."""
        return super().render_str(visible(text), **options)

    def render(self, renderable: Any, options: Any = None) -> Iterator[Segment]:
        """See `Console.render`."""
        yield from _visible_segments(super().render(renderable, options))


def _visible_segments(segments: Iterable[Segment]) -> Iterator[Segment]:
    for segment in segments:
        text, style, control = segment
        yield segment if control or not text else Segment(visible(text), style, control)


class VisibleFormatter(logging.Formatter):
    """Formats log records without control characters."""

    def format(self, record: logging.LogRecord) -> str:
        """See `logging.Formatter.format`."""
        return visible(super().format(record))
