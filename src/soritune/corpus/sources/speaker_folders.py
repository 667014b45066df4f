"""Folders of recordings in which path and file name tell the rest.

Written for the emotional speech corpora laid out as ROOT/<person>/wav_48000/<person>_<number>.wav: one folder
per person, 160 files each, 48 kHz, and the number decides what was acted (say 21 to 30 Anxious, 31 to 40
Kind, 91 to 100 Dry). The number ranges are settings. Another layout is a matter of `pattern`, whose named
groups become fields: with `(?P<speaker>[^/]+)/(?P<emotion>[^/]+)/.+` a tree
ROOT/<person>/<label>/<anything>.wav is read.

Known faults of such corpora: no texts come with the files, so sentences shared between people cannot be kept
apart unless the number stands for the sentence (`script_from_number`).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

from pydantic import Field, field_validator

from soritune.audio.files import find_audio
from soritune.corpus.field_mapping import TEXT_FIELDS
from soritune.corpus.sources.source import Found, Rejected, Skipped, Source, SourceConfig
from soritune.corpus.utterance import Utterance
from soritune.errors import ManifestError

_GROUPS = (*(name for name in TEXT_FIELDS if name not in ("id", "audio", "text_source")), "number")


class SpeakerFoldersConfig(SourceConfig):
    """How paths are read."""

    pattern: str = r"(?P<speaker>[^/]+)/wav_48000/.*?_(?P<number>\d+)\.\w+"
    """Regular expression for the whole path below ROOT, with "/" between folders. Named groups are utterance
    fields, and `number`."""
    labels: dict[str, list[tuple[int, int]]] = Field(default_factory=dict)
    """Label → ranges of numbers, both ends included. Files outside all ranges are left out and counted.
    Empty: no labels by number, nothing is left out."""
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

    @field_validator("labels")
    @classmethod
    def _apart(cls, labels: dict[str, list[tuple[int, int]]]) -> dict[str, list[tuple[int, int]]]:
        ranges = sorted((low, high, label) for label, spans in labels.items() for low, high in spans)
        for low, high, label in ranges:
            if low > high:
                raise ValueError(f"range {low}-{high} of '{label}' runs backwards")
        for (_, high, first), (low, _, second) in pairwise(ranges):
            if low <= high:
                raise ValueError(f"number {low} is both '{first}' and '{second}'")
        return labels


def read_corpus(root: Path, config: SpeakerFoldersConfig) -> Iterator[Found]:
    """Yields the recordings below `root` in path order.

    Raises:
        ManifestError: there is no such folder, it holds no audio, or no path fits the pattern.
    """
    if not root.is_dir():
        raise ManifestError("is not a folder" if root.exists() else "is not there", path=root)
    files = find_audio(root)
    if not files:
        raise ManifestError("holds no audio files", path=root)
    pattern, fitting = re.compile(config.pattern), 0
    for file in files:
        # Folders made on a Mac spell Hangul in pieces; patterns and labels should not have to.
        relative = file.relative_to(root).as_posix()
        match = pattern.fullmatch(unicodedata.normalize("NFC", relative))
        if match is None:
            yield Skipped("path does not fit the pattern")
            continue
        fitting += 1
        yield _found(relative, match, root, config)
    if not fitting:
        first = files[0].relative_to(root).as_posix()
        raise ManifestError(
            f"none of {len(files)} audio files fits the pattern {config.pattern!r}; the first is '{first}'",
            path=root,
        )


def _found(relative: str, match: re.Match[str], root: Path, config: SpeakerFoldersConfig) -> Found:
    fields: dict[str, Any] = {name: value for name, value in match.groupdict().items() if value}
    digits = fields.pop("number", None)
    if config.labels:
        if digits is None:
            return Rejected(relative, "has no number, but labels are given by number")
        labels = [
            label for label, spans in config.labels.items() if any(a <= int(digits) <= b for a, b in spans)
        ]
        if not labels:
            return Skipped("number outside the label ranges")
        fields["emotion"] = labels[0]
    speaker = fields.get("speaker", "")
    if config.gender_from_first_letter and re.match(r"[FMfm]\d", speaker):
        fields.setdefault("gender", speaker[0].lower())
    if config.script_from_number and digits is not None:
        fields.setdefault("script_id", str(int(digits)))
    fields.setdefault("source", config.name or root.resolve().name)
    if config.language is not None:
        fields.setdefault("language", config.language)
    name = unicodedata.normalize("NFC", relative.rsplit(".", 1)[0])
    return Utterance(
        id=name, audio=relative, duration_s=0.0, extra={"number": int(digits)} if digits else {}, **fields
    )


SOURCE = Source(
    SpeakerFoldersConfig, read_corpus, "folders per person; labels from number ranges or folder names"
)
