"""Common reductions of native speakers, which are not errors: the list in `reductions.yaml`, with where each applies.

They were chosen on what a recogniser calls wrong in half of the native speakers of two corpora, as far as it is known
from descriptions of Korean; docs/assessment.md has the figures of the other half.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import yaml

from soritune.assessment.expected import UI, Expected, ExpectedPhone
from soritune.korean import KOREAN

NONE = "-"
"""A phone that is left out."""
START, END = "start", "end"
"""Borders of a word, among its neighbours."""
H = "H"
_VOWELS = frozenset(phone.symbol for phone in KOREAN.phones if phone.position == "vowel")
_CONSONANTS = frozenset(KOREAN.symbols) - _VOWELS
CLASSES: Mapping[str, frozenset[str]] = {
    "vowel": _VOWELS,
    "consonant": _CONSONANTS,
    "obstruent": _CONSONANTS - {"N", "M", "NG", "R", "L", H},
}
"""Names that the list uses for sets of phones."""


@dataclass(frozen=True, slots=True)
class Reduction:
    """One line of the list."""

    id: str
    ko: str
    en: str
    accepted: Mapping[str, str | None]
    """Expected phone to what is spoken instead; None for nothing."""
    neighbours: Mapping[int, frozenset[str]]
    """Position relative to the phone to the phones that may be there."""
    across_words: bool
    same_vowel: bool

    def applies(self, phones: Sequence[ExpectedPhone], at: int, symbol: str) -> bool:
        """Whether it applies to a phone in its place, expected as this symbol."""
        if symbol not in self.accepted:
            return False
        if self.same_vowel and not _has_same_vowel(phones, at):
            return False
        return all(
            _neighbour(phones, at, step, self.across_words) in allowed
            for step, allowed in self.neighbours.items()
        )


@cache
def reductions() -> tuple[Reduction, ...]:
    """The list."""
    entries = yaml.safe_load((files("soritune.assessment") / "reductions.yaml").read_text(encoding="utf-8"))
    return tuple(_reduction(entry) for entry in entries)


@cache
def reduction_titles() -> Mapping[str, Mapping[str, str]]:
    """Id to the description by language, that of the first line with this id."""
    titles: dict[str, Mapping[str, str]] = {}
    for each in reductions():
        titles.setdefault(each.id, {"ko": each.ko, "en": each.en})
    return titles


def accepted_reductions(expected: Expected) -> list[dict[str | None, str]]:
    """Per phone, what native speakers say in its place, and the id of the reduction. Nothing for other languages.

    A ㅢ has its reductions also where another form of it fits the recording best and is expected (주의 as 주이).
    """
    phones = expected.phones
    found: list[dict[str | None, str]] = [{} for _ in phones]
    if any(phone.symbol not in KOREAN.symbols for phone in phones):
        return found
    for at, phone in enumerate(phones):
        for symbol in [phone.symbol, UI] if expected.may_be(at, UI) else [phone.symbol]:
            for each in reductions():
                if each.applies(phones, at, symbol):
                    found[at].setdefault(each.accepted[symbol], each.id)
    return found


def _neighbour(phones: Sequence[ExpectedPhone], at: int, step: int, across_words: bool) -> str:
    other = at + step
    edge = START if step < 0 else END
    if not 0 <= other < len(phones):
        return edge
    return phones[other].symbol if across_words or phones[other].word == phones[at].word else edge


def _has_same_vowel(phones: Sequence[ExpectedPhone], at: int) -> bool:
    before = _neighbour(phones, at, -1, False)
    if before == H:
        before = _neighbour(phones, at, -2, False)
    return before == phones[at].symbol


def _reduction(entry: Mapping[str, Any]) -> Reduction:
    accepted = entry["accepted"]
    if len(accepted) == 1:
        accepted = accepted * len(entry["expected"])
    keys = {-2: "before-that", -1: "before", 1: "after", 2: "after-that"}
    return Reduction(
        entry["id"],
        entry["ko"],
        entry["en"],
        {
            symbol: None if spoken == NONE else spoken
            for symbol, spoken in zip(entry["expected"], accepted, strict=True)
        },
        {step: _phones(entry[key]) for step, key in keys.items() if key in entry},
        entry.get("across-words", False),
        entry.get("same-vowel", False),
    )


def _phones(names: Sequence[str]) -> frozenset[str]:
    return frozenset().union(*(CLASSES.get(name, frozenset({name})) for name in names))
