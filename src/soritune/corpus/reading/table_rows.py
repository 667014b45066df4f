"""Rows of a CSV file, one by one, with the line numbers that errors need.

The standard library's reader handles quotation marks. One thing that it does silently is undone here: a stray quotation
mark makes it swallow the following lines into one cell. Such a line is a fault by itself, and the others are read.
Tables without quoting, in which quotation marks are text, and delimiters of several characters are split as they are.
"""

from __future__ import annotations

import csv
import re
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Literal

from soritune.corpus.reading.folder_walk import is_audio
from soritune.corpus.reading.text_encoding import EncodingError, codec_of, detect_encoding
from soritune.errors import ManifestError, reason_of
from soritune.korean.hangul import composed

DELIMITERS = (",", ";", "\t", "|", "::", "||")
Quoting = Literal["auto", "standard", "none"]
"""Whether quotation marks enclose cells or are text; `auto` decides by the table."""
_SAMPLE = 100
"""Rows by which a delimiter is chosen."""
_ENOUGH = 20
"""Rows with marks in wrong places after which no more are looked for."""
_SEP = re.compile(r'\ufeff?"?sep=([^\r\n"]+)"?\s*')
"""First line that Excel reads as the delimiter."""
_LONGEST = 200
"""Characters kept of each cell of a line that is not CSV."""


@dataclass(frozen=True, slots=True)
class TableRow:
    """One row. If it has a fault, `cells` are those that could be recognised."""

    line: int
    cells: list[str]
    fault: str = ""
    """Why it cannot be read; empty if it can."""
    fault_kind: str = ""


class _Lines(Iterator[str]):
    """Physical lines that can be put back. `taken` are those of the present row; `ended`, whether it met the end."""

    def __init__(self, stream: Iterator[str]) -> None:
        self._stream, self._back = stream, deque[str]()
        self.taken: list[str] = []
        self.number = 0
        self.ended = False

    def __next__(self) -> str:
        try:
            line = self._back.popleft() if self._back else next(self._stream)
        except StopIteration:
            self.ended = True
            raise
        self.taken.append(line)
        self.number += 1
        return line

    def start_row(self) -> None:
        """Forgets the lines of the row before."""
        self.taken.clear()
        self.ended = False

    def put_back(self) -> None:
        """Puts all lines of the present row but the first back into the stream."""
        self._back.extendleft(reversed(self.taken[1:]))
        self.number -= len(self.taken) - 1
        del self.taken[1:]


class Table:
    """An open table: `header`, `delimiter`, and its rows by iteration.

    Args:
        path: The file.
        is_header: Whether a row has the columns that are needed; decides between delimiters.
        delimiter: None takes a line `sep=;` at the top, or the one of comma, semicolon, tab, bar, `::` and `||` that
            fits header and rows best.
        encoding: None detects it.
        columns: Names of the columns if the file has no header.
        quoting: Whether quotation marks enclose cells.

    Raises:
        ManifestError: the file cannot be read or decoded, or it is empty.
    """

    def __init__(
        self,
        path: Path,
        is_header: Callable[[list[str]], bool],
        delimiter: str | None = None,
        encoding: str | None = None,
        columns: tuple[str, ...] = (),
        quoting: Quoting = "auto",
    ) -> None:
        self.path, self._has_header, self._skipped = path, not columns, 0
        self._quoted = quoting != "none"
        try:
            self._encoding = codec_of(encoding) if encoding else detect_encoding(path)
            sep = _SEP.fullmatch(next(self._lines(), ""))
            self._skipped = 1 if sep else 0
            signs = (delimiter,) if delimiter else (sep[1],) if sep else DELIMITERS
            samples = {sign: list(islice(self._cells(sign), _SAMPLE)) for sign in signs}
        except OSError as error:
            raise ManifestError(f"cannot be read ({reason_of(error)})", path=path) from error
        except (EncodingError, UnicodeError, LookupError) as error:
            reason = str(error) if isinstance(error, EncodingError) else f"is not {encoding} text"
            raise ManifestError(reason, path=path) from error
        if not any(samples.values()):
            raise ManifestError("is empty", path=path)
        fitting = [sign for sign, rows in samples.items() if columns or is_header(rows[0])]
        self.delimiter = max(fitting or samples, key=lambda sign: _fit(samples[sign], len(columns)))
        self.header = list(columns) or [" ".join(cell.split()) for cell in samples[self.delimiter][0]]
        while self.header and not self.header[-1]:
            self.header.pop()
        if quoting == "auto" and self.delimiter not in (",", ";"):
            self._quoted = not self._quotes_are_text()

    def _lines(self) -> Iterator[str]:
        with self.path.open(encoding=self._encoding, newline="") as stream:
            for line in islice(stream, self._skipped, None):
                yield line.replace("\0", "")

    def _cells(self, delimiter: str) -> Iterator[list[str]]:
        """The cells of all rows that are not empty."""
        lines = _Lines(self._lines())
        while True:
            lines.start_row()
            try:
                cells, _, _ = _record(lines, delimiter, 0, quoted=self._quoted)
            except StopIteration:
                return
            if any(cells):
                yield cells

    def _quotes_are_text(self) -> bool:
        """Whether marks are in places where no writer of quoted tables puts them, and no cell needs its marks."""
        if len(self.delimiter) > 1:
            return True
        lines, odd = _Lines(self._lines()), 0
        while odd < _ENOUGH:
            lines.start_row()
            try:
                cells = next(csv.reader(lines, delimiter=self.delimiter, strict=True))
            except StopIteration:
                break
            except csv.Error:
                cells = []
            raw = "".join(lines.taken)
            if '"' not in raw:
                continue
            if len(lines.taken) > 1 and (
                len(cells) != len(self.header) or _swallowed_rows(cells, self.delimiter, len(self.header))
            ):
                cells = []
            if not cells:
                odd += 1
                lines.put_back()
            elif any(_needs_quotes(cell, self.delimiter, raw) for cell in cells):
                return False
        return odd > 0

    def __iter__(self) -> Iterator[TableRow]:
        """All rows that are not empty.

        Raises:
            ManifestError: the file contains bytes that are not text in the encoding of the settings.
        """
        try:
            yield from self._rows(_Lines(self._lines()))
        except UnicodeError as error:
            raise ManifestError(f"is not {self._encoding} text", path=self.path) from error

    def _rows(self, lines: _Lines) -> Iterator[TableRow]:
        header_is_next = self._has_header
        while True:
            lines.start_row()
            start = lines.number + 1 + self._skipped
            try:
                cells, fault, kind = _record(lines, self.delimiter, len(self.header), quoted=self._quoted)
            except StopIteration:
                return
            if not any(cells):
                continue
            if header_is_next:
                header_is_next = False
                continue
            while len(cells) > len(self.header) and not cells[-1]:
                cells.pop()
            if len(cells) != len(self.header) and not fault:
                expected = f"the header has {len(self.header)}"
                if not self._has_header:
                    expected = f"columns names {len(self.header)}"
                fault = f"has {_cell_count(len(cells))}, {expected} (split at delimiter={self.delimiter!r})"
                kind = "row-length"
            yield TableRow(start, cells, fault, kind)


