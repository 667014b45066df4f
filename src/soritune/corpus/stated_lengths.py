"""Lengths that a corpus states for whole files, compared with the files: segments whose start was not read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from soritune.corpus.reading.outcomes import Note
from soritune.corpus.utterance import Utterance

DIFFERS = "length-stated"
"""Kind of the note."""
_USUAL_STARTS = (
    "offset",
    "start",
    "begin",
    "start_time",
    "begin_time",
    "onset",
    "start_sec",
    "시작",
    "시작시간",
)
_USUAL_LENGTHS = ("duration", "duration_s", "length", "dur", "stated_duration_s")
_LEAST_SHARE = 0.05
"""Share of whole files from which differences are noted; single ones are usual."""


@dataclass
class StatedLengths:
    """Counts the rows whose stated length differs from that of their file."""

    rows: int = 0
    differing: int = 0
    example: str = ""
    start_name: str = ""
    """A name in the corpus's rows that may be that of the start."""

    def add(self, utterance: Utterance, duration_s: float) -> None:
        """Compares a row as the corpus has it with the length of its file, if the row is a whole file."""
        if utterance.start_s is not None:
            return
        self.rows += 1
        extra = utterance.extra
        in_extra = (_number(extra.get(name)) for name in _USUAL_LENGTHS)
        seconds = utterance.duration_s or next((number for number in in_extra if number), 0.0)
        if not 0 < seconds < float("inf"):
            return
        # As `check` compares the lengths of manifests with those of decoded files.
        if abs(seconds - duration_s) > max(0.1, 0.02 * duration_s):
            self.differing += 1
            self.example = (
                self.example or f"{utterance.audio}: {seconds:g} s, and {duration_s:.3f} s in the file"
            )
            names = {name.casefold(): name for name in extra}
            self.start_name = self.start_name or next((names[n] for n in _USUAL_STARTS if n in names), "")

    def notes(self) -> Iterator[Note]:
        """One note if many stated lengths differ."""
        if self.differing and self.differing >= _LEAST_SHARE * self.rows:
            reason = (
                f"the stated duration differs from that of the file in {self.differing:,} of {self.rows:,} rows; "
                f"if they are segments, name the field with their start: start_s={self.start_name or 'NAME'}"
            )
            yield Note(reason, self.differing, self.example, kind=DIFFERS)


def _number(value: object) -> float:
    """The number in a value; 0 without one."""
    try:
        return float(value) if isinstance(value, (int, float, str)) and not isinstance(value, bool) else 0.0
    except ValueError:
        return 0.0
