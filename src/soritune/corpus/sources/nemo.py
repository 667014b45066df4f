"""Manifests of NVIDIA NeMo: one JSON object per line, with `audio_filepath`, `duration`, `text` and perhaps `offset`.

A row with an `offset` is a stretch of its file, as long as `duration`; without one it is the whole file. Relative paths
start in the manifest's folder. The split in a file's name (`train_manifest.json`) goes to `extra`. `lang` and
`speaker` are read as language and speaker, all other keys go to `extra`.

Known faults of such files: paths of another machine (`drop_prefix`), durations that are not those of the audio (noted),
tarred sets (`audio_0001.tar` beside the manifest), whose recordings have to be extracted first.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
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
from soritune.corpus.reading.json_lines import is_json_lines, json_lines
from soritune.corpus.reading.outcomes import Outcome, Rejected
from soritune.corpus.reading.repeated_recordings import ListedRecordings, content_of
from soritune.corpus.reading.value_reader import ReaderConfig, ValueReader, check_fields
from soritune.corpus.sources.source import Source, Survey
from soritune.corpus.utterance import FIELDS, Utterance
from soritune.errors import ManifestError
from soritune.korean.hangul import composed

KEYS = {"audio": "audio_filepath", "duration_s": "duration", "start_s": "offset", "language": "lang"}
"""Utterance field → NeMo's key; any other field has a key of its own name."""


class NemoConfig(ReaderConfig):
    """Which manifests, and the names of their keys."""

    files: tuple[str, ...] = ()
    """Manifests, absolute or below ROOT. Empty: ROOT itself, or every .json and .jsonl in it."""
    fields: dict[str, str] = Field(default_factory=dict)
    """Utterance field → key, if it is not NeMo's, as in {emotion: label}."""
    audio_root: str | None = None
    """Where relative paths start, absolute or below ROOT; None: the manifest's folder."""
    drop_prefix: str = ""
    """Beginning of the written paths to be cut off."""
    language: str | None = "ko"
    """Language of rows without one."""

    @field_validator("fields")
    @classmethod
    def _fields_known(cls, given: dict[str, str]) -> dict[str, str]:
        check_fields(given)
        return given

    def keys(self) -> dict[str, str]:
        """Utterance field → key."""
        return {**{name: name for name in FIELDS if name != "extra"}, **KEYS, **self.fields}


def read_corpus(root: Path, config: NemoConfig) -> Iterator[Outcome]:
    """Yields the rows of all manifests in order.

    Raises:
        ManifestError: no manifest, or one that cannot be read.
    """
    base, listed = _base(root, config), ListedRecordings("row")
    for file in _files(root, config):
        start = file.parent if config.audio_root is None else base
        reader = _RowReader(
            file,
            config.keys(),
            AudioFinder([start], base, config.drop_prefix, config._matched),
            ValueReader.of(config, composed(file.parent.resolve().name), config.language),
        )
        for item in json_lines(file):
            if isinstance(item, Rejected):
                yield item
                continue
            location = f"{file.name} line {item[0]}"
            outcome = reader.read(item[1], location)
            if isinstance(outcome, Utterance):
                example = f"{location}: {outcome.audio}"
                yield from listed.outcomes(outcome, content_of(outcome), location=location, example=example)
            else:
                yield outcome


@dataclass(frozen=True)
class _RowReader:
    """Turns the rows of one manifest into utterances."""

    file: Path
    keys: Mapping[str, str]
    finder: AudioFinder
    values: ValueReader

    def read(self, row: dict[str, Any], location: str) -> Outcome:
        """The utterance of a row, or why it is rejected."""
        key = self.keys["audio"]
        written = row.get(key)
        if not isinstance(written, str) or not written:
            kind = "audio-unnamed" if written in (None, "") else "field-type:audio"
            return Rejected(self.file.name, f"{location}: '{key}' must be the path of a recording", kind=kind)
        audio = self.finder.find(written) or self.finder.expected(written)
        given = {field: row.get(key) for field, key in self.keys.items() if field != "audio"}
        used = set(self.keys.values())
        extra = {name: value for name, value in row.items() if name not in used and value not in (None, "")}
        add_split(extra, self.file)
        name = os.path.splitext(composed(audio))[0]
        try:
            return self.values.utterance(given, name=name, audio=audio, extra=extra)
        except FieldValueError as error:
            return Rejected(written, f"{location}: {error}", name, kind=error.kind)


def _files(root: Path, config: NemoConfig) -> list[Path]:
    if config.files or not root.is_dir():
        return existing_files(named_paths(root, config.files))
    files = sorted(
        path for path in root.iterdir() if path.is_file() and is_json_lines(path) and path.name[0] != "."
    )
    if not files:
        raise ManifestError("holds no .json or .jsonl manifest; name it with files=[…]", path=root)
    return files


def _base(root: Path, config: NemoConfig) -> Path:
    if config.audio_root is not None:
        return (folder_of(root) / config.audio_root).absolute()
    return folder_above(_files(root, config))


def survey(root: Path, config: NemoConfig, limit: int) -> Survey:
    """The keys of the rows, with the first value of each."""
    examples: dict[str, Any] = {}
    looked_at = 0
    for file in _files(root, config):
        for item in json_lines(file):
            if looked_at >= limit:
                break
            if isinstance(item, tuple):
                looked_at += 1
                for key, value in item[1].items():
                    if examples.get(key) in (None, "", []):
                        examples[key] = value
    fields = {key: field for field, key in config.keys().items()}
    used = {key: fields.get(key, "extra") for key in examples}
    return Survey(looked_at, examples, used)


SOURCE = Source(
    NemoConfig,
    read_corpus,
    "manifests of NeMo: JSON lines with audio_filepath, duration, text, offset",
    _base,
    survey,
)
