"""Mispronunciation corpora as JSON in the SpeechBrain style of L2-ARCTIC: train_data.json, val_data.json, eval.json.

Each file is an object whose keys are audio paths and whose values hold wav, duration, spk_id,
canonical_aligned, perceived_aligned, perceived_train_target, wrd and error_labels; phones and labels are texts
with spaces. L2-ARCTIC itself is CC BY-NC 4.0 (Zhao et al., Interspeech 2018) and is available from its makers.

The split in the file's name (eval is test) goes to `extra`, so that `split.given=split` works. The task that learns
from the sequences checks whether they are equally long and their labels valid.

Known faults of such files: paths of another machine (`drop_prefix`), durations that differ from the sound's (if by more
than 0.1 s, kept in `extra` as `stated_duration_s`), a recording in two of the files (both kept, and counted), rows
with missing fields.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from pydantic import Field, field_validator

from soritune.audio.waveform import read_header
from soritune.corpus.reading.audio_paths import AudioFinder
from soritune.corpus.reading.field_mapping import FieldValueError
from soritune.corpus.reading.given_files import (
    add_split,
    existing_files,
    folder_above,
    folder_of,
    named_paths,
)
from soritune.corpus.reading.json_text import parse_noting_repeats
from soritune.corpus.reading.outcomes import Outcome, Rejected
from soritune.corpus.reading.repeated_recordings import ListedRecordings
from soritune.corpus.reading.text_encoding import EncodingError, decode_text
from soritune.corpus.reading.value_reader import ReaderConfig, ValueReader, check_fields, number_in
from soritune.corpus.sources.source import Source, Survey
from soritune.corpus.utterance import Utterance
from soritune.errors import AudioError, ManifestError, SorituneError, reason_of
from soritune.korean.hangul import composed

FILES = ("train_data.json", "val_data.json", "eval.json")
FIELDS = {
    "audio": "wav",
    "duration_s": "duration",
    "speaker": "spk_id",
    "canonical": "canonical_aligned",
    "perceived": "perceived_aligned",
    "phones": "perceived_train_target",
    "text": "wrd",
}
"""Utterance field → the usual key."""
_DURATION_TOLERANCE_S = 0.1


class L2JsonConfig(ReaderConfig):
    """Which files, and the names of their keys."""

    files: tuple[str, ...] = ()
    """JSON files, or folders with some of the usual three, absolute or below ROOT. Empty: those of the usual three
    that are in ROOT."""
    fields: dict[str, str] = Field(default_factory=dict)
    """Utterance field → key of an entry, if it is not the usual one."""
    labels_field: str = "error_labels"
    """Key of the error labels, such as `error_labels_binary`."""
    drop_prefix: str = ""
    """Beginning of the written paths to be cut off."""
    required: tuple[str, ...] = ("speaker", "canonical", "perceived", "phones", "error_labels")
    """Utterance fields without which a row goes to quarantine."""
    language: str | None = "en"
    """Language of the corpus."""

    @field_validator("fields")
    @classmethod
    def _fields_known(cls, given: dict[str, str]) -> dict[str, str]:
        check_fields(given)
        return given

    def keys(self) -> dict[str, str]:
        """Utterance field → key of an entry."""
        return {**FIELDS, "error_labels": self.labels_field, **self.fields}


def read_corpus(root: Path, config: L2JsonConfig) -> Iterator[Outcome]:
    """Yields the entries of all files in order.

    Raises:
        ManifestError: no file, or one that is not a JSON object.
    """
    base, keys, listed = _base(root, config), config.keys(), ListedRecordings("entry")
    for file in _files(root, config):
        reader = _EntryReader(
            file,
            keys,
            AudioFinder([file.parent, folder_of(root)], base, config.drop_prefix, config._matched),
            ValueReader.of(config, composed(file.parent.resolve().name), config.language),
        )
        entries, repeated = _entries(file)
        for name in repeated:
            reason = f"{file.name}: the key occurs more than once; the last one is read"
            yield Rejected(name, reason, kind="key-repeated")
        for name, entry in entries.items():
            outcome = reader.read(name, entry)
            if isinstance(outcome, Utterance):
                utterance = _with_stated_duration(outcome, base, entry.get(keys["duration_s"]), config.pcm)
                example = f"{file.name} '{utterance.id}'"
                yield from listed.outcomes(
                    utterance, _content_of(utterance), location=file.name, example=example
                )
            else:
                yield outcome


@dataclass(frozen=True)
class _EntryReader:
    """Turns the entries of one file into utterances."""

    file: Path
    keys: Mapping[str, str]
    """Utterance field → key of an entry."""
    finder: AudioFinder
    values: ValueReader

    def read(self, name: str, entry: Any) -> Outcome:
        """The utterance of the entry with the key `name`, or why the entry is rejected."""
        location, audio_key = f"{self.file.name} '{name}'", self.keys["audio"]
        if not isinstance(entry, dict):
            reason = f"{location}: must be an object, got {type(entry).__name__}"
            return Rejected(name, reason, kind="entry-not-object")
        written = entry.get(audio_key)
        if written is not None and not isinstance(written, str):
            reason = f"{location}: '{audio_key}' must be a path, got {type(written).__name__}"
            return Rejected(name, reason, kind="field-type:audio")
        paths = [path for path in (written, name) if path]
        if not paths:
            return Rejected(self.file.name, f"{location}: names no audio file", kind="audio-unnamed")
        audio = next(filter(None, map(self.finder.find, paths)), None) or self.finder.expected(paths[0])
        stem = os.path.splitext(composed(audio))[0]
        given = {
            field: entry.get(key) for field, key in self.keys.items() if field not in ("audio", "duration_s")
        }
        used = set(self.keys.values())
        extra = {key: value for key, value in entry.items() if key not in used and value not in (None, "")}
        add_split(extra, self.file)
        try:
            return self.values.utterance(given, name=stem, audio=audio, extra=extra)
        except FieldValueError as error:
            key = self.keys.get(error.field, error.field)
            return Rejected(audio, f"{location}: '{key}' {error.problem}", stem, kind=error.kind)


def _content_of(utterance: Utterance) -> int:
    """Equal for entries with equal values; `extra` and the source do not count."""
    names = (field.name for field in fields(utterance) if field.name not in ("extra", "source"))
    return hash(tuple(getattr(utterance, name) for name in names))


def _with_stated_duration(utterance: Utterance, base: Path, stated: Any, pcm: str | None) -> Utterance:
    seconds = number_in(stated, "duration_s")
    if seconds is None:
        return utterance
    try:
        measured = read_header(base / utterance.audio, pcm=pcm).duration_s
    except AudioError:
        return utterance  # `prepare` reports the error
    if abs(measured - seconds) <= _DURATION_TOLERANCE_S:
        return utterance
    return replace(utterance, extra={**utterance.extra, "stated_duration_s": seconds})


def _entries(file: Path) -> tuple[dict[str, Any], list[str]]:
    """The entries of a file by key, and keys that occur in it more than once.

    Raises:
        ManifestError: the file cannot be read, or is not a JSON object.
    """
    try:
        entries, repeated = parse_noting_repeats(decode_text(file.read_bytes()))
    except OSError as error:
        raise ManifestError(f"cannot be read ({reason_of(error)})", path=file) from error
    except EncodingError as error:
        raise ManifestError(str(error), path=file) from error
    except ValueError as error:
        raise ManifestError(f"is not JSON ({error})", path=file) from error
    if not isinstance(entries, dict):
        raise ManifestError(
            f"must be an object whose keys are audio paths, got a {type(entries).__name__}", path=file
        )
    if entries and not any(isinstance(entry, dict) for entry in entries.values()):
        raise ManifestError("must be an object of objects, one per recording", path=file)
    return entries, [name for name in repeated if isinstance(entries.get(name), dict)]


def _files(root: Path, config: L2JsonConfig) -> list[Path]:
    if not root.exists():
        raise ManifestError("does not exist", path=root)
    files: list[Path] = []
    for path in named_paths(root, config.files):
        inside = [path / name for name in FILES if (path / name).is_file()] if path.is_dir() else [path]
        if not inside:
            raise ManifestError(f"holds none of {', '.join(FILES)}; name the files with files=[…]", path=path)
        files += inside
    return existing_files(files)


def _base(root: Path, config: L2JsonConfig) -> Path:
    """ROOT if all files are below it, else the folder above all files."""
    files, folder = _files(root, config), folder_of(root).absolute()
    return folder if all(file.absolute().is_relative_to(folder) for file in files) else folder_above(files)


def survey(root: Path, config: L2JsonConfig, limit: int) -> Survey:
    """The keys of the entries, with the first value of each."""
    examples: dict[str, Any] = {}
    looked_at = 0
    for file in _files(root, config):
        try:
            entries = _entries(file)[0]
        except SorituneError:
            continue
        for entry in entries.values():
            if looked_at >= limit:
                break
            looked_at += 1
            for key, value in entry.items() if isinstance(entry, dict) else ():
                if examples.get(key) in (None, "", []):
                    examples[key] = value
    used = dict.fromkeys(examples, "extra") | {
        key: "compared with the sound" if field == "duration_s" else field
        for field, key in config.keys().items()
        if key in examples
    }
    return Survey(looked_at, examples, used)


SOURCE = Source(
    L2JsonConfig,
    read_corpus,
    "train_data.json, val_data.json, eval.json with canonical and perceived phones (L2-ARCTIC style)",
    _base,
    survey,
)
