"""Rows of a CSV file, one by one, with the line numbers that errors need.

The standard library's reader does the quoting. What it would do silently is mended here: a stray quotation
mark makes it swallow all following lines into one cell; such a line is given back alone, the others are read.
"""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from soritune.corpus.folder_walk import composed, is_audio
from soritune.corpus.text_encoding import EncodingError, detect_encoding
from soritune.errors import ManifestError

DELIMITERS = (",", ";", "\t", "|")


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
            self._encoding = encoding or detect_encoding(path)
            first = next((row for row in self._lines() if row.strip()), None)
        except OSError as error:
            raise ManifestError(f"cannot be read ({error.strerror or error})", path=path) from error
        except (EncodingError, UnicodeError, LookupError) as error:
            told = str(error) if isinstance(error, EncodingError) else f"is not {encoding} text ({error})"
            raise ManifestError(told, path=path) from error
        if first is None:
            raise ManifestError("is empty", path=path)
        if delimiter is None:
            tried = {sign: _cells([first], sign) for sign in DELIMITERS}
            fitting = [sign for sign, cells in tried.items() if columns or is_header(cells)]
            delimiter = max(fitting or DELIMITERS, key=lambda sign: len(tried[sign]))
        self.delimiter = delimiter
        self.header = list(columns) if columns else _cells([first], delimiter)
        while self.header and not self.header[-1]:
            self.header.pop()

    def _lines(self) -> Iterator[str]:
        with self.path.open(encoding=self._encoding, newline="") as stream:
            for line in stream:
                yield line.replace("\0", "")

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
            fault = ""
            try:
                cells = next(csv.reader(lines, delimiter=self.delimiter))
            except StopIteration:
                return
            except csv.Error as error:
                cells, fault = _cells(lines.taken[:1], self.delimiter), f"is no CSV ({error})"
                lines.put_back()
            cells = [composed(cell).strip() for cell in cells]
            if not any(cells):
                continue
            if waiting:
                waiting = False
                continue
            while len(cells) > len(self.header) and not cells[-1]:
                cells.pop()
            if len(lines.taken) > 1 and (len(cells) != len(self.header) or self._swallowed(lines.taken)):
                fault = "a quotation mark opens here and is not closed in its line"
                cells = _cells(lines.taken[:1], self.delimiter)
                lines.put_back()
            elif len(cells) != len(self.header) and not fault:
                fault = f"has {_count(len(cells))}, the header has {len(self.header)}"
            yield TableRow(start, cells, fault)

    def _swallowed(self, taken: list[str]) -> bool:
        """Whether a line after the first is a row of its own."""
        rows = (_cells([line], self.delimiter) for line in taken[1:])
        return any(len(row) == len(self.header) and any(map(is_audio, row)) for row in rows)


def _cells(lines: list[str], delimiter: str) -> list[str]:
    try:
        return [composed(cell).strip() for cell in next(csv.reader(lines, delimiter=delimiter), [])]
    except csv.Error:
        return [lines[0].strip()]


def _count(cells: int) -> str:
    return "1 cell" if cells == 1 else f"{cells} cells"
