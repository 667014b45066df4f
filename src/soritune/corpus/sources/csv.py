"""Tables with one row per recording: CSV with a header such as `file_path,emotion`, or with any columns.

Comma, semicolon, tab or bar; UTF-8, UTF-16 with a byte order mark, or CP949 as Korean Excel writes it. Paths
start from the table's own folder or `audio_root`. Columns are found by their names, in any case and spacing; columns
that no field uses are kept in `extra`.

Known faults of such tables, each reported by line in quarantine: rows with too few or too many cells, the same file
listed twice with different values in any column, quotation marks that are never closed. Rows that repeat one another
are read once and counted; so is a recording that several splits list.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import Field, field_validator

from soritune.corpus.reading.audio_paths import AudioFinder
from soritune.corpus.reading.field_mapping import FieldValueError
from soritune.corpus.reading.given_files import (
    add_split,
    existing_files,
    folder_above,
    folder_of,
    named_paths,
)
from soritune.corpus.reading.outcomes import Note, Outcome, Rejected
from soritune.corpus.reading.repeated_recordings import Contradiction, ListedRecordings, content_of
from soritune.corpus.reading.split_names import split_of_file
from soritune.corpus.reading.table_columns import Columns, find_columns, is_header, lookalikes
from soritune.corpus.reading.table_rows import Quoting, Table, TableRow
from soritune.corpus.reading.value_reader import ReaderConfig, ValueReader, check_fields
from soritune.corpus.sources.source import Source, Survey
from soritune.corpus.utterance import Utterance
from soritune.errors import ManifestError
from soritune.korean.hangul import composed

_SUFFIXES = (".csv", ".tsv")


class CsvConfig(ReaderConfig):
    """Which tables, and the names of their columns."""

    files: tuple[str, ...] = ()
    """Tables, absolute or below ROOT. Empty: ROOT itself, or the one .csv or .tsv in it, or several named
    after splits (train.csv, val.csv, test.csv)."""
    fields: dict[str, str] = Field(default_factory=dict)
    """Utterance field (or `end_s`) → the column from which it is read, as in {emotion: 감정, speaker: 화자}."""
    columns: tuple[str, ...] = ()
    """Names of the columns of a table without a header, in order."""
    delimiter: str | None = Field(None, min_length=1)
    """Text between cells, as ";" or " :: "; None detects comma, semicolon, tab, bar, "::", "||" and a line `sep=;`."""
    quoting: Quoting = "auto"
    """Whether quotation marks enclose cells (`standard`) or are text (`none`). `auto`: they enclose cells, except in
    tables with tabs, bars or long delimiters where they are in other places."""
    encoding: str | None = None
    """None tries UTF-8, UTF-16 with a byte order mark, and CP949."""
    audio_root: str | None = None
    """Where relative paths start, absolute or below ROOT; None: the table's own folder."""
    drop_prefix: str = ""
    """Beginning of the written paths to be cut off, as in `C:\\data\\corpus`."""
    speaker_pattern: str | None = None
    """Regular expression searched for in a path; its named groups (`speaker` and other utterance fields) fill
    fields that no column gives."""
    language: str | None = "ko"
    """Language of rows without one."""

    @field_validator("delimiter")
    @classmethod
    def _tab(cls, given: str | None) -> str | None:
        return "\t" if given == "\\t" else given

    @field_validator("fields")
    @classmethod
    def _fields_known(cls, given: dict[str, str]) -> dict[str, str]:
        check_fields(given)
        return given

    @field_validator("speaker_pattern")
    @classmethod
    def _compiles(cls, pattern: str | None) -> str | None:
        if pattern is not None:
            try:
                check_fields(re.compile(pattern).groupindex)
            except re.error as error:
                raise ValueError(f"speaker_pattern is not a regular expression: {error}") from error
            if not re.compile(pattern).groupindex:
                raise ValueError("speaker_pattern has no named group, such as (?P<speaker>[^/]+)")
        return pattern


def read_corpus(root: Path, config: CsvConfig) -> Iterator[Outcome]:
    """Yields the rows of all tables in order. Rows that contradict each other come last.

    Raises:
        ManifestError: no table, one that cannot be read, or one without a column for the audio.
    """
    base, files = _base(root, config), _files(root, config)
    contents: dict[str, int] = {}
    contradictions: dict[str, Contradiction] = {}
    for _, outcome in _rows(files, base, config):
        if isinstance(outcome, Utterance):
            content = content_of(outcome)
            if contents.setdefault(outcome.id, content) != content:
                contradictions[outcome.id] = Contradiction()
    config._missing.clear()
    listed = ListedRecordings("row")
    for location, outcome in _rows(files, base, config):
        if not isinstance(outcome, Utterance):
            yield outcome
        elif outcome.id in contradictions:
            contradictions[outcome.id].add(location, outcome)
        else:
            yield from listed.outcomes(outcome, 0, location=location, example=f"{location}: {outcome.audio}")
    if not contents and not any(True for file in files for _ in _table(file, config)):
        raise ManifestError("has a header and no rows", path=files[0])
    for contradiction in contradictions.values():
        yield from contradiction.rejections()