def _fit(rows: list[list[str]], columns: int) -> tuple[bool, bool, float, int]:
    """How well a delimiter fits, from the first rows that it gives; the greatest is the best.

    Args:
        rows: The cells of the first rows, the header among them unless `columns` is given.
        columns: The number of columns of a table without a header.
    """
    if not rows:
        return False, False, 0.0, 0
    expected = columns or len(rows[0])
    same = sum(len(row) == expected for row in rows) / len(rows)
    if columns:
        return True, True, same, len(rows[0])
    return len(rows[0]) > 1, all(rows[0][:-1]), same, len(rows[0])


def _needs_quotes(cell: str, delimiter: str, raw: str) -> bool:
    """Whether a cell of a row could not have been written without quotation marks around it."""
    doubled = cell.replace('"', '""')
    return delimiter in cell or "\n" in cell or "\r" in cell or (doubled != cell and f'"{doubled}"' in raw)


def _record(lines: _Lines, delimiter: str, columns: int, *, quoted: bool) -> tuple[list[str], str, str]:
    """The cells of the next row, and its fault with the fault's kind.

    If a quotation mark is not closed, the cells are those of the first line, and the other lines are put back.

    Args:
        lines: The remaining lines.
        delimiter: Between cells.
        columns: How many cells a row should have; 0 if that is not known.
        quoted: Whether quotation marks enclose cells.

    Raises:
        StopIteration: no line is left.
    """
    if not quoted or len(delimiter) > 1:
        return [composed(cell).strip() for cell in next(lines).split(delimiter)], "", ""
    try:
        cells = next(csv.reader(lines, delimiter=delimiter, strict=True))
    except csv.Error as error:
        if (
            len(lines.taken) == 1 and not lines.ended
        ):  # a mark in the wrong place, not one that is never closed
            return _lenient(lines.taken[0], delimiter, columns, str(error))
    else:
        if len(lines.taken) == 1 or not (
            (columns and len(cells) != columns) or _swallowed_rows(cells, delimiter, columns)
        ):
            return [composed(cell).strip() for cell in cells], "", ""
    lines.put_back()
    cells, _, _ = _lenient(lines.taken[0], delimiter, 0, "")
    return (
        cells,
        "a quotation mark opens here and is not closed in its line; if such marks are text, set quoting=none",
        "row-quotation",
    )


def _swallowed_rows(cells: list[str], delimiter: str, columns: int) -> bool:
    """Whether a cell of several lines seems to contain other rows.

    Other rows are recognised by the name of a recording; if the present row has no such name, by a line with as many
    delimiters as a row.
    """
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


def _lenient(line: str, delimiter: str, columns: int, fault: str) -> tuple[list[str], str, str]:
    """The cells of one line with quotation marks in any place; its fault and the fault's kind if it has no cells.

    If the line has the right number of delimiters, marks that do not enclose a cell are text.
    """
    if columns and line.count(delimiter) == columns - 1 and len(line) < csv.field_size_limit():
        cells = [composed(cell).strip() for cell in line.split(delimiter)]
        return [cell[1:-1] if re.fullmatch(r'"[^"]*"', cell) else cell for cell in cells], "", ""
    try:
        return [composed(cell).strip() for cell in next(csv.reader([line], delimiter=delimiter), [])], "", ""
    except csv.Error:
        cells = [composed(cell).strip()[:_LONGEST] for cell in line.split(delimiter)]
        return cells, f"is not CSV ({fault})", "row-not-csv"


def _cell_count(cells: int) -> str:
    return "1 cell" if cells == 1 else f"{cells} cells"
