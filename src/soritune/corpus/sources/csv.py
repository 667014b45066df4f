"""Tables with one row per recording: CSV with a header such as `file_path,emotion`, or with any columns.

Comma, semicolon, tab or bar; UTF-8, UTF-16 with a byte order mark, or CP949 as Korean Excel writes it. Paths
start from the table's own folder or `audio_root`. Columns are found by their names, whatever their case and
spaces; columns that no field uses are kept in `extra`.

Known faults of such tables, all told line by line in quarantine: rows with too few or too many cells, the
same file twice with different values in any column, quotation marks that are never closed. Rows that repeat one
another are read once and counted; so is a recording that several splits list.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from operator import attrgetter
from pathlib import Path
from typing import Any

from pydantic import Field, field_validator

from soritune.corpus.reading.audio_paths import AudioFinder
from soritune.corpus.reading.field_mapping import FieldValueError
from soritune.corpus.reading.items import (
    Item,
    Note,
    Rejected,
    Skipped,
    shortened,
)
from soritune.corpus.reading.loose_values import END, MAPPABLE, LooseConfig, ValueReader, check_fields
from soritune.corpus.reading.split_names import split_of_file
from soritune.corpus.reading.table_rows import Table, TableRow
from soritune.corpus.sources.source import Source, Survey
from soritune.corpus.utterance import FIELDS, Utterance
from soritune.errors import ManifestError, nearest
from soritune.korean.hangul import composed

ALIASES = {
    "audio": ("file_path", "path", "audio", "wav", "filename", "file", "audio_path", "wav_path"),
    "emotion": ("emotion", "label"),
    "start_s": ("start_s", "start"),
    "duration_s": ("duration_s", "duration"),
    END: (END, "end"),
}
"""Utterance field → names of its column in order of preference; other fields are looked for by their own
name. `id` is read only when `fields` says so: columns of that name are as often row numbers."""
_SUFFIXES = (".csv", ".tsv")
_TOLD = 3
_OWN = tuple(name for name in FIELDS if name != "extra")
_own = attrgetter(*_OWN)


class CsvConfig(LooseConfig):
    """Which tables, and what their columns are called."""

    files: tuple[str, ...] = ()
    """Tables, absolute or below ROOT. Empty: ROOT itself, or the one .csv or .tsv in it, or several named
    after splits (train.csv, val.csv, test.csv)."""
    fields: dict[str, str] = Field(default_factory=dict)
    """Utterance field (or `end_s`) → the column it is read from, as in {emotion: 감정, speaker: 화자}."""
    columns: tuple[str, ...] = ()
    """Names of the columns of a table without a header, in order."""
    delimiter: str | None = Field(None, min_length=1, max_length=1)
    """One sign; None finds out whether it is a comma, semicolon, tab or bar."""
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
    """Language of rows that name none."""

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
                raise ValueError(f"speaker_pattern is no regular expression: {error}") from error
            if not re.compile(pattern).groupindex:
                raise ValueError("speaker_pattern has no named group, such as (?P<speaker>[^/]+)")
        return pattern


@dataclass(frozen=True)
class _Columns:
    """Where the fields of a table are."""

    of_field: Mapping[str, int]
    rest: Mapping[str, int]
    """Column → its place, for those that no field uses."""


def read_corpus(root: Path, config: CsvConfig) -> Iterator[Item]:
    """Yields the rows of all tables in order; those that contradict each other come last.

    Raises:
        ManifestError: no table, one that cannot be read, or one without a column for the audio.
    """
    base, files = _base(root, config), _files(root, config)
    once: dict[str, int] = {}
    clashing: dict[str, _Clash] = {}
    for _, _, item in _items(files, base, config):
        if isinstance(item, Utterance) and once.setdefault(item.id, _content(item)) != _content(item):
            clashing[item.id] = _Clash()
    seen: dict[str, tuple[str | None, ...]] = {}
    for file, row, item in _items(files, base, config):
        if not isinstance(item, Utterance):
            yield item
            continue
        split, splits = item.extra.get("split"), seen.get(item.id, ())
        if item.id in clashing:
            clashing[item.id].add(f"{file.name} line {row.line}", item)
        elif split in splits:
            yield Skipped("row repeated", 1, f"{file.name} line {row.line}: {item.audio}")
        else:
            seen[item.id] = (*splits, split)
            if splits:
                told = ", ".join(map(str, seen[item.id]))
                yield Note(f"recording in several splits (kept in each: {told})", 1, item.audio)
                item = replace(item, id=f"{item.id}#{split or len(seen[item.id])}")
            yield item
    if not once and not any(True for file in files for _ in _table(file, config)):
        raise ManifestError("has a header and no rows", path=files[0])
    for clash in clashing.values():
        yield from clash.told()


def _items(files: list[Path], base: Path, config: CsvConfig) -> Iterator[tuple[Path, TableRow, Item]]:
    for file in files:
        table = _table(file, config)
        columns = _columns(table, config)
        finder = AudioFinder([_audio_root(file, base, config)], base, config.drop_prefix)
        source = composed(file.parent.resolve().name)
        reader = ValueReader.of(config, source, config.language)
        for row in table:
            yield file, row, _found(row, file, columns, finder, reader, config)


def _found(
    row: TableRow, file: Path, columns: _Columns, finder: AudioFinder, reader: ValueReader, config: CsvConfig
) -> Item:
    place, where = f"{file.name} line {row.line}", columns.of_field["audio"]
    written = row.cells[where] if where < len(row.cells) else ""
    if row.fault or not written:
        return Rejected(written or file.name, f"{place}: {row.fault or 'names no audio file'}")
    audio = finder.find(written) or finder.expected(written)
    given: dict[str, Any] = {name: row.cells[at] for name, at in columns.of_field.items() if name != "audio"}
    extra = {name: row.cells[at] for name, at in columns.rest.items() if row.cells[at]}
    if (split := split_of_file(file.stem)) is not None:
        extra.setdefault("split", split)
    if config.speaker_pattern is not None:
        match = re.search(config.speaker_pattern, composed(written.replace("\\", "/")))
        for name, value in match.groupdict().items() if match else ():
            given[name] = given.get(name) or value
    try:
        return reader.utterance(given, name=composed(audio), audio=audio, extra=extra)
    except FieldValueError as error:
        return Rejected(written, f"{place}: {error}", composed(audio))


@dataclass
class _Clash:
    """Rows of one recording that say different things; of very many only a few are told."""

    rows: list[tuple[str, str]] = field(default_factory=list)
    """(audio, id) of each."""
    places: list[str] = field(default_factory=list)
    values: dict[str, dict[str, None]] = field(default_factory=dict)
    filled: Counter[str] = field(default_factory=Counter)

    def add(self, place: str, item: Utterance) -> None:
        self.rows.append((item.audio, item.id))
        if len(self.places) < _TOLD:
            self.places.append(place)
        for name, value in _values(item):
            known = self.values.setdefault(name, {})
            self.filled[name] += 1
            if len(known) <= _TOLD:
                known[shortened(str(value), 30)] = None

    def told(self) -> Iterator[Rejected]:
        differing = {
            name: [*values, *(["nothing"] if self.filled[name] < len(self.rows) else [])]
            for name, values in self.values.items()
            if len(values) > 1 or self.filled[name] < len(self.rows)
        }
        told = ", ".join(
            f"{name} {' and '.join(values[:_TOLD])}{' …' if len(values) > _TOLD else ''}"
            for name, values in differing.items()
        )
        more = f" and {len(self.rows) - _TOLD} more" if len(self.rows) > _TOLD else ""
        reason = f"{', '.join(self.places)}{more}: listed with different values: {told}"
        if all(name.startswith("'") for name in differing):
            reason += "; if they are stretches of one recording, map start_s and end_s"
        for audio, name in self.rows:
            yield Rejected(audio, reason, name)


def _values(item: Utterance) -> Iterator[tuple[str, Any]]:
    """All values of a row but its split, the table's other columns in quotation marks."""
    yield from zip(_OWN, _own(item), strict=True)
    yield from ((f"'{name}'", value) for name, value in item.extra.items() if name != "split")