def _rows(files: list[Path], base: Path, config: CsvConfig) -> Iterator[tuple[str, Outcome]]:
    """File and line of every row, and what the row becomes by itself."""
    for file in files:
        table = _table(file, config)
        columns = find_columns(table, config.fields)
        for field, others in lookalikes(table, columns).items():
            used = table.header[columns.of_field[field]]
            reason = f"{field} is read from the column '{used}', and not from '{', '.join(others)}'"
            yield file.name, Note(reason, 1, file.name, kind=f"columns-alike:{field}")
        audio_root = file.parent if config.audio_root is None else base
        reader = _RowReader(
            file,
            columns,
            AudioFinder([audio_root], base, config.drop_prefix, config._matched),
            ValueReader.of(config, composed(file.parent.resolve().name), config.language),
            config.speaker_pattern,
        )
        for row in table:
            yield reader.location(row), reader.read(row)


@dataclass(frozen=True)
class _RowReader:
    """Turns the rows of one table into utterances."""

    file: Path
    columns: Columns
    finder: AudioFinder
    values: ValueReader
    speaker_pattern: str | None

    def location(self, row: TableRow) -> str:
        """File and line, for messages."""
        return f"{self.file.name} line {row.line}"

    def read(self, row: TableRow) -> Outcome:
        """The utterance of a row, or why the row is rejected."""
        index = self.columns.of_field["audio"]
        written = row.cells[index] if index < len(row.cells) else ""
        if row.fault:
            return Rejected(
                written or self.file.name, f"{self.location(row)}: {row.fault}", kind=row.fault_kind
            )
        if not written:
            return Rejected(
                self.file.name, f"{self.location(row)}: names no audio file", kind="audio-unnamed"
            )
        audio = self.finder.find(written) or self.finder.expected(written)
        given: dict[str, Any] = {
            name: row.cells[index] for name, index in self.columns.of_field.items() if name != "audio"
        }
        extra = {name: row.cells[index] for name, index in self.columns.others.items() if row.cells[index]}
        add_split(extra, self.file)
        if self.speaker_pattern is not None:
            match = re.search(self.speaker_pattern, composed(written.replace("\\", "/")))
            if match:
                self.values.matched.add(("speaker_pattern", ""))
            for name, value in match.groupdict().items() if match else ():
                given[name] = given.get(name) or value
        try:
            return self.values.utterance(given, name=composed(audio), audio=audio, extra=extra)
        except FieldValueError as error:
            return Rejected(written, f"{self.location(row)}: {error}", composed(audio), kind=error.kind)


def _table(file: Path, config: CsvConfig) -> Table:
    return Table(
        file,
        partial(is_header, mapped=config.fields),
        config.delimiter,
        config.encoding,
        config.columns,
        config.quoting,
    )


def _files(root: Path, config: CsvConfig) -> list[Path]:
    if config.files or not root.is_dir():
        return existing_files(named_paths(root, config.files))
    tables = sorted(
        path for path in root.iterdir() if path.suffix.lower() in _SUFFIXES and not path.name.startswith(".")
    )
    if len(tables) > 1 and not all(split_of_file(path.stem) for path in tables):
        names = ", ".join(path.name for path in tables[:5])
        raise ManifestError(
            f"holds several tables ({names}); give the table itself, as in `soritune sources preview auto "
            f"{shlex.quote(str(tables[0]))}`, or name it with files=[NAME]",
            path=root,
        )
    if not tables:
        raise ManifestError(
            "holds no .csv or .tsv; name the table itself (a workbook must be saved as CSV first)",
            path=root,
        )
    return existing_files(tables)


def _base(root: Path, config: CsvConfig) -> Path:
    if config.audio_root is not None:
        return (folder_of(root) / config.audio_root).absolute()
    return folder_above(_files(root, config))


def survey(root: Path, config: CsvConfig, limit: int) -> Survey:
    """The columns of the tables, with the first value of each."""
    examples: dict[str, Any] = {}
    used: dict[str, str] = {}
    looked_at = 0
    for file in _files(root, config):
        table = _table(file, config)
        columns = find_columns(table, config.fields, strict=False)
        names = dict(enumerate(table.header))
        used |= dict.fromkeys(columns.others, "extra")
        used |= {names[index]: field for field, index in columns.of_field.items()}
        examples = {**dict.fromkeys((name for name in table.header if name), ""), **examples}
        for row in table:
            looked_at += 1
            for name, cell in zip(table.header, row.cells, strict=False):
                if name and not examples[name]:
                    examples[name] = cell
            if looked_at >= limit:
                break
    return Survey(looked_at, examples, used)


SOURCE = Source(
    CsvConfig,
    read_corpus,
    "a CSV table, file_path,emotion or any columns, in any usual encoding",
    _base,
    survey,
)
