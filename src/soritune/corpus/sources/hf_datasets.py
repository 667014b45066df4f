"""Data sets of the Hugging Face library `datasets` on disk, without this library.

ROOT is a folder written by `save_to_disk` (one set, or several splits), a folder of Parquet files as on the hub
(`data/train-00000-of-00003.parquet`), or one such file. Columns with usual names are read (`text`, `sentence`,
`speaker_id`, `label` …), `fields` maps others; what no field reads goes to `extra`. Numbers of a label column become
their names. The split goes to `extra`.

A recording may be a path, or be inside the table: as a file, or as samples (`{"array": …, "sampling_rate": …}`). Those
inside are written, files unchanged and samples as WAV, to the folder `audio_folder`, which has to be set for such a
set; a recording that is already there with the same content is left unchanged.

Known faults of such sets: paths of the machine on which the set was made, recordings that were never embedded.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
from pydantic import Field, field_validator

from soritune.audio.files import SUFFIXES
from soritune.corpus.reading.arrow_dataset import Part, features_of, parts_of, rows_of, schema_of
from soritune.corpus.reading.audio_paths import AudioFinder
from soritune.corpus.reading.field_mapping import FieldValueError
from soritune.corpus.reading.given_files import folder_of
from soritune.corpus.reading.outcomes import Outcome, ReadingError, Rejected
from soritune.corpus.reading.sample_arrays import wav_of
from soritune.corpus.reading.split_names import GIVEN_NAMES
from soritune.corpus.reading.value_reader import MAPPABLE, ReaderConfig, ValueReader, check_fields
from soritune.corpus.sources.source import Source, Survey
from soritune.errors import ManifestError
from soritune.korean.hangul import composed
from soritune.whole_file import write_bytes

ALIASES = {
    "audio": ("audio", "speech", "file", "path", "audio_path"),
    "text": ("text", "sentence", "transcription", "transcript", "normalized_text"),
    "speaker": ("speaker", "speaker_id", "client_id", "spk_id"),
    "emotion": ("emotion", "label"),
    "language": ("language", "locale", "lang"),
}
"""Utterance field → usual columns in order of preference; any other field has a column of its own name."""
_MAGIC = {b"RIFF": ".wav", b"fLaC": ".flac", b"OggS": ".ogg", b"ID3": ".mp3", b"\xff\xfb": ".mp3"}


class HfDatasetsConfig(ReaderConfig):
    """Which columns, and where embedded recordings are written."""

    fields: dict[str, str] = Field(default_factory=dict)
    """Utterance field (or `end_s`) → column, as in {emotion: mood, id: file_id}."""
    splits: tuple[str, ...] = ()
    """Splits that are read, as in [train, test]; empty: all."""
    audio_folder: str | None = None
    """Folder to which recordings inside the table are written, absolute or below ROOT."""
    audio_root: str | None = None
    """Where relative paths start, absolute or below ROOT; None: ROOT."""
    drop_prefix: str = ""
    """Beginning of the written paths to be cut off."""
    language: str | None = "ko"
    """Language of rows without one."""

    @field_validator("fields")
    @classmethod
    def _fields_known(cls, given: dict[str, str]) -> dict[str, str]:
        check_fields(given)
        return given


def read_corpus(root: Path, config: HfDatasetsConfig) -> Iterator[Outcome]:
    """Yields the rows of all splits in order.

    Raises:
        ManifestError: no data set, a table that cannot be read, a split or column that does not exist.
    """
    home = folder_of(root)
    start = home if config.audio_root is None else home / config.audio_root
    for part in _parts(root, config):
        columns = find_columns(schema_of(part.files[0]), config.fields, part.files[0])
        reader = _RowReader(
            part.split,
            columns,
            AudioFinder([start], _base(root, config), config.drop_prefix, config._matched),
            ValueReader.of(config, composed(home.resolve().name), config.language),
            _base(root, config),
            None if config.audio_folder is None else home / config.audio_folder,
            config._matched,
        )
        index = 0
        for file in part.files:
            for row in rows_of(file):
                yield reader.read(row, index, f"{file.name} row {index}")
                index += 1


@dataclass(frozen=True)
class Columns:
    """What the columns of a table are."""

    of_field: Mapping[str, str]
    """Utterance field → column."""
    labels: Mapping[str, list[str]]
    """Column of label numbers → their names."""
    others: tuple[str, ...]
    """Columns for `extra`."""


def find_columns(schema: pa.Schema, mapped: Mapping[str, str], file: Path) -> Columns:
    """The columns of a table.

    Raises:
        ManifestError: a mapped column, or one for the audio, does not exist.
    """
    features = features_of(schema)
    kinds = {name: feature.get("_type") for name, feature in features.items() if isinstance(feature, dict)}
    of_field: dict[str, str] = {}
    for field in MAPPABLE:
        names = (mapped[field],) if field in mapped else ALIASES.get(field, (field,))
        if field == "audio" and field not in mapped:
            names = (*(name for name in schema.names if kinds.get(name) == "Audio"), *names)
        column = next((name for name in names if name in schema.names), None)
        if (
            field == "id"
            and field not in mapped
            and column
            and not pa.types.is_string(schema.field(column).type)
        ):
            continue
        if column is not None:
            of_field[field] = column
        elif field in mapped or field == "audio":
            there = ", ".join(schema.names)
            raise ManifestError(
                f"has no column '{names[0]}' (for '{field}'); there are: {there}; map one with --field {field}=NAME",
                path=file,
                field=field,
            )
    labels = {name: features[name]["names"] for name, kind in kinds.items() if kind == "ClassLabel"}
    used = set(of_field.values())
    audio = [name for name, kind in kinds.items() if kind == "Audio"]
    return Columns(of_field, labels, tuple(n for n in schema.names if n not in used and n not in audio))


@dataclass(frozen=True)
class _RowReader:
    """Turns the rows of one split into utterances."""

    split: str | None
    columns: Columns
    finder: AudioFinder
    values: ValueReader
    base: Path
    audio_folder: Path | None
    matched: set[tuple[str, str]]
    """Gets ("audio_folder", "") when a recording is written."""

    def read(self, row: Mapping[str, Any], index: int, location: str) -> Outcome:
        """The utterance of a row, or why it is rejected."""
        name = f"{self.split}-{index:07d}" if self.split else f"{index:07d}"
        try:
            given = {field: self._value(column, row) for field, column in self.columns.of_field.items()}
            audio = self._audio(given.pop("audio", None), name)
            extra = {column: self._value(column, row) for column in self.columns.others}
            extra = {column: value for column, value in extra.items() if value not in (None, "", [])}
            if self.split is not None:
                extra.setdefault("split", GIVEN_NAMES.get(self.split.lower(), self.split))
            return self.values.utterance(given, name=name, audio=audio, extra=extra)
        except FieldValueError as error:
            return Rejected(location, f"{location}: {error}", name, kind=error.kind)
        except ReadingError as error:
            return Rejected(location, f"{location}: {error}", name, kind=error.kind)

    def _value(self, column: str, row: Mapping[str, Any]) -> Any:
        value, names = row.get(column), self.columns.labels.get(column)
        if names is not None and isinstance(value, int):
            return names[value] if 0 <= value < len(names) else None
        if isinstance(value, bytes):
            raise ReadingError("field-type", f"the column '{column}' has bytes; map or drop it")
        return value

    def _audio(self, value: Any, name: str) -> str:
        """Path of a row's recording, which is written if it is inside the table.

        Raises:
            ReadingError: the row has no recording, or one that has to be written and no folder is set.
        """
        if isinstance(value, str):
            value = {"path": value}
        is_sampled = isinstance(value, Mapping) and "array" in value
        if not isinstance(value, Mapping) or not (value.get("path") or value.get("bytes") or is_sampled):
            raise ReadingError("audio-unnamed", "has no recording")
        content, path = wav_of(value) if is_sampled else value.get("bytes"), value.get("path") or ""
        if content is None:
            return self.finder.find(path) or self.finder.expected(path)
        if self.audio_folder is None:
            raise ReadingError(
                "audio-embedded",
                "its recording is inside the table; set audio_folder=FOLDER, to which such recordings are written",
            )
        self.matched.add(("audio_folder", ""))
        file = self.audio_folder / f"{_file_name(name, path, content, is_sampled=is_sampled)}"
        if not (file.is_file() and file.stat().st_size == len(content) and file.read_bytes() == content):
            write_bytes(file, content)
        absolute = os.path.abspath(file)
        base = os.path.abspath(self.base)
        return os.path.relpath(absolute, base) if absolute.startswith(base + os.sep) else absolute


def _file_name(name: str, path: str, content: bytes, *, is_sampled: bool = False) -> str:
    """The row's name, the stem of the path that the table gives, and a suffix of audio."""
    stem, suffix = os.path.splitext(path.replace("\\", "/").rsplit("/", 1)[-1])
    if is_sampled:
        suffix = ".wav"
    if suffix.lower() not in SUFFIXES:
        suffix = next((kind for magic, kind in _MAGIC.items() if content.startswith(magic)), ".wav")
    plain = re.sub(r"[^\w.-]+", "_", composed(stem))[:80]
    return f"{name}-{plain}{suffix}" if plain else f"{name}{suffix}"