def _content(item: Utterance) -> int:
    return hash((_own(item), frozenset(pair for pair in item.extra.items() if pair[0] != "split")))


def _columns(table: Table, config: CsvConfig, *, strict: bool = True) -> _Columns:
    """Finds every field's column; unless `strict`, those that are there.

    Raises:
        ManifestError: a column that `fields` names, or one for the audio, is not there; or it is there twice.
    """
    names = [_plain(name) for name in table.header]
    of_field: dict[str, int] = {}
    for key in MAPPABLE:
        asked = config.fields.get(key)
        if asked is None and key == "id":
            continue
        wanted = (asked,) if asked is not None else ALIASES.get(key, (key,))
        places = _places(table.header, names, wanted)
        if len(places) > 1 and strict:
            raise ManifestError(
                f"has {len(places)} columns called '{table.header[places[0]]}', so '{key}' cannot be read",
                path=table.path,
            )
        if places:
            of_field[key] = places[0]
        elif strict and (asked is not None or key == "audio"):
            raise ManifestError(_no_column(table, key, asked), path=table.path, field=key)
    taken = set(of_field.values())
    rest: dict[str, int] = {}
    counts: Counter[str] = Counter()
    for place, name in enumerate(table.header):
        if name and place not in taken:
            counts[name] += 1
            rest[name if counts[name] == 1 else f"{name} {counts[name]}"] = place
    return _Columns(of_field, rest)


