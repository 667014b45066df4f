"""The Korean Corpus of Spontaneous Speech (Seoul Corpus): interviews with 40 people, annotated in TextGrids.

    ROOT/sound/s01m16m1.flac           ten minutes; also .wav, or beside the TextGrid
    ROOT/label/s01m16m1.TextGrid       tiers utt.ortho., utt.prono., phoneme, pWord.Kortho. …

A name has the speaker (`s01`), gender (`m`), age (`16`), the interviewer's gender and the number of the part. Every
interval of the tier with speech is one utterance, a stretch of its recording. Intervals of silence, noise and of the
interviewer (`<IVER>`) are skipped and counted. In a text, `<LAUGH-그래서>` becomes 그래서 and other tags of sounds are
removed; the text as it was is kept in `extra` as `transcript`. Intervals with words that were made unrecognisable
(`<PRIVATE.INFO>`) or not understood (`<UNKNOWN>`) are rejected (`hidden_words=drop` keeps them without the tag).

CC BY-NC 2.0 (Yun et al. 2015), OpenSLR 113. Known faults: unknown tags (rejected), tiers named with and without a final
dot.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from soritune.corpus.reading.field_mapping import END, FieldValueError
from soritune.corpus.reading.folder_walk import walk_folders
from soritune.corpus.reading.outcomes import Outcome, ReadingError, Rejected, Skipped
from soritune.corpus.reading.textgrids import Interval, TextGridFile
from soritune.corpus.reading.value_reader import ReaderConfig, ValueReader
from soritune.corpus.sources.source import Source
from soritune.errors import ManifestError

NAME = re.compile(r"(?P<speaker>s\d+)(?P<gender>[mf])(?P<age>\d+)(?P<interviewer>[mf])(?P<part>\d+)", re.I)
_AUDIO = (".flac", ".wav")
_TAG = re.compile(r"<([^<>]*)>")
_SOUNDS = ("SIL", "NOISE", "VOCNOISE", "LAUGH")
_INTERVIEWER = "IVER"
_HIDDEN = ("PRIVATE.INFO", "UNKNOWN")


class SeoulCorpusConfig(ReaderConfig):
    """Which tier."""

    tier: str = "utt.ortho."
    """Tier of the utterances: `utt.ortho.` in standard spelling, `utt.prono.` as pronounced."""
    required: tuple[str, ...] = ("text",)
    """Utterance fields without which a row goes to quarantine."""
    language: str | None = "ko"
    """Language of the corpus."""


def read_corpus(root: Path, config: SeoulCorpusConfig) -> Iterator[Outcome]:
    """Yields the utterances of all TextGrids in order of their names.

    Raises:
        ManifestError: no TextGrid.
        SorituneError: praatio is not installed.
    """
    values = ValueReader.of(config, "Seoul Corpus", config.language)
    grids: dict[str, str] = {}
    audio: dict[str, str] = {}
    for folder in walk_folders(root, archives=True):
        yield from folder.outcomes
        for name in folder.names:
            stem, suffix = os.path.splitext(name)
            if suffix.lower() == ".textgrid":
                grids[stem] = folder.path_of(name)
            elif suffix.lower() in _AUDIO:
                audio[stem] = folder.path_of(name)
    if not grids:
        raise ManifestError("holds no TextGrid", path=root)
    for stem, path in sorted(grids.items()):
        if stem not in audio:
            yield Rejected(path, "has no recording of its name", stem, kind="recording-missing")
            continue
        yield from _file_rows(root, stem, path, audio[stem], values, config)
    for stem in sorted(audio.keys() - grids.keys()):
        yield Rejected(audio[stem], "has no TextGrid of its name", stem, kind="label-missing")


def _file_rows(
    root: Path, stem: str, path: str, audio: str, values: ValueReader, config: SeoulCorpusConfig
) -> Iterator[Outcome]:
    match = NAME.fullmatch(stem)
    if match is None:
        reason = "its name is not SPEAKER, gender, age, interviewer and part, as in s01m16m1"
        yield Rejected(path, reason, stem, kind="name-format")
        return
    about = match.groupdict()
    person = {"speaker": about["speaker"].lower(), "gender": about["gender"].lower(), "age": about["age"]}
    extra = {"interviewer": about["interviewer"].lower(), "part": int(about["part"])}
    try:
        intervals = list(TextGridFile(root / path).tier(config.tier))
    except ReadingError as error:
        yield Rejected(path, str(error), stem, kind=error.kind)
        return
    for interval in intervals:
        outcome = _interval_row(interval, stem, path, audio, {**person}, extra, values, config)
        if outcome is not None:
            yield outcome


def _interval_row(
    interval: Interval,
    stem: str,
    path: str,
    audio: str,
    given: dict[str, object],
    extra: dict[str, object],
    values: ValueReader,
    config: SeoulCorpusConfig,
) -> Outcome | None:
    """What an interval becomes; None for one without a label."""
    name = f"{stem}-{interval.start_s:.3f}"
    tags = [tag.strip() for tag in _TAG.findall(interval.text)]
    names = [tag.split("-", 1)[0].upper() for tag in tags]
    if not interval.text:
        return None
    if _INTERVIEWER in names:
        return Skipped("interval of the interviewer", 1, name, kind="interviewer")
    text, fault = _text(interval.text, drop_hidden=config.hidden_words == "drop")
    if fault is not None:
        return Rejected(audio, f"{path}, {interval.times}: {fault[1]}", name, kind=fault[0])
    if not text:
        return Skipped("interval without words", 1, name, kind="no-words")
    more = dict(extra) if text == interval.text else {**extra, "transcript": interval.text}
    given = {**given, "id": name, "text": text, "start_s": interval.start_s, END: interval.end_s}
    try:
        return values.utterance(given, name=name, audio=audio, extra=more)
    except FieldValueError as error:
        return Rejected(audio, f"{path}, {interval.times}: {error}", name, kind=error.kind)


def _text(written: str, *, drop_hidden: bool) -> tuple[str, tuple[str, str] | None]:
    """A text without its tags, and the kind and sentence of a fault."""
    for tag in _TAG.findall(written):
        name = tag.strip().split("-", 1)[0].upper()
        if name in _HIDDEN and not drop_hidden:
            return "", ("transcript-hidden", f"its text hides words that may be spoken: {written!r}")
        if name not in (*_SOUNDS, *_HIDDEN):
            return "", ("transcript-tag", f"'<{tag}>' is not a tag of this corpus")
    spoken = _TAG.sub(lambda match: f" {match[1].partition('-')[2]} ", written)
    return " ".join(spoken.split()), None


SOURCE = Source(
    SeoulCorpusConfig,
    read_corpus,
    "Seoul Corpus of spontaneous Korean: recordings with TextGrids (tier utt.ortho.)",
)
