"""Folders of recordings in which path, file name and a `script.txt` tell the rest.

Written for the emotional speech corpora laid out as ROOT/<person>/wav_48000/<person>_<number>.wav: one folder
per person, 160 files each, 48 kHz, and the number decides what was acted (say 21 to 30 Anxious, 31 to 40
Kind, 91 to 100 Dry). The number ranges are settings. Another layout is a matter of `pattern`, whose named
groups become fields: with `(?P<speaker>[^/]+)/(?P<emotion>[^/]+)/.+` a tree
ROOT/<person>/<label>/<anything>.wav is read.

Texts come from `script.txt` files in a recording's folder or any folder above it up to ROOT
(`corpus/reading/script_file.py`); the nearest one that has a line decides.

Known faults of such corpora: some come without texts, so sentences shared between people cannot be kept apart
unless the number stands for the sentence (`script_from_number`).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, field_validator

from soritune.corpus.reading.field_mapping import TEXT_FIELDS, FieldValueError, convert
from soritune.corpus.reading.folder_walk import (
    Folder,
    is_audio,
    walk_folders,
    writable_name,
)
from soritune.corpus.reading.items import (
    Item,
    Note,
    Rejected,
    Skipped,
)
from soritune.corpus.reading.script_file import Script
from soritune.corpus.reading.source_config import SourceConfig
from soritune.corpus.sources.source import Source
from soritune.corpus.utterance import Utterance
from soritune.errors import ManifestError
from soritune.korean.hangul import composed

_GROUPS = (*(name for name in TEXT_FIELDS if name not in ("id", "audio", "text_source")), "age", "number")
Ranges = list[tuple[int, int]] | Literal["rest"]


class SpeakerFoldersConfig(SourceConfig):
    """How paths are read."""

    pattern: str = r"(?P<speaker>[^/]+)/wav_48000/(?:.*[_/])?(?P<number>\d+)\.\w+"
    """Regular expression for the path below ROOT, with "/" between folders, or for its last folders where the
    corpus lies deeper. Named groups are utterance fields, and `number`."""
    labels: dict[str, Ranges] = Field(default_factory=dict)
    """Label → ranges of numbers, both ends included; one label may say `rest` and gets all other numbers.
    Files outside all ranges are left out and counted. Empty: no labels by number, nothing is left out."""
    script: str | None = "script.txt"
    """Name of the files that hold the texts; null: texts are not looked for."""
    gender_from_first_letter: bool = True
    """Person names beginning with F or M (and then a digit) tell the gender."""
    script_from_number: bool = False
    """Equal numbers mean the same sentence, so splits keep them apart. Only the corpus's maker can tell."""
    language: str | None = "ko"
    """Language of all recordings."""
    name: str | None = None
    """What `source` says; None takes the name of the root folder."""

    @field_validator("pattern")
    @classmethod
    def _compiles(cls, pattern: str) -> str:
        try:
            groups = re.compile(pattern).groupindex
        except re.error as error:
            raise ValueError(f"pattern is no regular expression: {error}") from error
        unknown = sorted(set(groups) - set(_GROUPS))
        if unknown:
            raise ValueError(f"pattern has the group '{unknown[0]}'; known: {', '.join(_GROUPS)}")
        return pattern

    @field_validator("labels", mode="before")
    @classmethod
    def _in_brackets(cls, labels: Any) -> Any:
        for label, spans in labels.items() if isinstance(labels, dict) else ():
            if isinstance(spans, (list, tuple)) and any(isinstance(one, int) for one in spans):
                raise ValueError(
                    f"'{label}' must have a list of ranges, such as [[21, 30]] for 21 to 30, got {list(spans)}"
                )
        return labels

    @field_validator("labels")
    @classmethod
    def _apart(cls, labels: dict[str, Ranges]) -> dict[str, Ranges]:
        rest = [label for label, spans in labels.items() if spans == "rest"]
        if len(rest) > 1:
            raise ValueError(f"only one label can be the rest, got {' and '.join(rest)}")
        ranges = sorted(
            (low, high, label) for label, spans in labels.items() if spans != "rest" for low, high in spans
        )
        for low, high, label in ranges:
            if low > high:
                raise ValueError(f"range {low}-{high} of '{label}' runs backwards")
        for (_, high, first), (low, _, second) in pairwise(ranges):
            if low <= high:
                raise ValueError(f"number {low} is both '{first}' and '{second}'")
        return labels


