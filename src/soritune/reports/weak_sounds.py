"""Which phones have the most errors, counted over the answers of an assessment."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from soritune.metrics.share_interval import wilson

Answer = Mapping[str, Any]
_MERGED = ("ㅐ/ㅔ", "ㅒ/ㅖ", "ㅚ/ㅙ/ㅞ")
_NAMES = {letter: name for name in _MERGED for letter in name.split("/")}
ERRORS = ("substitution", "deletion")
"""Kinds of phones that are errors; unclear ones are neither right nor wrong."""


@dataclass(slots=True)
class Sound:
    """How often one expected phone was right."""

    letter: str
    """Its name in tables (`sound_name`)."""
    is_final: bool
    """Whether it is at the end of a syllable."""
    total: int = 0
    """How often it was judged: unclear ones are left out."""
    errors: int = 0
    recognised: Counter[str | None] = field(default_factory=Counter)
    """The names of those that were recognised instead; None for a missing phone."""
    example: tuple[str, str | None] | None = None
    """The answer's id and the word of its least probable error."""
    _least: float = math.inf

    @property
    def interval(self) -> tuple[float, float]:
        """The Wilson interval of 95 % of the share of errors."""
        return wilson(self.errors, self.total)

    def add(self, answer: Answer, word: Mapping[str, Any], phone: Mapping[str, Any]) -> None:
        """Counts one phone."""
        if phone["kind"] not in (*ERRORS, "correct"):
            return
        self.total += 1
        if phone["kind"] in ERRORS:
            self.errors += 1
            heard = phone["recognised_letter"]
            self.recognised[None if heard is None else sound_name(heard)] += 1
            if phone["probability"] < self._least:
                self._least, self.example = phone["probability"], (answer["id"], word["text"])


def sound_name(letter: str) -> str:
    """A sound by all the letters that are pronounced as it, so that it has one name whatever a text writes.

    >>> [sound_name(letter) for letter in ("ㅙ", "ㅚ", "ㄱ", "AH")]
    ['ㅚ/ㅙ/ㅞ', 'ㅚ/ㅙ/ㅞ', 'ㄱ', 'AH']
    """
    return _NAMES.get(letter, letter)


def sound_key(phone: Mapping[str, Any]) -> str:
    """The sound that a phone is counted with: its symbol, and whether it is final. Both onsets of ㄹ are one sound."""
    if phone["position"] == "coda":
        return f"{phone['expected']}-"
    return "R" if (phone["expected"], phone["letter"]) == ("L", "ㄹ") else str(phone["expected"])


def phones_of(answer: Answer) -> Iterator[tuple[Mapping[str, Any], Mapping[str, Any]]]:
    """The words and phones of an answer; none if the recording was not assessed."""
    for word in answer["words"] or ():
        for syllable in word["syllables"]:
            for phone in syllable["phones"]:
                yield word, phone


def sounds_of(answers: Iterable[Answer]) -> dict[str, Sound]:
    """Every phone that was judged, by its `sound_key`, with what was recognised instead. Words that were not heard say
    nothing about sounds."""
    sounds: dict[str, Sound] = {}
    for answer in answers:
        for word, phone in phones_of(answer):
            if word.get("kind") == "not-heard":
                continue
            sound = sounds.setdefault(
                sound_key(phone), Sound(sound_name(phone["letter"]), phone["position"] == "coda")
            )
            sound.add(answer, word, phone)
    return sounds


def weakest(sounds: Mapping[str, Sound]) -> list[tuple[str, Sound]]:
    """Those with errors, the weakest one first: by the lower end of the interval, so that a rare phone with one error
    does not come before a frequent one with many."""
    wrong = [(symbol, sound) for symbol, sound in sounds.items() if sound.errors]
    return sorted(wrong, key=lambda pair: (-pair[1].interval[0], pair[0]))


def right_share(sounds: Mapping[str, Sound]) -> tuple[int, int]:
    """How many phones were right, and how many were judged."""
    total = sum(sound.total for sound in sounds.values())
    return total - sum(sound.errors for sound in sounds.values()), total
