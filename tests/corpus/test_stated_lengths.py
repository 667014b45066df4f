from __future__ import annotations

from soritune.corpus.stated_lengths import StatedLengths
from soritune.corpus.utterance import Utterance


def row(stated_s: float = 0.0, start_s: float | None = None, **extra: object) -> Utterance:
    return Utterance(id="a", audio="a.wav", duration_s=stated_s, start_s=start_s, extra=extra)


def test_segments_without_a_start_are_noted_with_the_name_of_the_start() -> None:
    lengths = StatedLengths()
    for _ in range(10):
        lengths.add(row(1.0, offset=1.0), 3.0)
    (note,) = lengths.notes()
    assert "in 10 of 10 rows" in note.reason and "start_s=offset" in note.reason


def test_unmapped_lengths_are_compared_too() -> None:
    lengths = StatedLengths()
    lengths.add(row(duration="1.0", start=0), 3.0)
    (note,) = lengths.notes()
    assert "start_s=start" in note.reason


def test_lengths_of_files_are_not_noted() -> None:
    lengths = StatedLengths()
    for number in range(100):
        lengths.add(row(3.05 if number else 1.0), 3.0)
        lengths.add(row(1.0, start_s=0.5), 1.0)
        lengths.add(row(), 3.0)
    assert not list(lengths.notes())
