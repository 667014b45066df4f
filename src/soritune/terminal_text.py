"""Text for a terminal: control characters are shown, and characters that its encoding lacks are replaced.

Ids, file names and texts come from strangers. An escape sequence among them could clear the screen, hide a line or
write to the clipboard.
"""

from __future__ import annotations

import codecs
import json
import logging
import re
from collections.abc import Iterable
from typing import Any, TextIO

from rich import console as rich_console
from rich.segment import Segment
from rich.text import Text

_UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u034f\u061c\u200b\u200c\u200e\u200f\u2028-\u202e\u2060-\u2069\u3164\ufeff\uffa0"
    "\ud800-\udfff]|(?<![\u2600-\u27bf\ufe0f\U0001f000-\U0001faff])\u200d"
)
"""Control characters except tab and line feed, marks that reorder the text around them, signs that cannot be seen (but
not the joiner of emoji), and bytes of a file name that are not text, as Python holds them."""
_ALIKE = {
    "→": "->", "←": "<-", "↓": "v", "↑": "^", "…": "...", "–": "-", "—": "-", "−": "-", "─": "-", "·": "|", "×": "x",
    "≤": "<=", "≥": ">=", "±": "+/-", "‘": "'", "’": "'", "“": '"', "”": '"', "\u00a0": " ",
}  # fmt: skip
"""What is written for signs that an encoding lacks; other characters become escapes such as \\uac00."""
_LEAST_WIDTH, _USUAL_WIDTH = 20, 80
_HANDLER = "soritune.terminal"


def visible(text: str) -> str:
    """Text without control characters: each becomes an escape that shows it, `\\x1b` for the character ESC."""
    return _UNSAFE.sub(lambda match: _escape(match[0]), text)


def json_line(value: Any, encoding: str | None = None) -> str:
    """A value as one line of JSON, without control characters.

    Args:
        value: plain JSON.
        encoding: of the stream it goes to; if that lacks a character, all that are not ASCII are escaped.
    """
    text = json.dumps(value, ensure_ascii=False)
    # JSON contains these characters only inside its texts, so each of them can become an escape of JSON.
    text = _UNSAFE.sub(lambda match: f"\\u{ord(match[0]):04x}", text)
    try:
        text.encode(encoding or "utf-8")
    except UnicodeEncodeError:
        return json.dumps(value)
    return text


def write_anything(*streams: TextIO) -> None:
    """Lets text streams write every text, whatever their encoding, instead of raising UnicodeEncodeError.

    Standard output under CP949, EUC-KR or Latin-1 lacks signs such as `–`. File names may hold bytes that are not
    text, which no encoding has.
    """
    codecs.register_error(_HANDLER, _replace)
    for stream in streams:
        reconfigure = getattr(stream, "reconfigure", None)  # a stream of a test or a notebook may lack it
        if reconfigure is not None:
            reconfigure(errors=_HANDLER)


class SafeConsole(rich_console.Console):
    """A console of rich that writes text as `visible` makes it; its own colours and cursor movements are kept."""

    def __init__(self, **options: Any) -> None:
        # In a notebook rich would show everything in the cell, and write nothing to the file that was given.
        super().__init__(**{"force_jupyter": False, **options})
        if self.width < _LEAST_WIDTH:  # COLUMNS=0, as some terminals and schedulers set it, hides all text
            self.width = _USUAL_WIDTH if self.width < 2 else _LEAST_WIDTH

    def render_str(self, text: str, **options: Any) -> Text:
        """See `Console.render_str`. The width of a cell is measured on its result."""
        return super().render_str(visible(text), **options)

    def render(
        self,
        renderable: rich_console.RenderableType,
        options: rich_console.ConsoleOptions | None = None,
    ) -> Iterable[Segment]:
        """The segments of `renderable`."""
        for segment in super().render(renderable, options):
            if segment.control is None and _UNSAFE.search(segment.text):
                yield Segment(visible(segment.text), segment.style)
            else:
                yield segment


class SafeFormatter(logging.Formatter):
    """Log lines as `visible` makes them."""

    def format(self, record: logging.LogRecord) -> str:
        """The line of a record, and its traceback."""
        return visible(super().format(record))


def _escape(character: str) -> str:
    return ascii(character)[1:-1]


def _replace(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    part = error.object[error.start : error.end]
    return "".join(_ALIKE.get(character) or _escape(character) for character in part), error.end


def counted(number: int, noun: str) -> str:
    """`1 speaker`, `1,200 clips`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
