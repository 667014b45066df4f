"""Data folders of Kaldi and ESPnet: `wav.scp`, `segments`, `text`, `utt2spk` and files such as `spk2gender`.

Each line has a key, blanks, and a value. Without `segments` the keys of `wav.scp` are utterances, with it they are
recordings. A value of `wav.scp` that is a command (it ends in `|`) is never run.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from soritune.corpus.reading.field_mapping import END
from soritune.corpus.reading.outcomes import Note, Rejected
from soritune.corpus.reading.text_encoding import EncodingError, decode_text
from soritune.errors import ManifestError, reason_of
from soritune.korean.hangul import composed

WAV_SCP = "wav.scp"
FIELDS = {
    "spk": "speaker",
    "gender": "gender",
    "age": "age",
    "lang": "language",
    "language": "language",
    "emo": "emotion",
    "emotion": "emotion",
    "label": "emotion",
}
"""X of a file `utt2X` or `spk2X` → utterance field; any other X is a name in `extra`."""
UNREAD = ("utt", "dur", "uniq", "num_frames", "num_samples", "category", "sid")
"""X of files that repeat others, or that the audio itself answers."""
_SIDES = {"A": 0, "B": 1}
_ARCHIVE = re.compile(r"\.(ark|scp|h5|npz):\S+$|\.ark(\[.*\])?$")


@dataclass(frozen=True, slots=True)
class KaldiRow:
    """One utterance of a data folder, as it is written there."""

    id: str
    audio: str
    given: Mapping[str, Any]
    """Utterance field (and `end_s`) → text."""
    extra: Mapping[str, Any]
    location: str
    """File and line, for messages."""


@dataclass
class _Table:
    """The lines of one file by their keys."""

    file: str
    values: dict[str, tuple[int, str]] = field(default_factory=dict)
    """Key → line and value; a repeated key keeps its first line."""
    faults: list[Rejected] = field(default_factory=list)

    def get(self, key: str | None) -> str | None:
        """The value of a key."""
        return None if key is None or key not in self.values else self.values[key][1]

    def place(self, key: str) -> str:
        """File and line of a key."""
        return f"{self.file} line {self.values[key][0]}"


def read_folder(folder: Path, name: str) -> Iterator[KaldiRow | Rejected | Note]:
    """The utterances of a data folder in the order of its files.

    Args:
        folder: has a `wav.scp`.
        name: of the folder, for messages.

    Raises:
        ManifestError: a file cannot be read, or is in an unknown encoding.
    """
    scp = _table(folder, WAV_SCP, name)
    segments = _table(folder, "segments", name) if (folder / "segments").is_file() else None
    channels = _table(folder, "reco2file_and_channel", name)
    texts, has_texts = _table(folder, "text", name), (folder / "text").is_file()
    of_utterance, of_speaker = _attributes(folder, name, "utt2"), _attributes(folder, name, "spk2")
    for table in (
        scp,
        channels,
        texts,
        *of_utterance.values(),
        *of_speaker.values(),
        *([segments] if segments else []),
    ):
        yield from table.faults
    used = set[str]()
    for utterance in scp.values if segments is None else segments.values:
        stretch = _Stretch(utterance, (segments or scp).place(utterance))
        if segments is not None:
            fault = stretch.read(segments.values[utterance][1], channels)
            if fault is not None:
                yield fault
                continue
        written = scp.get(stretch.recording)
        if written is None:
            reason = f"{stretch.location}: the recording '{stretch.recording}' is not in {WAV_SCP}"
            yield Rejected(stretch.recording, reason, utterance, kind="recording-missing")
            continue
        used.add(stretch.recording)
        place = scp.place(stretch.recording)
        if (problem := _problem(written)) is not None:
            yield Rejected(written, f"{place}: {problem[1]}", utterance, kind=problem[0])
            continue
        if has_texts and utterance not in texts.values:
            yield Note(
                f"utterance without a line in {texts.file} (kept, without a text)",
                1,
                utterance,
                kind="text-line-missing",
            )
        given, extra = _known(utterance, of_utterance, of_speaker)
        given |= {"id": utterance, "text": texts.get(utterance), **stretch.given}
        yield KaldiRow(utterance, written, given, extra, stretch.location)
    every = (scp if segments is None else segments).values
    for utterance in texts.values:
        if utterance not in every:
            yield Rejected(
                utterance, f"{texts.place(utterance)}: has no recording", utterance, kind="recording-missing"
            )
    if segments is not None and (rest := [key for key in scp.values if key not in used]):
        yield Note(
            f"recording in {scp.file} without a segment (not read)",
            len(rest),
            rest[0],
            kind="segment-missing",
        )


@dataclass
class _Stretch:
    """Where an utterance is: its recording, and its times and channel if it has a line in `segments`."""

    recording: str
    location: str
    given: dict[str, Any] = field(default_factory=dict)

    def read(self, value: str, channels: _Table) -> Rejected | None:
        """Reads a line of `segments`; returns the fault of a line that is not `recording start end`."""
        utterance, parts = self.recording, value.split()
        if len(parts) not in (3, 4):
            reason = f"{self.location}: expected UTTERANCE RECORDING START END, got {1 + len(parts)} words"
            return Rejected(utterance, reason, utterance, kind="segment-format")
        self.recording, start, end = parts[:3]
        # Kaldi writes -1 for the end of the recording; from 0 to -1 is the whole recording.
        is_open = end in ("-1", "-1.0")
        if not (is_open and re.fullmatch(r"0+(\.0*)?", start)):
            self.given = {"start_s": start, END: None if is_open else end}
        side = (channels.get(self.recording) or "").split()[-1:]
        if side and (side[0] in _SIDES or side[0].isdecimal()):
            self.given["channel"] = _SIDES[side[0]] if side[0] in _SIDES else int(side[0]) - 1
        return None


def _problem(written: str) -> tuple[str, str] | None:
    """Kind and sentence about a value of wav.scp that is not a file; None for a path."""
    if written.endswith("|") or written.startswith("|"):
        return (
            "audio-command",
            f"is a command ({written[:60]!r}), and commands of a data folder are never run; write its output to a file "
            "and name the file here",
        )
    if _ARCHIVE.search(written):
        return (
            "audio-archive",
            f"is inside a Kaldi archive ({written[:60]!r}); extract it to audio files first",
        )
    if not written or written == "-":
        return "audio-unnamed", "names no audio file"
    return None


def _known(
    utterance: str, of_utterance: Mapping[str, _Table], of_speaker: Mapping[str, _Table]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Utterance fields, and names in `extra`, of an utterance: from `utt2X`, else from `spk2X` of its speaker."""
    speaker = of_utterance["spk"].get(utterance) if "spk" in of_utterance else None
    given: dict[str, Any] = {}
    extra: dict[str, Any] = {}
    for name in (*of_utterance, *of_speaker):
        value = of_utterance[name].get(utterance) if name in of_utterance else None
        if value is None and name in of_speaker:
            value = of_speaker[name].get(speaker)
        if value is None:
            continue
        if name in FIELDS:
            given.setdefault(FIELDS[name], value)
        else:
            extra.setdefault(name, value)
    return given, extra


