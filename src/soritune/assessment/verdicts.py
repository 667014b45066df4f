"""What was spoken in the place of each expected phone, and between the phones. Next: `assessment/answer.py`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from soritune.assessment.alignment import Alignment, Float64, LogProbabilities
from soritune.assessment.expected import UI, Expected, is_special
from soritune.assessment.gop import SlotScores, score_slots
from soritune.assessment.reductions import accepted_reductions
from soritune.assessment.thresholds import Thresholds
from soritune.assessment.variants import Variants
from soritune.korean import ARPABET, KOREAN, WORD_BOUNDARY

Kind = Literal["correct", "substitution", "deletion", "unclear"]
"""`unclear`: the expected phone is improbable, and what was spoken instead is not certain enough to name."""
AcceptedKind = Literal["standard", "native", "file", "sound"]
"""Who accepts it: the Standard Pronunciation, the list of common native reductions (`reductions.py`), or a file.
`sound`: it is the expected sound in another form (`SAME_LETTER`, `TWO_PARTS`)."""
SAME_LETTER, TWO_PARTS = "same-letter", "two-parts"
"""Reasons of the kind `sound`: the phone of the same letter as onset or coda; a diphthong heard as two vowels."""
ERRORS = ("substitution", "deletion")
"""Kinds that count as errors and that advice may name."""
_FIRST_PART, _SECOND_PART = "EU", "I"
"""ㅢ begins like ㅡ and ends like ㅣ."""
_ROUND = ("U", "O")
_PARTS: Mapping[str, tuple[tuple[str, ...], str]] = {
    **{symbol: (("I",), symbol[1:]) for symbol in ("iA", "iEO", "iO", "iU", "iE")},
    **{"oA": (_ROUND, "A"), "uEO": (_ROUND, "EO"), "oE": (_ROUND, "E"), "uI": (("U",), "I")},
}
"""The vowels, one after the other, that a diphthong is heard as when it is spoken slowly."""
CANDIDATES = 3
"""Candidates that are given per phone."""
_NAMED = {*KOREAN.symbols, *ARPABET.symbols}
_LETTERS = {phone.symbol: phone.letters for phone in KOREAN.phones}
_VOWELS = {phone.symbol for each in (KOREAN, ARPABET) for phone in each.phones if phone.position == "vowel"}


@dataclass(frozen=True, slots=True)
class PhoneVerdict:
    """What was spoken in the place of one expected phone."""

    kind: Kind
    recognised: str | None
    """The most probable phone in this place; None for a missing phone."""
    probability: float
    """Of the expected phone in its place, given the others."""
    candidates: tuple[tuple[str | None, float], ...]
    """The most probable phones with their probabilities, the first one first; None for a missing phone."""
    accepted: str | None = None
    """Why another phone than the expected one is not an error: `standard`, the id of a reduction, or the reason in the
    file of variants."""
    accepted_kind: AcceptedKind | None = None


@dataclass(frozen=True, slots=True)
class Insertion:
    """A phone that was spoken and is not expected."""

    before: int
    """It is before the expected phone with this number; their count if it is after the last one."""
    recognised: str
    log_ratio: float
    """How much more probable the text is with it, as a natural logarithm."""


@dataclass(frozen=True, slots=True)
class _Accepted:
    """What is accepted in the place of one phone."""

    standard: frozenset[str | None]
    native: Mapping[str | None, str]
    variants: Variants

    def reason(self, expected: str, recognised: str | None) -> tuple[str, AcceptedKind] | None:
        if recognised in self.standard:
            return "standard", "standard"
        if (expected, recognised) in self.variants:
            return self.variants[expected, recognised], "file"
        if recognised in self.native:
            return self.native[recognised], "native"
        if recognised is not None and is_same_letter(expected, recognised):
            return SAME_LETTER, "sound"
        return None


def is_same_letter(phone: str, other: str) -> bool:
    """Whether two phones are one Korean letter, as an onset and as a coda. The syllable decides which of them is
    spoken, so that one in the place of the other is right.

    >>> [is_same_letter(*pair) for pair in (("R", "L"), ("G", "k"), ("G", "Kh"), ("A", "A"))]
    [True, True, False, False]
    """
    return phone != other and bool(_LETTERS.get(phone)) and _LETTERS[phone] == _LETTERS.get(other)


def phone_labels(labels: Sequence[str]) -> list[int]:
    """Columns of the labels that are phones: those of a known inventory, else all without the form of a special token.

    >>> phone_labels(["[PAD]", "|", "A", "G", "<s>"])
    [2, 3]
    """
    named = [index for index, label in enumerate(labels) if label in _NAMED]
    if named:
        return named
    return [index for index, label in enumerate(labels) if label != WORD_BOUNDARY and not is_special(label)]


def verdicts(
    expected: Expected,
    log_probabilities: LogProbabilities,
    labels: Sequence[str],
    blank: int,
    alignment: Alignment,
    thresholds: Thresholds,
    variants: Variants | None = None,
    *,
    join: bool = True,
) -> tuple[list[PhoneVerdict], list[Insertion]]:
    """Judges the phones of a recording.

    Args:
        expected: of its text.
        log_probabilities: (frames, labels).
        labels: label of each column.
        blank: index of the blank.
        alignment: of the expected symbols.
        thresholds: what counts as an error.
        variants: further accepted pronunciations.
        join: whether a diphthong may be heard as two vowels, of which one is an insertion.

    Returns:
        A verdict per expected phone, and the insertions.
    """
    ids = expected.ids(labels)
    slots = [phone.at for phone in expected.phones]
    candidates = [index for index in phone_labels(labels) if index != blank]
    scores = score_slots(log_probabilities, ids, blank, candidates, slots=slots, alignment=alignment)
    shares = scores.probabilities()
    alternatives = expected.alternatives or (frozenset(),) * len(slots)
    native = accepted_reductions(expected)
    judged = [
        _verdict(
            shares[row],
            ids[at],
            labels,
            thresholds,
            _Accepted(alternatives[row], native[row], variants or {}),
        )
        for row, at in enumerate(slots)
    ]
    insertions = _insertions(scores, expected, labels, thresholds)
    return _joined_parts(expected, judged, insertions) if join else (judged, insertions)


def _verdict(
    shares: Float64,
    own: int,
    labels: Sequence[str],
    thresholds: Thresholds,
    accepts: _Accepted,
) -> PhoneVerdict:
    names: list[str | None] = [*labels, None]
    order = np.argsort(-shares, kind="stable")
    candidates = tuple((names[index], float(shares[index])) for index in order[:CANDIDATES])
    probability = float(shares[own])
    recognised = candidates[0][0]
    expected = labels[own]
    if not math.isfinite(probability):  # nothing fits at all
        return PhoneVerdict("unclear", None, 0.0, ())
    if recognised == expected or math.log(max(probability, 1e-300)) >= thresholds.phone_log_probability:
        return PhoneVerdict("correct", recognised, probability, candidates)
    accepted = accepts.reason(expected, recognised)
    if accepted is not None:
        return PhoneVerdict("correct", recognised, probability, candidates, *accepted)
    kind: Kind = "deletion" if recognised is None else "substitution"
    if candidates[0][1] < thresholds.least_candidate_probability or not _comparable(expected, recognised):
        kind = "unclear"
    return PhoneVerdict(kind, recognised, probability, candidates)


def _comparable(expected: str, recognised: str | None) -> bool:
    """Whether a speaker may have said one for the other: a vowel in the place of a consonant is an error of the
    recogniser or of the alignment. Phones of unknown inventories are."""
    if recognised is None or expected not in _NAMED or recognised not in _NAMED:
        return True
    return (expected in _VOWELS) == (recognised in _VOWELS)


def _insertions(
    scores: SlotScores, expected: Expected, labels: Sequence[str], thresholds: Thresholds
) -> list[Insertion]:
    """One for each place between two phones at most; a place beside a word boundary is one place.

    ㅡ before ㅢ and ㅣ after it are its two parts, pronounced or recognised one after the other, and no insertions.
    """
    best: dict[int, tuple[float, int]] = {}
    parts = _parts_of_ui(expected)
    before: Mapping[int, int] = {phone.at: number for number, phone in enumerate(expected.phones)}
    number = len(expected.phones)
    for gap in range(len(expected.symbols), -1, -1):
        number = before.get(gap, number)
        row = scores.insertions[gap]
        accepted = [labels.index(part) for place, part in parts if place == number and part in labels]
        if accepted:
            row = row.copy()
            row[accepted] = -np.inf
        column = int(row.argmax())
        if row[column] > thresholds.insertion_log_ratio and row[column] > best.get(number, (-np.inf, 0))[0]:
            best[number] = (float(row[column]), column)
    return [Insertion(place, labels[column], ratio) for place, (ratio, column) in sorted(best.items())]


def _joined_parts(
    expected: Expected, judged: Sequence[PhoneVerdict], insertions: Sequence[Insertion]
) -> tuple[list[PhoneVerdict], list[Insertion]]:
    """Joins what the search for insertions and that for substitutions found of the same sound.

    A diphthong of which one part is heard in its place, and the other one is inserted beside it, is correct.
    What is heard in the place of a phone, and inserted beside it again, is one sound and no insertion, unless the phone
    itself is there too.
    """
    found = list(judged)
    by_place = {each.before: each.recognised for each in insertions}
    kept = dict.fromkeys(by_place, True)
    for number, (phone, verdict) in enumerate(zip(expected.phones, judged, strict=True)):
        heard, beside = verdict.recognised, (by_place.get(number), by_place.get(number + 1))
        if heard in (None, phone.symbol):
            continue
        firsts, second = _PARTS.get(phone.symbol, ((), None))
        if (heard == second and beside[0] in firsts) or (heard in firsts and beside[1] == second):
            if verdict.kind != "correct":
                found[number] = replace(verdict, kind="correct", accepted=TWO_PARTS, accepted_kind="sound")
            same = {*firsts, second}
        elif verdict.kind == "correct" and verdict.accepted is None:
            continue  # the expected phone is there too, and the other one is beside it
        else:
            same = {heard}
        for place, symbol in zip((number, number + 1), beside, strict=True):
            if symbol in same:
                kept[place] = False
    return found, [each for each in insertions if kept[each.before]]


def _parts_of_ui(expected: Expected) -> set[tuple[int, str]]:
    """The places, as in `Insertion.before`, where a part of ㅢ may be heard beside it, with this part."""
    places: set[tuple[int, str]] = set()
    for number in range(len(expected.phones)):
        if expected.may_be(number, UI):
            places |= {(number, _FIRST_PART), (number + 1, _SECOND_PART)}
    return places