def _parts(root: Path, config: HfDatasetsConfig) -> list[Part]:
    parts = parts_of(root)
    known = [part.split for part in parts]
    for name in config.splits:
        if name not in known:
            shown = ", ".join(str(split) for split in known)
            raise ManifestError(f"has no split '{name}'; there are: {shown}", path=root)
    return [part for part in parts if not config.splits or part.split in config.splits]


def _base(root: Path, config: HfDatasetsConfig) -> Path:
    home = folder_of(root).absolute()
    return home if config.audio_root is None else home / config.audio_root


def survey(root: Path, config: HfDatasetsConfig, limit: int) -> Survey:
    """The columns of the first table, with the first value of each."""
    file = _parts(root, config)[0].files[0]
    schema = schema_of(file)
    columns = find_columns(schema, {k: v for k, v in config.fields.items() if v in schema.names}, file)
    examples: dict[str, Any] = dict.fromkeys(schema.names, "")
    looked_at = 0
    for row in rows_of(file):
        if looked_at >= limit:
            break
        looked_at += 1
        for name, value in row.items():
            if examples[name] in (None, "", []):
                embedded = isinstance(value, dict) and (
                    isinstance(value.get("bytes"), bytes) or "array" in value
                )
                examples[name] = f"(recording) {value.get('path') or ''}" if embedded else value
    used = dict.fromkeys(columns.others, "extra") | {
        column: field for field, column in columns.of_field.items()
    }
    return Survey(looked_at, examples, used)


SOURCE = Source(
    HfDatasetsConfig,
    read_corpus,
    "data sets of Hugging Face on disk: save_to_disk folders, or Parquet files as on the hub",
    _base,
    survey,
)
