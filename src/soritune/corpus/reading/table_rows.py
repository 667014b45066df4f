"""Rows of a CSV file, one by one, with the line numbers that errors need.

The standard library's reader does the quoting. What it would do silently is mended here: a stray quotation
mark makes it swallow following lines into one cell; such a line is given back alone, the others are read.
"""

from __future__ import annotations

import csv
import re
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from soritune.corpus.reading.folder_walk import is_audio
from soritune.corpus.reading.text_encoding import EncodingError, codec_of, detect_encoding
from soritune.errors import ManifestError
from soritune.korean.hangul import composed

DELIMITERS = (",", ";", "\t", "|")
_LONGEST = 200
"""Signs kept of each cell of a line that is no CSV."""


@dataclass(frozen=True, slots=True)
class TableRow:
    """One row. `fault` says what is wrong with it; then `cells` are whatever could be made out."""

    line: int
    cells: list[str]
    fault: str = ""


class _Lines(Iterator[str]):
    """Physical lines that can be put back."""

    def __init__(self, stream: Iterator[str]) -> None:
        self._stream, self._back = stream, deque[str]()
        self.taken: list[str] = []
        self.number = 0

    def __next__(self) -> str:
        line = self._back.popleft() if self._back else next(self._stream)
        self.taken.append(line)
        self.number += 1
        return line

    def put_back(self) -> None:
        """Gives back all lines taken since the last row but the first."""
        self._back.extendleft(reversed(self.taken[1:]))
        self.number -= len(self.taken) - 1
        del self.taken[1:]


class Table:
    """An open table: `header`, `delimiter`, and its rows by iteration.

    Args:
        path: The file.
        is_header: Whether a row holds the columns that are needed; decides between delimiters.
        delimiter: None tries comma, semicolon, tab and bar.
        encoding: None finds out.
        columns: The columns' names where the file has no header.

    Raises:
        ManifestError: it cannot be read or decoded, or it is empty.
    """

    def __init__(
        self,
        path: Path,
        is_header: Callable[[list[str]], bool],
        delimiter: str | None = None,
        encoding: str | None = None,
        columns: tuple[str, ...] = (),
    ) -> None:
        self.path, self._has_header = path, not columns
        try:
            self._encoding = codec_of(encoding) if encoding else detect_encoding(path)
            tried = {sign: self._first(sign) for sign in ((delimiter,) if delimiter else DELIMITERS)}
        except OSError as error:
            raise ManifestError(f"cannot be read ({error.strerror or error})", path=path) from error
        except (EncodingError, UnicodeError, LookupError) as error:
            told = str(error) if isinstance(error, EncodingError) else f"is not {encoding} text ({error})"
            raise ManifestError(told, path=path) from error
        if not any(tried.values()):
            raise ManifestError("is empty", path=path)
        fitting = [sign for sign, cells in tried.items() if columns or is_header(cells)]
        self.delimiter = max(fitting or tried, key=lambda sign: len(tried[sign]))
        self.header = list(columns) or [" ".join(cell.split()) for cell in tried[self.delimiter]]
        while self.header and not self.header[-1]:
            self.header.pop()

    def _lines(self) -> Iterator[str]:
        with self.path.open(encoding=self._encoding, newline="") as stream:
            for line in stream:
                yield line.replace("\0", "")

    def _first(self, delimiter: str) -> list[str]:
        """The cells of the first row that is not empty."""
        lines = _Lines(self._lines())
        while True:
            lines.taken.clear()
            try:
                cells, _ = _record(lines, delimiter, 0)
            except StopIteration:
                return []
            if any(cells):
                return cells

    def __iter__(self) -> Iterator[TableRow]:
        """All rows that are not empty.

        Raises:
            ManifestError: the file stops being text in the encoding that was asked for.
        """
        try:
            yield from self._rows(_Lines(self._lines()))
        except UnicodeError as error:
            raise ManifestError(f"is not {self._encoding} text ({error})", path=self.path) from error

    def _rows(self, lines: _Lines) -> Iterator[TableRow]:
        waiting = self._has_header
        while True:
            lines.taken.clear()
            start = lines.number + 1
            try:
                cells, fault = _record(lines, self.delimiter, len(self.header))
            except StopIteration:
                return
            if not any(cells):
                continue
            if waiting:
                waiting = False
                continue
            while len(cells) > len(self.header) and not cells[-1]:
                cells.pop()
            if len(cells) != len(self.header) and not fault:
                fault = f"has {_count(len(cells))}, the header has {len(self.header)}"
            yield TableRow(start, cells, fault)


def _record(lines: _Lines, delimiter: str, columns: int) -> tuple[list[str], str]:
    """The cells of the next row, and what is wrong with it: then of its first line only, the others are put back.

    Args:
        lines: The lines that are left.
        delimiter: Between cells.
        columns: How many cells a row should have; 0 where that is not known.

    Raises:
        StopIteration: no line is left.
    """
    try:
        cells = next(csv.reader(lines, delimiter=delimiter, strict=True))
    except csv.Error as error:
        if len(lines.taken) == 1 and "end of data" not in str(error):  # a mark in the wrong place stands
            return _lenient(lines.taken[0], delimiter, str(error))
    else:
        if len(lines.taken) == 1 or not (
            (columns and len(cells) != columns) or _swallowed(cells, delimiter, columns)
        ):
            return [composed(cell).strip() for cell in cells], ""
    lines.put_back()
    cells, _ = _lenient(lines.taken[0], delimiter, "")
    return cells, "a quotation mark opens here and is not closed in its line"


def _swallowed(cells: list[str], delimiter: str, columns: int) -> bool:
    """Whether a cell of several lines holds what looks like other rows: the name of a recording, or, where rows
    name none by its suffix, as many delimiters as a row has."""
    several = [cell for cell in cells if "\n" in cell or "\r" in cell]
    if any(is_audio(cell.strip()) for cell in cells):
        return any(
            is_audio(part.strip())
            for cell in several
            for part in re.split(rf'[{re.escape(delimiter)}"\r\n]', cell)
        )
    return columns > 1 and any(
        line.count(delimiter) >= columns - 1 for cell in several for line in cell.splitlines()
    )


def _lenient(line: str, delimiter: str, fault: str) -> tuple[list[str], str]:
    """The cells of one line whatever its quotation marks, and why it has none."""
    try:
        return [composed(cell).strip() for cell in next(csv.reader([line], delimiter=delimiter), [])], ""
    except csv.Error:
        cells = [composed(cell).strip()[:_LONGEST] for cell in line.split(delimiter)]
        return cells, f"is no CSV ({fault})"


def _count(cells: int) -> str:
    return "1 cell" if cells == 1 else f"{cells} cells"
