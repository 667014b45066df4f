"""Mispronunciation corpora as JSON in the SpeechBrain style of L2-ARCTIC: train_data.json, val_data.json, eval.json.

Each file is an object whose keys are audio paths and whose values hold wav, duration, spk_id,
canonical_aligned, perceived_aligned, perceived_train_target, wrd and error_labels; phones and labels are texts
with spaces. L2-ARCTIC itself is CC BY-NC 4.0 (Zhao et al., Interspeech 2018) and is had from its makers.

The split goes to `extra` by the file's name (eval is test), so that `split.given=split` works. Whether
sequences are equally long and labels valid is left to the task that learns from them.

Known faults of such files: paths of another machine (`drop_prefix`), durations that are not the sound's (told
in `extra` as `stated_duration_s` where they differ by more than 0.1 s), a recording in two of the files
(both kept, and counted), rows with fields missing.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from pydantic import Field, field_validator

from soritune.audio.waveform import read_header
from soritune.corpus.reading.audio_paths import AudioFinder
from soritune.corpus.reading.field_mapping import FieldValueError
from soritune.corpus.reading.items import (
    Item,
    Note,
    Rejected,
    Skipped,
)
from soritune.corpus.reading.json_text import read_json
from soritune.corpus.reading.loose_values import LooseConfig, ValueReader, check_fields, number_in
from soritune.corpus.reading.split_names import split_of_file
from soritune.corpus.reading.text_encoding import EncodingError, decode_text
from soritune.corpus.sources.source import Source, Survey
from soritune.corpus.utterance import Utterance
from soritune.errors import AudioError, ManifestError, SorituneError
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


class L2JsonConfig(LooseConfig):
    """Which files, and what their keys are called."""

    files: tuple[str, ...] = ()
    """JSON files, or folders of the usual three, absolute or below ROOT; empty: the usual three in ROOT, as
    many as there are."""
    fields: dict[str, str] = Field(default_factory=dict)
    """Utterance field → key of an entry; the usual keys need not be given."""
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


@dataclass
class _Seen:
    """Recordings met so far."""

    content: dict[str, list[tuple[str | None, int]]] = field(default_factory=dict)
    """Id → split and hash of the values of each of its entries."""

    def told(self, item: Utterance, place: str) -> Iterator[Item]:
        """The utterance, with another id when its recording was met in another split; or why it is not wanted."""
        earlier = self.content.setdefault(item.id, [])
        split = item.extra.get("split")
        values = hash(tuple(getattr(item, f.name) for f in fields(item) if f.name not in ("extra", "source")))
        if (split, values) in earlier:
            yield Skipped("entry repeated", 1, f"{place} '{item.id}'")
            return
        if any(split == other for other, _ in earlier):
            yield Rejected(item.audio, f"{place}: the recording has another entry with other values", item.id)
            return
        earlier.append((split, values))
        if len(earlier) > 1:
            splits = ", ".join(str(other) for other, _ in earlier)
            yield Note(f"recording in several splits (kept in each: {splits})", 1, item.audio)
            item = replace(item, id=f"{item.id}#{split or len(earlier)}")
        yield item


def read_corpus(root: Path, config: L2JsonConfig) -> Iterator[Item]:
    """Yields the entries of all files in order.

    Raises:
        ManifestError: no file, or one that is no JSON object.
    """
    base, keys, seen = _base(root, config), config.keys(), _Seen()
    for file in _files(root, config):
        reader = ValueReader.of(config, composed(file.parent.resolve().name), config.language)
        finder = AudioFinder([file.parent, _folder(root)], base, config.drop_prefix)
        entries, repeated = _entries(file)
        for name in repeated:
            yield Rejected(name, f"{file.name}: the key stands twice; the last one is read")
        for name, entry in entries.items():
            found = _found(name, entry, file, finder, reader, keys)
            if isinstance(found, Utterance):
                found = _with_stated_duration(found, base, entry.get(keys["duration_s"]))
                yield from seen.told(found, file.name)
            else:
                yield found


def _found(
    name: str, entry: Any, file: Path, finder: AudioFinder, reader: ValueReader, keys: dict[str, str]
) -> Item:
    place = f"{file.name} '{name}'"
    if not isinstance(entry, dict):
        return Rejected(name, f"{place}: must be an object, got {type(entry).__name__}")
    written = entry.get(keys["audio"])
    if written is not None and not isinstance(written, str):
        return Rejected(name, f"{place}: '{keys['audio']}' must be a path, got {type(written).__name__}")
    names = [one for one in (written, name) if one]
    if not names:
        return Rejected(file.name, f"{place}: names no audio file")
    audio = next(filter(None, map(finder.find, names)), None) or finder.expected(names[0])
    own = os.path.splitext(composed(audio))[0]
    given = {key: entry.get(own) for key, own in keys.items() if key not in ("audio", "duration_s")}
    used = set(keys.values())
    extra = {key: value for key, value in entry.items() if key not in used and value not in (None, "")}
    if (split := split_of_file(file.stem)) is not None:
        extra.setdefault("split", split)
    try:
        return reader.utterance(given, name=own, audio=audio, extra=extra)
    except FieldValueError as error:
        origin = keys.get(error.field, error.field)
        told = str(error).replace(f"field '{error.field}'", f"'{origin}'")
        return Rejected(audio, f"{place}: {told}", own)


def _with_stated_duration(item: Utterance, base: Path, stated: Any) -> Utterance:
    seconds = number_in(stated, "duration_s")
    if seconds is None:
        return item
    try:
        true = read_header(base / item.audio).duration_s
    except AudioError:
        return item  # `prepare` says why
    if abs(true - seconds) <= _DURATION_TOLERANCE_S:
        return item
    return replace(item, extra={**item.extra, "stated_duration_s": seconds})


def _entries(file: Path) -> tuple[dict[str, Any], list[str]]:
    """The entries of a file by key, and keys that stand in it twice.

    Raises:
        ManifestError: it cannot be read, or is no JSON object.
    """
    try:
        entries, repeated = read_json(decode_text(file.read_bytes()))
    except OSError as error:
        raise ManifestError(f"cannot be read ({error.strerror or error})", path=file) from error
    except EncodingError as error:
        raise ManifestError(str(error), path=file) from error
    except (ValueError, RecursionError) as error:
        raise ManifestError(f"is no JSON ({error})", path=file) from error
    if not isinstance(entries, dict):
        raise ManifestError(
            f"must be an object whose keys are audio paths, got a {type(entries).__name__}", path=file
        )
    if entries and not any(isinstance(entry, dict) for entry in entries.values()):
        raise ManifestError("must be an object of objects, one per recording", path=file)
    return entries, [name for name in repeated if isinstance(entries.get(name), dict)]


def _folder(root: Path) -> Path:
    return root if root.is_dir() else root.parent


def _files(root: Path, config: L2JsonConfig) -> list[Path]:
    if not root.exists():
        raise ManifestError("is not there", path=root)
    asked = [_folder(root) / name for name in config.files] or [root]
    found: list[Path] = []
    for place in asked:
        inside = [place / name for name in FILES if (place / name).is_file()] if place.is_dir() else [place]
        if not inside:
            raise ManifestError(
                f"holds none of {', '.join(FILES)}; name the files with files=[…]", path=place
            )
        found += inside
    for file in found:
        if not file.is_file():
            raise ManifestError("is not there", path=file)
    return found


def _base(root: Path, config: L2JsonConfig) -> Path:
    """ROOT, or where files lie outside of it the folder above them all."""
    folders = [file.parent.absolute() for file in _files(root, config)]
    own = _folder(root).absolute()
    if all(folder.is_relative_to(own) for folder in folders):
        return own
    return Path(os.path.commonpath(folders))


def survey(root: Path, config: L2JsonConfig, limit: int) -> Survey:
    """The keys of the entries, with the first value of each."""
    examples: dict[str, Any] = {}
    looked = 0
    for file in _files(root, config):
        try:
            entries = _entries(file)[0]
        except SorituneError:
            continue
        for entry in entries.values():
            if looked >= limit:
                break
            looked += 1
            for key, value in entry.items() if isinstance(entry, dict) else ():
                if examples.get(key) in (None, "", []):
                    examples[key] = value
    used = dict.fromkeys(examples, "extra") | {
        own: "compared with the sound" if key == "duration_s" else key
        for key, own in config.keys().items()
        if own in examples
    }
    return Survey(looked, examples, used)


SOURCE = Source(
    L2JsonConfig,
    read_corpus,
    "train_data.json, val_data.json, eval.json with canonical and perceived phones (L2-ARCTIC style)",
    _base,
    survey,
)
