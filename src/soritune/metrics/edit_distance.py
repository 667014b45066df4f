"""Edit distance between symbol sequences: counts, alignments, and error rates named after the unit counted.

A substitution, a deletion and an insertion cost 1 each. Counts add up over utterances. A rate is computed once from
summed counts (the corpus rate), never averaged over utterances. Read next: `metrics/bootstrap.py`.

Ties. Several alignments can have the same, least number of edits and divide it differently (reference `a b`,
hypothesis `b a`: two substitutions, or a deletion and an insertion). This module always takes the alignment that
rapidfuzz traces back, so the fast counts and the printed alignments agree. The sum of the edits does not depend on
this choice, and `deletions - insertions` is always the difference of the lengths. The protocols of
`metrics/mispronunciation.py` depend on ties and use alignments of their own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from rapidfuzz.distance import Levenshtein

Operation = Literal["equal", "substitute", "delete", "insert"]


class AlignedStep(NamedTuple):
    """One column of an alignment; None is the gap of an insertion (reference) or a deletion (hypothesis)."""

    operation: Operation
    reference: str | None
    hypothesis: str | None


@dataclass(frozen=True, slots=True)
class EditResult:
    """An alignment and its counts; `hits + substitutions + deletions` is the reference length."""

    ops: tuple[AlignedStep, ...]
    hits: int
    substitutions: int
    deletions: int
    insertions: int

    @property
    def edits(self) -> int:
        """Substitutions, deletions and insertions together."""
        return self.substitutions + self.deletions + self.insertions

    @property
    def reference_length(self) -> int:
        """Number of reference symbols."""
        return self.hits + self.substitutions + self.deletions

    @property
    def columns(self) -> tuple[tuple[str | None, str | None], ...]:
        """(reference symbol, hypothesis symbol) per column; None in the gaps."""
        return tuple((step.reference, step.hypothesis) for step in self.ops)

    def rows(self) -> tuple[tuple[str | None, ...], tuple[str | None, ...]]:
        """Reference and hypothesis of equal length, with None in the gaps."""
        return tuple(step.reference for step in self.ops), tuple(step.hypothesis for step in self.ops)


def align(reference: Sequence[str], hypothesis: Sequence[str]) -> EditResult:
    """Aligns two symbol sequences with the least number of edits (for ties see the module docstring).

    >>> align("a b c".split(), "a x c c".split()).rows()
    (('a', 'b', 'c', None), ('a', 'x', 'c', 'c'))
    """
    ops: list[AlignedStep] = []
    counts: dict[Operation, int] = {"equal": 0, "substitute": 0, "delete": 0, "insert": 0}
    for code in Levenshtein.opcodes(reference, hypothesis):
        if code.tag == "equal" or code.tag == "replace":
            tag: Operation = "equal" if code.tag == "equal" else "substitute"
            pairs = zip(
                reference[code.src_start : code.src_end],
                hypothesis[code.dest_start : code.dest_end],
                strict=True,
            )
            steps = [AlignedStep(tag, expected, actual) for expected, actual in pairs]
        elif code.tag == "delete":
            tag = "delete"
            steps = [AlignedStep(tag, symbol, None) for symbol in reference[code.src_start : code.src_end]]
        else:
            tag = "insert"
            steps = [AlignedStep(tag, None, symbol) for symbol in hypothesis[code.dest_start : code.dest_end]]
        counts[tag] += len(steps)
        ops.extend(steps)
    return EditResult(tuple(ops), counts["equal"], counts["substitute"], counts["delete"], counts["insert"])


def edit_counts(reference: Sequence[str], hypothesis: Sequence[str]) -> tuple[int, int, int, int]:
    """(substitutions, deletions, insertions, reference length) of `align`, without building the alignment.

    >>> edit_counts("a b c".split(), "a x c c".split())
    (1, 0, 1, 3)
    """
    substitutions = deletions = insertions = 0
    for edit in Levenshtein.editops(reference, hypothesis):
        if edit.tag == "replace":
            substitutions += 1
        elif edit.tag == "delete":
            deletions += 1
        else:
            insertions += 1
    return substitutions, deletions, insertions, len(reference)


def error_rate(edits: float, reference_length: float) -> float:
    """`edits / reference_length`, at least 0, above 1 with many insertions; nan for an empty reference."""
    return edits / reference_length if reference_length else float("nan")


def phone_counts(
    reference: Sequence[str], hypothesis: Sequence[str], *, boundary: str = "|"
) -> tuple[int, int, int, int]:
    """Counts of `per`: edits over phones, with word boundaries removed from both sides."""
    return edit_counts([p for p in reference if p != boundary], [p for p in hypothesis if p != boundary])


def word_phone_counts(
    reference: Sequence[str], hypothesis: Sequence[str], *, boundary: str = "|"
) -> tuple[int, int, int, int]:
    """Counts of `word_phone_er`: edits over words; a word is the phones between two boundaries."""
    return edit_counts(phone_words(reference, boundary=boundary), phone_words(hypothesis, boundary=boundary))


def phone_words(phones: Sequence[str], *, boundary: str = "|") -> list[str]:
    """The phones of each word joined by spaces; empty words (two boundaries in a row) are dropped.

    >>> phone_words("N A | | G A".split())
    ['N A', 'G A']
    """
    words: list[list[str]] = [[]]
    for phone in phones:
        if phone == boundary:
            words.append([])
        else:
            words[-1].append(phone)
    return [" ".join(word) for word in words if word]


def word_counts(reference: str, hypothesis: str) -> tuple[int, int, int, int]:
    """Counts of `wer`: edits over space-separated words of orthographic text."""
    return edit_counts(reference.split(), hypothesis.split())


def character_counts(reference: str, hypothesis: str) -> tuple[int, int, int, int]:
    """Counts of `cer` (orthographic text) and `cer_pron` (Hangul rebuilt from phones on both sides).

    Edits over characters without white space, so that a missing space is not an error.
    """
    return edit_counts("".join(reference.split()), "".join(hypothesis.split()))
