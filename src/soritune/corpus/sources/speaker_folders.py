"""Folders of recordings whose fields follow from path, file name and a `script.txt`.

Written for the emotional speech corpora laid out as ROOT/<person>/wav_48000/<person>_<number>.wav: one folder
per person, 160 files each, 48 kHz, and the number decides what was acted (say 21 to 30 Anxious, 31 to 40
Kind, 91 to 100 Dry). The number ranges are settings. For another layout, the named groups of `pattern` become
fields: `(?P<speaker>[^/]+)/(?P<emotion>[^/]+)/.+` reads a tree ROOT/<person>/<label>/<anything>.wav.

Texts come from `script.txt` files in a recording's folder or any folder above it up to ROOT
(`corpus/reading/script_file.py`); the nearest one with a line for the recording counts.

Known faults of such corpora: some come without texts, so sentences shared between people cannot be kept apart
unless the number stands for the sentence (`script_from_number`).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from soritune.audio.files import recordings
from soritune.corpus.reading.corpus_files import unpacked
from soritune.corpus.reading.field_mapping import TEXT_FIELDS, FieldValueError, convert
from soritune.corpus.reading.folder_walk import Folder, walk_folders, writable_name
from soritune.corpus.reading.outcomes import Note, Outcome, Rejected, Skipped
from soritune.corpus.reading.script_file import Script
from soritune.corpus.reading.source_config import SourceConfig
from soritune.corpus.sources.source import Source
from soritune.corpus.utterance import Utterance
from soritune.errors import ManifestError
from soritune.korean.hangul import composed

_GROUPS = (*(name for name in TEXT_FIELDS if name not in ("id", "audio", "text_source")), "age", "number")
_TEXT_SUFFIXES = (".txt", ".tsv", ".trn", ".lab")
Ranges = list[tuple[int, int]] | Literal["rest"]


class SpeakerFoldersConfig(SourceConfig):
    """How fields are read from paths."""

    pattern: str = r"(?P<speaker>[^/]+)/wav_48000/(?:.*[_/])?(?P<number>\d+)\.\w+"
    """Regular expression for the path below ROOT, with "/" between folders, or for its last folders where the
    corpus lies deeper. Named groups are utterance fields, and `number`."""
    labels: dict[str, Ranges] = Field(default_factory=dict)
    """Label → ranges of numbers, both ends included; the label with `rest` gets all other numbers. Files outside all
    ranges are left out and counted. Empty: no labels by number, and nothing is left out."""
    script: str | None = "script.txt"
    """Name of the files with the texts, also with wildcards ("*.trans.txt"); null: texts are not read. A corpus without
    a file of the given name is refused."""
    gender_from_first_letter: bool = True
    """Names of persons that begin with F or M and a digit give the gender."""
    script_from_number: bool = False
    """Equal numbers mean the same sentence, so splits keep them apart. Only the corpus's maker can know that."""
    language: str | None = "ko"
    """Language of all recordings."""
    name: str | None = None
    """Value of `source`; None takes the name of the root folder."""

    @field_validator("pattern")
    @classmethod
    def _compiles(cls, pattern: str) -> str:
        try:
            groups = re.compile(pattern).groupindex
        except re.error as error:
            raise ValueError(f"pattern is not a regular expression: {error}") from error
        unknown = sorted(set(groups) - set(_GROUPS))
        if unknown:
            raise ValueError(f"pattern has the group '{unknown[0]}'; known: {', '.join(_GROUPS)}")
        return pattern

    @model_validator(mode="after")
    def _has_number(self) -> Self:
        if self.script_from_number and "number" not in re.compile(self.pattern).groupindex:
            raise ValueError("script_from_number needs the group 'number' in pattern, as (?P<number>\\d+)")
        return self

    @field_validator("labels", mode="before")
    @classmethod
    def _in_brackets(cls, labels: Any) -> Any:
        for label, spans in labels.items() if isinstance(labels, dict) else ():
            if isinstance(spans, (list, tuple)) and any(isinstance(span, int) for span in spans):
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


def read_corpus(root: Path, config: SpeakerFoldersConfig) -> Iterator[Outcome]:
    """Yields the recordings below `root`, folder by folder, and the faults of the scripts.

    Raises:
        ManifestError: there is no such folder, it has no audio, or no path fits the pattern.
    """
    pattern, script_name = re.compile(config.pattern), composed(config.script or "").casefold()
    source = config.name or composed(root.resolve().name)
    scripts: list[tuple[str, Script]] = []
    files = fitting = 0
    first, text_files, found_script = "", list[str](), False
    for folder in walk_folders(root, archives=True):
        while scripts and not _is_below(folder.relative, scripts[-1][0]):
            yield from scripts.pop()[1].report()
        yield from folder.outcomes
        for file in folder.names:
            if script_name and fnmatchcase(composed(file).casefold(), script_name):
                found_script = True
                script = Script.read(folder.path / file, folder.path_of(file))
                scripts.append((folder.relative, script))
        text_files += [composed(file) for file in folder.names if file.lower().endswith(_TEXT_SUFFIXES)][:5]
        nearest_first = [script for _, script in reversed(scripts)]
        for path, name in _recordings(folder):
            files, first = files + 1, first or path
            shown, fault = writable_name(path)
            if fault is not None:
                yield Rejected(shown, fault, kind="name-not-utf8")
                continue
            match = _fit(pattern, composed(unpacked(path)))
            fitting += match is not None
            yield from _outcomes(path, name, match, nearest_first, source, config)
    while scripts:
        yield from scripts.pop()[1].report()
    if not files:
        raise ManifestError("holds no audio files", path=root)
    if "script" in config.model_fields_set and script_name and not found_script:
        example = text_files[0] if text_files else ""
        suffix = example[example.find(".") :] if "." in example else ""
        advice = f"; there is {example}, so perhaps script=*{suffix}" if suffix else ""
        raise ManifestError(f"no file is called '{config.script}'{advice}", path=root, field="script")
    if not fitting:
        raise ManifestError(
            f"none of {files} audio files fits the pattern {config.pattern!r}; the first is "
            f"'{writable_name(first)[0]}'",
            path=root,
        )