def _places(header: list[str], plain: list[str], wanted: tuple[str, ...]) -> list[int]:
    for name in wanted:
        exact = [place for place, own in enumerate(header) if own == composed(name)]
        if exact or (exact := [place for place, own in enumerate(plain) if own == _plain(name)]):
            return exact
    return []


def _no_column(table: Table, field: str, asked: str | None) -> str:
    present = [name for name in table.header if name]
    if asked is None:
        asked = " or ".join(ALIASES.get(field, (field,))[:5])
    hint = nearest(asked, present)
    return (
        f"has no column {asked} (for '{field}'); there are: {', '.join(present) or 'none'}; "
        f"map another one with --field {field}={hint or 'NAME'}, or name them all with columns=[…] "
        "where the table has no header"
    )


def _plain(name: str) -> str:
    return re.sub(r"[\s_-]+", "", composed(name)).casefold()


def _table(file: Path, config: CsvConfig) -> Table:
    wanted = config.fields.get("audio")
    audio = {_plain(name) for name in ([wanted] if wanted else ALIASES["audio"])}
    return Table(
        file,
        lambda cells: any(_plain(cell) in audio for cell in cells),
        config.delimiter,
        config.encoding,
        config.columns,
    )


def _files(root: Path, config: CsvConfig) -> list[Path]:
    if config.files:
        found = [root / name if root.is_dir() else root.parent / name for name in config.files]
    elif root.is_dir():
        found = sorted(
            path
            for path in root.iterdir()
            if path.suffix.lower() in _SUFFIXES and not path.name.startswith(".")
        )
        if len(found) > 1 and not all(split_of_file(path.stem) for path in found):
            told = ", ".join(path.name for path in found[:5])
            raise ManifestError(f"holds several tables ({told}); say which with files=[NAME]", path=root)
        if not found:
            raise ManifestError(
                "holds no .csv or .tsv; name the table itself (a workbook must be saved as CSV first)",
                path=root,
            )
    else:
        found = [root]
    for path in found:
        if not path.is_file():
            raise ManifestError("is not a file" if path.exists() else "is not there", path=path)
    return found


def _base(root: Path, config: CsvConfig) -> Path:
    folder = root if root.is_dir() else root.parent
    if config.audio_root is not None:
        return (folder / config.audio_root).absolute()
    return Path(os.path.commonpath([file.absolute().parent for file in _files(root, config)]))


def _audio_root(file: Path, base: Path, config: CsvConfig) -> Path:
    return file.parent if config.audio_root is None else base


def survey(root: Path, config: CsvConfig, limit: int) -> Survey:
    """The columns of the tables, with the first value of each."""
    examples: dict[str, Any] = {}
    used: dict[str, str] = {}
    looked = 0
    for file in _files(root, config):
        table = _table(file, config)
        columns = _columns(table, config, strict=False)
        names = dict(enumerate(table.header))
        used |= dict.fromkeys(columns.rest, "extra")
        used |= {names[at]: field for field, at in columns.of_field.items()}
        examples = {**dict.fromkeys((name for name in table.header if name), ""), **examples}
        for row in table:
            looked += 1
            for name, cell in zip(table.header, row.cells, strict=False):
                if name and not examples[name]:
                    examples[name] = cell
            if looked >= limit:
                break
    return Survey(looked, examples, used)


SOURCE = Source(
    CsvConfig,
    read_corpus,
    "a CSV table, file_path,emotion or any columns, in any usual encoding",
    _base,
    survey,
)