def _attributes(folder: Path, name: str, prefix: str) -> dict[str, _Table]:
    """X → the file `utt2X` or `spk2X`, for those that are read."""
    files = sorted(path.name for path in folder.glob(f"{prefix}*") if path.is_file() and "." not in path.name)
    names = [file.removeprefix(prefix) for file in files]
    return {
        short: _table(folder, f"{prefix}{short}", name) for short in names if short and short not in UNREAD
    }


def _table(folder: Path, file: str, name: str) -> _Table:
    """The lines of a file; empty if the folder does not have it.

    Raises:
        ManifestError: it cannot be read, or is in an unknown encoding.
    """
    shown = f"{name}/{file}" if name else file
    table, path = _Table(shown), folder / file
    if not path.is_file():
        return table
    try:
        text = decode_text(path.read_bytes())
    except OSError as error:
        raise ManifestError(f"cannot be read ({reason_of(error)})", path=path) from error
    except EncodingError as error:
        raise ManifestError(str(error), path=path) from error
    for number, line in enumerate(text.split("\n"), start=1):
        parts = composed(line).strip().split(maxsplit=1)
        if not parts:
            continue
        key, value = parts[0], parts[1] if len(parts) > 1 else ""
        if key in table.values:
            first = table.values[key][0]
            reason = f"{shown} line {number}: '{key}' is already on line {first}; the first line counts"
            table.faults.append(Rejected(key, reason, key, kind="key-repeated"))
        else:
            table.values[key] = (number, value)
    return table