def _recordings(folder: Folder) -> Iterator[tuple[str, str]]:
    """(path, id) of a folder's audio. An id is the path without its suffix, unless two files would then share it."""
    paths = [folder.path_of(name) for name in recordings(folder.names)]
    stems = Counter(composed(unpacked(path)).rsplit(".", 1)[0] for path in paths)
    for path in paths:
        name = composed(unpacked(path))
        yield path, name.rsplit(".", 1)[0] if stems[name.rsplit(".", 1)[0]] == 1 else name


def _outcomes(
    path: str,
    name: str,
    match: re.Match[str] | None,
    scripts: Sequence[Script],
    source: str,
    config: SpeakerFoldersConfig,
) -> Iterator[Outcome]:
    """The utterance of one file, or why the file is not read; and a note if its text is missing.

    Args:
        path: The file below the root.
        name: Its id.
        match: The pattern's match of the path.
        scripts: Those of its folder and of the folders above it, the nearest first.
        source: Value of `source`.
        config: The settings.
    """
    groups = {} if match is None else {group: value for group, value in match.groupdict().items() if value}
    digits = groups.pop("number", None)
    in_script, text = _text(path, groups.get("speaker", ""), digits, scripts)
    if config._missing.drops("text", text):
        text = None
    if match is None:
        yield Skipped("path does not fit the pattern", 1, path, kind="path-pattern")
        return
    number = None if digits is None else int(digits)
    if config.labels:
        if number is None:
            reason = "has no number, but labels are given by number"
            yield Rejected(path, reason, name, kind="number-missing")
            return
        label = _label(number, config.labels)
        if label is None:
            yield Skipped("number outside the label ranges", 1, path, kind="number-outside")
            return
        groups["emotion"] = label
    if "text" not in groups and text is None and scripts and not in_script:
        reason = "recording without a line in its script (kept, without a text)"
        yield Note(reason, 1, path, kind="script-line-missing")
    try:
        fields = _fields(groups, number, text, source, config)
    except FieldValueError as error:
        yield Rejected(path, str(error), name, kind=error.kind)
        return
    extra = {} if number is None else {"number": number}
    yield Utterance(id=name, audio=path, duration_s=0.0, extra=extra, **fields)


def _fields(
    groups: Mapping[str, str], number: int | None, text: str | None, source: str, config: SpeakerFoldersConfig
) -> dict[str, Any]:
    """The utterance fields of a file, from the pattern's groups, its number and its text.

    Raises:
        FieldValueError: the age is not a number.
    """
    fields: dict[str, Any] = dict(groups)
    speaker = groups.get("speaker", "")
    if config.gender_from_first_letter and re.match(r"[FMfm]\d", speaker):
        fields.setdefault("gender", speaker[0].lower())
    if config.script_from_number and number is not None:
        fields.setdefault("script_id", str(number))
    fields.setdefault("source", source)
    if config.language is not None:
        fields.setdefault("language", config.language)
    if "text" in groups or text is not None:
        fields = {"text": text, **fields, "text_source": "gold"}
    return {**fields, "age": convert("age", groups.get("age"))}


def _text(path: str, speaker: str, digits: str | None, scripts: Sequence[Script]) -> tuple[bool, str | None]:
    """Whether a script has a line for a file, and the file's text. The nearest script with a line counts."""
    name = path.rsplit("/", 1)[-1]
    digits = digits or "".join(re.findall(r"(\d+)\.\w+$", name))
    for script in scripts:
        has_line, text = script.text_of(name, speaker, int(digits) if digits else None)
        if has_line:
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
    """The match of the whole path, or else of the longest fitting part of it that begins with a folder."""
    starts = [0, *(m.end() for m in re.finditer("/", path))]
    return next((match for start in starts if (match := pattern.fullmatch(path, start))), None)


def _is_below(path: str, folder: str) -> bool:
    return not folder or path == folder or path.startswith(folder + "/")


SOURCE = Source(
    SpeakerFoldersConfig,
    read_corpus,
    "folders per person; labels from number ranges or folder names, texts from script.txt",
)
