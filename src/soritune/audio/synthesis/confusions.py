"""Which phones learners of Korean take for which, and what they leave out or put in. Next: `mispronunciations.py`.

Chinese learners say a third of the taps as laterals and a third of the laterals as something else (Yang, Ryu & Chung
2015, "A corpus-based analysis of Korean segments produced by Chinese learners", APSIPA). Japanese learners take lax
and aspirated stops for one another (Hwang, Cho & Kim 2002, Malsori 44), leave consonants out and put vowels in where
their language has no such syllable, as 김치 [기무치] (Hong, Kim & Chung 2013, "A corpus-based analysis of Korean
segments produced by Japanese learners", SLaTE). The three series of stops and affricates, ㅅ and ㅆ, ㅓ and ㅗ, ㅡ and
ㅜ, ㅐ and ㅏ, glides, the codas and ㅎ are what courses of pronunciation drill. The weights are a choice and no
measurement: nothing that comes of them is about real learners.

An error makes of a phone only what espeak-ng says otherwise. What two accents of its voices share is never one: ㅡ ㅣ
for ㅢ, a longer tense stop, an ㄹ that is l after a pause.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from soritune.korean.phones import KOREAN, WORD_BOUNDARY

GAP = "sil"
"""Stands in canonical at an insertion, in perceived at a deletion."""
Label = Literal["C", "S", "D", "I"]
Step = tuple[str, str, Label]
"""Canonical and perceived symbol at one place, and its label."""

_VOWELS = frozenset(phone.symbol for phone in KOREAN.phones if phone.position == "vowel")
_ONSETS: dict[str, dict[str, float]] = {
    **{lax: {tense: 1.0, aspirated: 1.0} for lax, tense, aspirated in (
        ("G", "GG", "Kh"), ("D", "DD", "Th"), ("B", "BB", "Ph"), ("J", "JJ", "CHh"))},
    **{tense: {lax: 1.0, aspirated: 0.6} for lax, tense, aspirated in (
        ("G", "GG", "Kh"), ("D", "DD", "Th"), ("B", "BB", "Ph"), ("J", "JJ", "CHh"))},
    **{aspirated: {lax: 1.0, tense: 0.6} for lax, tense, aspirated in (
        ("G", "GG", "Kh"), ("D", "DD", "Th"), ("B", "BB", "Ph"), ("J", "JJ", "CHh"))},
    "S": {"SS": 1.0}, "SS": {"S": 1.0}, "R": {"L": 1.0, "N": 0.4}, "N": {"R": 1.0},
}  # fmt: skip
_CODAS: dict[str, dict[str, float]] = {
    "N": {"NG": 1.0, "M": 0.4}, "NG": {"N": 1.0, "M": 0.3}, "M": {"N": 0.6, "NG": 0.4},
    "k": {"t": 0.6, "p": 0.4}, "t": {"k": 0.6, "p": 0.4}, "p": {"t": 0.6, "k": 0.4}, "L": {"N": 1.0},
}  # fmt: skip
_OF_VOWELS: dict[str, dict[str, float]] = {
    "EO": {"O": 1.0, "A": 0.3}, "O": {"EO": 0.8, "U": 0.4}, "EU": {"U": 1.0, "EO": 0.2}, "U": {"EU": 0.8, "O": 0.3},
    "E": {"A": 1.0}, "A": {"EO": 0.6, "E": 0.4}, "iEO": {"iO": 1.0, "EO": 0.3}, "iO": {"iEO": 0.8, "O": 0.3},
    "iA": {"A": 1.0}, "iU": {"U": 1.0}, "iE": {"E": 1.0}, "oA": {"A": 1.0, "O": 0.3}, "oE": {"E": 0.6, "O": 0.4},
    "uEO": {"O": 0.7, "EO": 0.5}, "uI": {"I": 0.7, "U": 0.5}, "euI": {"I": 0.8, "EU": 0.6},
}  # fmt: skip
"""Canonical → what is said for it, with weights."""
_EPENTHETIC: dict[str, tuple[tuple[str, str], ...]] = {
    "k": (("G", "EU"), ("Kh", "EU")), "t": (("D", "EU"), ("Th", "EU")), "p": (("B", "EU"), ("Ph", "EU")),
    "L": (("R", "EU"),), "N": (("N", "EU"),), "M": (("M", "EU"), ("M", "U")),
}  # fmt: skip
"""Coda → onset and vowel that are said for it."""
DIFFICULTY = {"series": 1.0, "sibilant": 0.8, "vowel": 0.9, "open vowel": 0.25, "glide": 0.6, "liquid": 0.9}
DIFFICULTY |= {"nasal": 0.15, "coda": 1.0, "h": 0.7}
"""How often phones of a family are wrong, against one another."""


def possible_errors(phrase: Sequence[str], place: int) -> list[tuple[float, tuple[Step, ...]]]:
    """What may be said for the phone at `place`: weight among its kind, and the positions it becomes.

    The kind is the last label that is not C: S, D or I.
    """
    phone = phrase[place]
    if phone == WORD_BOUNDARY:
        return []
    before = phrase[place - 1] if place else WORD_BOUNDARY
    after = phrase[place + 1] if place + 1 < len(phrase) else WORD_BOUNDARY
    found: list[tuple[float, tuple[Step, ...]]] = []
    if phone in _VOWELS:
        for said, weight in _OF_VOWELS.get(phone, {}).items():
            # ㅡ ㅣ is ㅢ in half of the voices: no error makes it.
            if not (
                (said == "EU" and _makes_ui(after, phrase, place))
                or (said == "I" and before in ("EU", "euI"))
            ):
                found.append((weight, ((phone, said, "S"),)))
        return found
    if not _is_coda(phone, after):
        for said, weight in _ONSETS.get(phone, {}).items():
            free = before in _VOWELS or (before == WORD_BOUNDARY and said != "L")
            if phone not in ("N", "R") or free:
                found.append((weight, ((phone, said, "S"),)))
        linked = before in (*_VOWELS, "N", "M", "NG", WORD_BOUNDARY)
        if phone == "H" and linked and not (before in ("EU", "U", "euI") and after in ("I", "uI", "euI")):
            found.append((1.0, ((phone, GAP, "D"),)))
        return found
    if not (phone == "NG" and before in ("EU", "U", "euI") and after in ("I", "uI", "euI")):
        found.append((1.0, ((phone, GAP, "D"),)))
    if after == "L":
        return found  # ㄹㄹ: one of them may be missing
    found += [(weight, ((phone, said, "S"),)) for said, weight in _CODAS.get(phone, {}).items()]
    if after != "H":
        for onset, vowel in _EPENTHETIC.get(phone, ()):
            first: Step = (phone, onset, "C" if onset == phone else "S")
            found.append((1.0, (first, (GAP, vowel, "I"))))
    return found


def _makes_ui(after: str, phrase: Sequence[str], place: int) -> bool:
    """Whether ㅡ at this place would be followed by ㅣ, or by what may become one."""
    further = phrase[place + 2] if place + 2 < len(phrase) else ""
    return after in ("I", "uI", "euI") or (after in ("H", "NG") and further in ("I", "uI", "euI"))


def _is_coda(phone: str, after: str) -> bool:
    return phone in ("k", "t", "p", "NG") or after not in _VOWELS


def family(phrase: Sequence[str], place: int) -> str:
    """The family of a phone; empty for a boundary."""
    phone = phrase[place]
    after = phrase[place + 1] if place + 1 < len(phrase) else WORD_BOUNDARY
    if phone == WORD_BOUNDARY:
        return ""
    if phone in _VOWELS:
        return (
            "open vowel"
            if phone in ("A", "E", "I")
            else "vowel"
            if phone in ("EO", "O", "EU", "U")
            else "glide"
        )
    if _is_coda(phone, after):
        return "coda"
    return {
        "S": "sibilant",
        "SS": "sibilant",
        "R": "liquid",
        "L": "liquid",
        "N": "nasal",
        "M": "nasal",
        "H": "h",
    }.get(phone, "series")
