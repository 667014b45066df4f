"""Which phones learners of Korean confuse, leave out or insert. Next: `audio/synthesis/mispronunciations.py`.

Chinese learners pronounce a third of the taps as laterals and a third of the laterals as other phones (Yang,
Ryu & Chung 2015, "A corpus-based analysis of Korean segments produced by Chinese learners", APSIPA). Japanese
learners confuse lax and aspirated stops (Hwang, Cho & Kim 2002, Malsori 44). They leave out consonants, and
insert vowels where their language has no such syllable, as in 김치 [기무치] (Hong, Kim & Chung 2013, "A
corpus-based analysis of Korean segments produced by Japanese learners", SLaTE). The three series of stops and
affricates, ㅅ and ㅆ, ㅓ and ㅗ, ㅡ and ㅜ, ㅐ and ㅏ, glides, codas and ㅎ are the subjects of pronunciation
courses. The weights are chosen, not measured: no result based on them is about real learners.

An error replaces a phone only by one that sounds different in espeak-ng. What differs only between accents of
its voices is not an error: ㅡ ㅣ for ㅢ, a longer tense stop, an l for ㄹ after a pause.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from soritune.korean.phones import KOREAN, WORD_BOUNDARY

GAP = "sil"
"""Symbol for the missing phone: in the canonical sequence at an insertion, in the perceived one at a deletion."""
Label = Literal["C", "S", "D", "I"]
Step = tuple[str, str, Label]
"""Canonical symbol, perceived symbol and label of one position."""

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
_VOWEL_ERRORS: dict[str, dict[str, float]] = {
    "EO": {"O": 1.0, "A": 0.3}, "O": {"EO": 0.8, "U": 0.4}, "EU": {"U": 1.0, "EO": 0.2}, "U": {"EU": 0.8, "O": 0.3},
    "E": {"A": 1.0}, "A": {"EO": 0.6, "E": 0.4}, "iEO": {"iO": 1.0, "EO": 0.3}, "iO": {"iEO": 0.8, "O": 0.3},
    "iA": {"A": 1.0}, "iU": {"U": 1.0}, "iE": {"E": 1.0}, "oA": {"A": 1.0, "O": 0.3}, "oE": {"E": 0.6, "O": 0.4},
    "uEO": {"O": 0.7, "EO": 0.5}, "uI": {"I": 0.7, "U": 0.5}, "euI": {"I": 0.8, "EU": 0.6},
}  # fmt: skip
"""Canonical phone → the phones pronounced instead, with weights."""
_EPENTHETIC: dict[str, tuple[tuple[str, str], ...]] = {
    "k": (("G", "EU"), ("Kh", "EU")), "t": (("D", "EU"), ("Th", "EU")), "p": (("B", "EU"), ("Ph", "EU")),
    "L": (("R", "EU"),), "N": (("N", "EU"),), "M": (("M", "EU"), ("M", "U")),
}  # fmt: skip
"""Coda → the onsets and vowels pronounced instead."""
DIFFICULTY = {"series": 1.0, "sibilant": 0.8, "vowel": 0.9, "open vowel": 0.25, "glide": 0.6, "liquid": 0.9}
DIFFICULTY |= {"nasal": 0.15, "coda": 1.0, "h": 0.7}
"""Family of phones → how often its phones are wrong, relative to other families."""


_ONSET_FAMILIES = {
    "S": "sibilant",
    "SS": "sibilant",
    "R": "liquid",
    "L": "liquid",
    "N": "nasal",
    "M": "nasal",
    "H": "h",
}


def possible_errors(phrase: Sequence[str], index: int) -> list[tuple[float, tuple[Step, ...]]]:
    """The possible errors at the phone `phrase[index]`.

    Returns:
        For each error its weight among errors of its kind, and the steps that replace the phone. The kind is
        the last label that is not C: S, D or I.
    """
    phone = phrase[index]
    if phone == WORD_BOUNDARY:
        return []
    before = phrase[index - 1] if index else WORD_BOUNDARY
    after = phrase[index + 1] if index + 1 < len(phrase) else WORD_BOUNDARY
    if phone in _VOWELS:
        return _vowel_errors(phrase, index, before, after)
    if _is_coda(phone, after):
        return _coda_errors(phone, before, after)
    return _onset_errors(phone, before, after)


def _vowel_errors(
    phrase: Sequence[str], index: int, before: str, after: str
) -> list[tuple[float, tuple[Step, ...]]]:
    phone = phrase[index]
    errors: list[tuple[float, tuple[Step, ...]]] = []
    for perceived, weight in _VOWEL_ERRORS.get(phone, {}).items():
        # ㅡ ㅣ is ㅢ in half of the voices, so no error may produce it.
        makes_ui = (perceived == "EU" and _may_be_followed_by_i(after, phrase, index)) or (
            perceived == "I" and before in ("EU", "euI")
        )
        if not makes_ui:
            errors.append((weight, ((phone, perceived, "S"),)))
    return errors


def _onset_errors(phone: str, before: str, after: str) -> list[tuple[float, tuple[Step, ...]]]:
    errors: list[tuple[float, tuple[Step, ...]]] = []
    for perceived, weight in _ONSETS.get(phone, {}).items():
        free = before in _VOWELS or (before == WORD_BOUNDARY and perceived != "L")
        if phone not in ("N", "R") or free:
            errors.append((weight, ((phone, perceived, "S"),)))
    linked = before in (*_VOWELS, "N", "M", "NG", WORD_BOUNDARY)
    if phone == "H" and linked and not _separates_eu_and_i(before, after):
        errors.append((1.0, ((phone, GAP, "D"),)))
    return errors


def _coda_errors(phone: str, before: str, after: str) -> list[tuple[float, tuple[Step, ...]]]:
    errors: list[tuple[float, tuple[Step, ...]]] = []
    if not (phone == "NG" and _separates_eu_and_i(before, after)):
        errors.append((1.0, ((phone, GAP, "D"),)))
    if after == "L":
        return errors  # ㄹㄹ: only the deletion of one of them
    errors += [(weight, ((phone, perceived, "S"),)) for perceived, weight in _CODAS.get(phone, {}).items()]
    if after != "H":
        for onset, vowel in _EPENTHETIC.get(phone, ()):
            first: Step = (phone, onset, "C" if onset == phone else "S")
            errors.append((1.0, (first, (GAP, vowel, "I"))))
    return errors


def _separates_eu_and_i(before: str, after: str) -> bool:
    """Whether the deletion of a phone would join ㅡ, or ㅜ that may become ㅡ, and ㅣ."""
    return before in ("EU", "U", "euI") and after in ("I", "uI", "euI")


def _may_be_followed_by_i(after: str, phrase: Sequence[str], index: int) -> bool:
    """Whether the phone after `phrase[index]` is ㅣ, or may become ㅣ by another error."""
    further = phrase[index + 2] if index + 2 < len(phrase) else ""
    return after in ("I", "uI", "euI") or (after in ("H", "NG") and further in ("I", "uI", "euI"))


def _is_coda(phone: str, after: str) -> bool:
    return phone in ("k", "t", "p", "NG") or after not in _VOWELS


def family(phrase: Sequence[str], index: int) -> str:
    """The family of the phone `phrase[index]`, a key of `DIFFICULTY`; empty for a boundary."""
    phone = phrase[index]
    after = phrase[index + 1] if index + 1 < len(phrase) else WORD_BOUNDARY
    if phone == WORD_BOUNDARY:
        return ""
    if phone in ("A", "E", "I"):
        return "open vowel"
    if phone in ("EO", "O", "EU", "U"):
        return "vowel"
    if phone in _VOWELS:
        return "glide"
    if _is_coda(phone, after):
        return "coda"
    return _ONSET_FAMILIES.get(phone, "series")