def read_corpus(root: Path, config: SpeakerFoldersConfig) -> Iterator[Item]:
    """Yields the recordings below `root` folder by folder, and what is wrong with the scripts.

    Raises:
        ManifestError: there is no such folder, it holds no audio, or no path fits the pattern.
    """
    pattern, name = re.compile(config.pattern), composed(config.script or "").casefold()
    scripts: list[tuple[str, Script]] = []
    files = fitting = 0
    first = ""
    for folder in walk_folders(root):
        while scripts and not _is_below(folder.relative, scripts[-1][0]):
            yield from scripts.pop()[1].report()
        yield from folder.told
        for file in folder.names:
            if name and composed(file).casefold() == name:
                script = Script.read(folder.path / file, folder.place(file))
                scripts.append((folder.relative, script))
        for place, key in _recordings(folder):
            files, first = files + 1, first or place
            shown, fault = writable_name(place)
            if fault is not None:
                yield Rejected(shown, fault)
                continue
            match = _fit(pattern, composed(place))
            fitting += match is not None
            yield from _found(place, key, match, [script for _, script in reversed(scripts)], root, config)
    while scripts:
        yield from scripts.pop()[1].report()
    if not files:
        raise ManifestError("holds no audio files", path=root)
    if not fitting:
        raise ManifestError(
            f"none of {files} audio files fits the pattern {config.pattern!r}; the first is "
            f"'{writable_name(first)[0]}'",
            path=root,
        )


def _recordings(folder: Folder) -> Iterator[tuple[str, str]]:
    """(path, id) of a folder's audio. An id is the path without its suffix, unless two files then share it."""
    places = [folder.place(name) for name in folder.names if is_audio(name)]
    stems = Counter(composed(place).rsplit(".", 1)[0] for place in places)
    for place in places:
        key = composed(place)
        yield place, key.rsplit(".", 1)[0] if stems[key.rsplit(".", 1)[0]] == 1 else key


def _found(
    place: str,
    key: str,
    match: re.Match[str] | None,
    scripts: Sequence[Script],
    root: Path,
    config: SpeakerFoldersConfig,
) -> Iterator[Item]:
    fields = {} if match is None else {name: value for name, value in match.groupdict().items() if value}
    digits = fields.pop("number", None)
    known, text = _text(place, fields.get("speaker", ""), digits, scripts)
    if match is None:
        yield Skipped("path does not fit the pattern", 1, place)
        return
    number = None if digits is None else int(digits)
    if config.labels:
        if number is None:
            yield Rejected(place, "has no number, but labels are given by number", key)
            return
        label = _label(number, config.labels)
        if label is None:
            yield Skipped("number outside the label ranges", 1, place)
            return
        fields["emotion"] = label
    speaker = fields.get("speaker", "")
    if config.gender_from_first_letter and re.match(r"[FMfm]\d", speaker):
        fields.setdefault("gender", speaker[0].lower())
    if config.script_from_number and number is not None:
        fields.setdefault("script_id", str(number))
    fields.setdefault("source", config.name or composed(root.resolve().name))
    if config.language is not None:
        fields.setdefault("language", config.language)
    if "text" in fields or text is not None:
        fields = {"text": text, **fields, "text_source": "gold"}
    elif scripts and not known:
        yield Note("recording without a line in its script (kept, without a text)", 1, place)
    values: dict[str, Any] = dict(fields)
    try:
        values["age"] = convert("age", values.get("age"))
    except FieldValueError as error:
        yield Rejected(place, str(error), key)
        return
    extra = {} if number is None else {"number": number}
    yield Utterance(id=key, audio=place, duration_s=0.0, extra=extra, **values)


def _text(place: str, speaker: str, digits: str | None, scripts: Sequence[Script]) -> tuple[bool, str | None]:
    """Whether a script speaks of a file, and its text; the nearest script that does so decides."""
    name = place.rsplit("/", 1)[-1]
    digits = digits or "".join(re.findall(r"(\d+)\.\w+$", name))
    for script in scripts:
        known, text = script.text_of(name, speaker, int(digits) if digits else None)
        if known:
            return True, text
    return False, None


def _label(number: int, labels: dict[str, Ranges]) -> str | None:
    rest = None
    for label, spans in labels.items():
        if spans == "rest":
            rest = label
        elif any(low <= number <= high for low, high in spans):
            return label
    return rest


def _fit(pattern: re.Pattern[str], path: str) -> re.Match[str] | None:
    """The match of the whole path, or else of its longest tail of whole folders that fits."""
    starts = [0, *(m.end() for m in re.finditer("/", path))]
    return next((match for start in starts if (match := pattern.fullmatch(path, start))), None)


def _is_below(place: str, folder: str) -> bool:
    return not folder or place == folder or place.startswith(folder + "/")


SOURCE = Source(
    SpeakerFoldersConfig,
    read_corpus,
    "folders per person; labels from number ranges or folder names, texts from script.txt",
)
