"""Files of times: TextGrid (by the library praatio of the extra `textgrid`), CTM, CSV, subtitles (SRT, VTT)."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from soritune.assessment.timing import Interval, Tiers
from soritune.errors import OutputError, SorituneError, reason_of
from soritune.whole_file import whole_file

TierName = Literal["phones", "syllables", "words"]
CUE_PAUSE_S, CUE_LONGEST_S, CUE_LETTERS = 0.5, 6.0, 42
"""A subtitle ends at a pause of this length, and is no longer than this in seconds and in characters."""
_CTM_CHANNEL = "1"
CSV_COLUMNS = ("id", "tier", "start_s", "end_s", "text")
"""A line per word, syllable and phone; times are in seconds from the start of the clip."""


@dataclass(frozen=True, slots=True)
class TimeOutputs:
    """Where times are written; None leaves a format out."""

    textgrid: Path | None = None
    """Folder with a file per clip."""
    ctm: Path | None = None
    """One file for all clips."""
    srt: Path | None = None
    vtt: Path | None = None
    """Folders with a file per clip."""
    tier: TierName = "words"
    """What a line of CTM or a subtitle is made of."""
    csv: Path | None = None
    """One file for all clips, with the ids of the predictions and all tiers."""

    @property
    def any(self) -> bool:
        """Whether something is written."""
        return any((self.textgrid, self.ctm, self.srt, self.vtt, self.csv))

    def check(self) -> None:
        """Reports what is wrong before a model is loaded.

        Raises:
            SorituneError: the extra `textgrid` is not installed.
            OutputError: a folder that is a file, or a file that is a folder.
        """
        if self.textgrid is not None:
            _praatio()
        for folder in (self.textgrid, self.srt, self.vtt):
            if folder is not None and folder.exists() and not folder.is_dir():
                raise OutputError(f"{folder} is a file", "give a folder, which gets a file per clip")
        if self.ctm is not None and self.ctm.is_dir():
            raise OutputError(f"{self.ctm} is a folder", "give a file, such as times.ctm")
        if self.csv is not None and (self.csv.is_dir() or self.csv.suffix.lower() != ".csv"):
            raise OutputError(f"{self.csv} is not a .csv file", "give a file, such as times.csv")


@dataclass(slots=True)
class _Names:
    """A file name per clip: the last part of its id, with a number where several clips have the same."""

    used: set[str] = field(default_factory=set)

    def of(self, clip: str) -> str:
        base = Path(clip).stem.strip() or "clip"
        name, number = base, 1
        while name in self.used:
            number += 1
            name = f"{base}-{number}"
        self.used.add(name)
        return name


AddTimes = Callable[[str, Tiers, float], None]
"""Adds a clip: its id, its times, and its duration in seconds."""


@contextmanager
def time_files(outputs: TimeOutputs) -> Iterator[AddTimes]:
    """A function that writes the times of a clip to all files; those for all clips are written whole or not at all.

    Raises:
        OutputError: a path that cannot be written to.
    """
    with ExitStack() as stack:
        ctm = None
        if outputs.ctm is not None:
            part = stack.enter_context(whole_file(outputs.ctm))
            ctm = stack.enter_context(part.open("w", encoding="utf-8", newline="\n"))
        table = None
        if outputs.csv is not None:
            part = stack.enter_context(whole_file(outputs.csv))
            # Excel reads Hangul only with a byte order mark.
            table = csv.writer(
                stack.enter_context(
                    part.open("w", encoding="utf-8-sig", errors="backslashreplace", newline="")
                )
            )
            table.writerow(CSV_COLUMNS)
        for folder in (outputs.textgrid, outputs.srt, outputs.vtt):
            if folder is not None:
                _make_folder(folder)
        names = _Names()

        def add(clip: str, tiers: Tiers, duration_s: float) -> None:
            name = names.of(clip)
            if outputs.textgrid is not None:
                write_textgrid(outputs.textgrid / f"{name}.TextGrid", tiers, duration_s)
            if ctm is not None:
                ctm.write(ctm_text(name, _tier(tiers, outputs.tier)))
            if table is not None:
                table.writerows(
                    (clip, tier, each.start_s, each.end_s, each.text)
                    for tier, intervals in tiers.named()
                    for each in intervals
                )
            if outputs.srt is not None:
                _write(outputs.srt / f"{name}.srt", srt_text(_tier(tiers, outputs.tier)))
            if outputs.vtt is not None:
                _write(outputs.vtt / f"{name}.vtt", vtt_text(_tier(tiers, outputs.tier)))

        yield add


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{folder} cannot be made ({reason_of(error)})") from error


def _write(path: Path, text: str) -> None:
    with whole_file(path) as part:
        part.write_text(text, encoding="utf-8", newline="\n")


def _tier(tiers: Tiers, name: TierName) -> Sequence[Interval]:
    """A tier, or the phones if the clip does not have it."""
    tier: Sequence[Interval] = getattr(tiers, name)
    return tier or tiers.phones


def write_textgrid(path: Path, tiers: Tiers, duration_s: float) -> None:
    """A TextGrid in the long format with a tier of words, of syllables and of phones, as far as there are any.

    Raises:
        SorituneError: the extra `textgrid` is not installed.
        OutputError: the path cannot be written to.
    """
    library = _praatio()
    grid = library.Textgrid(0, duration_s)
    for name, intervals in [*tiers.named()] or [("phones", ())]:
        entries = [(each.start_s, each.end_s, each.text) for each in intervals if each.end_s > each.start_s]
        grid.addTier(library.IntervalTier(name, entries, 0, duration_s))
    with whole_file(path) as part:
        grid.save(str(part), format="long_textgrid", includeBlankSpaces=True, reportingMode="silence")


def _praatio() -> Any:
    try:
        from praatio import textgrid
    except ImportError as error:
        raise SorituneError(
            "TextGrid files need the library praatio: pip install 'soritune[textgrid]'"
        ) from error
    return textgrid


def ctm_text(name: str, intervals: Sequence[Interval]) -> str:
    """Lines of a CTM file (NIST): recording, channel, start and duration in seconds, text."""
    lines = []
    for each in intervals:
        seconds = f"{each.start_s:.3f} {each.end_s - each.start_s:.3f}"
        lines.append(f"{_one_token(name)} {_CTM_CHANNEL} {seconds} {_one_token(each.text)}\n")
    return "".join(lines)


def _one_token(text: str) -> str:
    return "_".join(text.split()) or "_"


def cues(intervals: Sequence[Interval]) -> list[Interval]:
    """Words as subtitles: a cue ends at a pause, or before it becomes too long to be read."""
    made: list[list[Interval]] = []
    for each in intervals:
        if made:
            cue = made[-1]
            letters = sum(len(word.text) + 1 for word in cue) + len(each.text)
            if (
                each.start_s - cue[-1].end_s < CUE_PAUSE_S
                and each.end_s - cue[0].start_s <= CUE_LONGEST_S
                and letters <= CUE_LETTERS
            ):
                cue.append(each)
                continue
        made.append([each])
    return [Interval(" ".join(word.text for word in cue), cue[0].start_s, cue[-1].end_s) for cue in made]


def srt_text(intervals: Sequence[Interval]) -> str:
    """SubRip subtitles of words."""
    return "".join(
        f"{number}\n{_clock(cue.start_s, ',')} --> {_clock(cue.end_s, ',')}\n{cue.text}\n\n"
        for number, cue in enumerate(cues(intervals), 1)
    )


def vtt_text(intervals: Sequence[Interval]) -> str:
    """WebVTT subtitles of words."""
    escaped = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
    return "WEBVTT\n\n" + "".join(
        f"{_clock(cue.start_s, '.')} --> {_clock(cue.end_s, '.')}\n{cue.text.translate(escaped)}\n\n"
        for cue in cues(intervals)
    )


def _clock(seconds: float, point: str) -> str:
    """Hours, minutes, seconds and milliseconds.

    >>> _clock(3723.0456, ",")
    '01:02:03,046'
    """
    milliseconds = round(seconds * 1000)
    minutes, rest = divmod(milliseconds, 60_000)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{rest // 1000:02}{point}{rest % 1000:03}"
