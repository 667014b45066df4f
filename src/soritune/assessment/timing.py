"""When phones, syllables and words are spoken: from the frames of an alignment to seconds.

A CTC output is peaky: a phone has its label in one or two frames, and blanks fill the rest of its sound. The frames
between two phones are therefore divided between them, unless they are a pause: then a phone keeps a short part of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from soritune.assessment.alignment import Alignment, LogProbabilities, viterbi
from soritune.korean import KOREAN, WORD_BOUNDARY, hangul_pieces

PAUSE_S = 0.2
"""Two phones with more time than this between their labels have a pause between them."""
KEPT_S = 0.06
"""Time that a phone keeps of a pause beside it."""
DIGITS = 3
"""Decimals of times in seconds."""
KOREAN_SYMBOLS = frozenset(KOREAN.symbols)


@dataclass(frozen=True, slots=True)
class FrameTimes:
    """The times of the frames of one clip."""

    first_s: float
    """Where frame 0 begins."""
    rate_hz: float
    duration_s: float

    def start(self, frame: float) -> float:
        """Where a frame begins, inside the clip."""
        return min(max(self.first_s + frame / self.rate_hz, 0.0), self.duration_s)


@dataclass(frozen=True, slots=True)
class Interval:
    """A phone, syllable or word with its times in the clip."""

    text: str
    start_s: float
    end_s: float

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return {"text": self.text, "start_s": self.start_s, "end_s": self.end_s}


@dataclass(frozen=True, slots=True)
class Tiers:
    """The times of an utterance. A tier is empty where the phones do not show it."""

    phones: tuple[Interval, ...] = ()
    syllables: tuple[Interval, ...] = ()
    """Pronounced Hangul; single letters where the phones make no syllable. Of Korean phones alone."""
    words: tuple[Interval, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """`{"phones": [{"text", "start_s", "end_s"}, …], "syllables": […], "words": […]}`."""
        return {name: [part.to_json() for part in getattr(self, name)] for name in TIERS}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Tiers:
        """Reads what `to_json` wrote."""
        return cls(
            **{
                name: tuple(Interval(part["text"], part["start_s"], part["end_s"]) for part in content[name])
                for name in TIERS
            }
        )

    def named(self) -> list[tuple[str, tuple[Interval, ...]]]:
        """The tiers that are not empty, from words to phones."""
        return [(name, tier) for name in reversed(TIERS) if (tier := getattr(self, name))]


TIERS = ("phones", "syllables", "words")


def span(parts: Sequence[Interval], text: str) -> Interval:
    """The interval from the first part to the last one."""
    return Interval(text, parts[0].start_s, parts[-1].end_s)


def phone_times(
    symbols: Sequence[str], alignment: Alignment, frames: FrameTimes, *, pause_s: float = PAUSE_S
) -> list[Interval]:
    """The times of the phones of an aligned sequence, without its word boundaries.

    Args:
        symbols: of the alignment, phones and word boundaries.
        alignment: their frames.
        frames: the times of the frames.
        pause_s: longer times between two labels are pauses.
    """
    kept = [index for index, symbol in enumerate(symbols) if symbol != WORD_BOUNDARY]
    starts = [frames.start(int(alignment.first_frames[index])) for index in kept]
    ends = [frames.start(int(alignment.last_frames[index]) + 1) for index in kept]
    bounds: list[tuple[float, float]] = []
    """The end of each phone, and the start of the next one."""
    for end, following in zip(ends, [*starts[1:], frames.duration_s], strict=False):
        bounds.append(_shared(end, following, pause_s))
    if bounds:
        last = ends[-1]
        bounds[-1] = (min(last + KEPT_S, frames.duration_s), frames.duration_s)
    first = max(starts[0] - KEPT_S, 0.0) if starts else 0.0
    begins = [first, *(following for _, following in bounds[:-1])]
    return [
        Interval(symbols[index], round(start, DIGITS), round(end, DIGITS))
        for index, start, (end, _) in zip(kept, begins, bounds, strict=False)
    ]


def _shared(end: float, following: float, pause_s: float) -> tuple[float, float]:
    """Where one phone ends and the next one begins, given the end and the beginning of their labels."""
    if following - end > pause_s:
        return end + KEPT_S, following - KEPT_S
    middle = (end + following) / 2
    return middle, middle


def recognised_tiers(
    symbols: Sequence[str],
    log_probabilities: LogProbabilities,
    labels: Sequence[str],
    blank: int,
    frames: FrameTimes,
) -> Tiers:
    """The times of recognised phones, of their syllables and of the words between their word boundaries.

    Args:
        symbols: what a decoder read from the output.
        log_probabilities: (frames, labels) of the output.
        labels: label of each column.
        blank: index of the blank.
        frames: the times of the frames.

    Raises:
        TaskError: the symbols cannot be aligned with the output.
    """
    column = {label: index for index, label in enumerate(labels)}
    alignment = viterbi(log_probabilities, [column[symbol] for symbol in symbols], blank)
    phones = phone_times(symbols, alignment, frames)
    is_korean = KOREAN_SYMBOLS.issuperset(symbol for symbol in symbols if symbol != WORD_BOUNDARY)
    syllables: list[Interval] = []
    if is_korean:
        at = 0
        for text, size in hangul_pieces(symbols):
            if text != " ":
                syllables.append(span(phones[at : at + size], text))
                at += size
    if WORD_BOUNDARY not in column:
        return Tiers(tuple(phones), tuple(syllables))
    words: list[Interval] = []
    at = 0
    for word in _words(symbols):
        text = "".join(piece for piece, _ in hangul_pieces(word)) if is_korean else " ".join(word)
        words.append(span(phones[at : at + len(word)], text))
        at += len(word)
    return Tiers(tuple(phones), tuple(syllables), tuple(words))


def _words(symbols: Sequence[str]) -> list[list[str]]:
    words: list[list[str]] = [[]]
    for symbol in symbols:
        if symbol == WORD_BOUNDARY:
            words.append([])
        else:
            words[-1].append(symbol)
    return [word for word in words if word]
