"""Edit distance between symbol sequences: counts, alignments, and the error rates named after what is
counted.

Costs are 1 for a substitution, a deletion and an insertion. Counts add over utterances; a rate is computed
once from summed counts (the corpus rate), never averaged over utterances. Next: `metrics/bootstrap.py`.

Ties. Several alignments can have the same, least number of edits and yet divide it differently (reference `a
b`, hypothesis `b a`: two substitutions, or a deletion and an insertion). The alignment taken here is the one
that rapidfuzz traces back, everywhere: the fast counts and the printed alignments never disagree, the sum of
the edits does not depend on it, and `deletions - insertions` is always the difference of the lengths. The
protocols of `metrics/mispronunciation.py` depend on ties and bring their own alignments.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from rapidfuzz.distance import Levenshtein

Operation = Literal["equal", "substitute", "delete", "insert"]


class AlignedStep(NamedTuple):
    """One column of an alignment. None marks the gap of an insertion (reference) or a deletion
    (hypothesis)."""

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
        """(reference symbol, hypothesis symbol) per column, None in the gaps."""
        return tuple((step.reference, step.hypothesis) for step in self.ops)

    def rows(self) -> tuple[tuple[str | None, ...], tuple[str | None, ...]]:
        """Reference and hypothesis side by side, equally long, with None in the gaps."""
        return tuple(step.reference for step in self.ops), tuple(step.hypothesis for step in self.ops)


def align(reference: Sequence[str], hypothesis: Sequence[str]) -> EditResult:
    """Aligns two symbol sequences with the least number of edits (see the module's text for ties).

    >>> align("a b c".split(), "a x c c".split()).rows()
    (('a', 'b', 'c', None), ('a', 'x', 'c', 'c'))
    """
    ops: list[AlignedStep] = []
    counts: dict[Operation, int] = {"equal": 0, "substitute": 0, "delete": 0, "insert": 0}
    for code in Levenshtein.opcodes(reference, hypothesis):
        if code.tag == "equal" or code.tag == "replace":
            tag: Operation = "equal" if code.tag == "equal" else "substitute"
            said = reference[code.src_start : code.src_end]
            heard = hypothesis[code.dest_start : code.dest_end]
            steps = [AlignedStep(tag, first, second) for first, second in zip(said, heard, strict=True)]
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
    """`edits / reference_length`, 0 upwards (above 1 with many insertions); nan where nothing was to be
    said."""
    return edits / reference_length if reference_length else float("nan")


def phone_counts(
    reference: Sequence[str], hypothesis: Sequence[str], *, boundary: str = "|"
) -> tuple[int, int, int, int]:
    """Counts behind `per`: edits over phones, word boundaries removed from both sides."""
    return edit_counts([p for p in reference if p != boundary], [p for p in hypothesis if p != boundary])


def word_phone_counts(
    reference: Sequence[str], hypothesis: Sequence[str], *, boundary: str = "|"
) -> tuple[int, int, int, int]:
    """Counts behind `word_phone_er`: edits over words, a word being the phones between two boundaries."""
    return edit_counts(phone_words(reference, boundary=boundary), phone_words(hypothesis, boundary=boundary))


def phone_words(phones: Sequence[str], *, boundary: str = "|") -> list[str]:
    """The phones of each word joined by spaces; empty words (two boundaries in a row) are left out.

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
    """Counts behind `wer`: edits over space-separated words of orthographic text."""
    return edit_counts(reference.split(), hypothesis.split())


def character_counts(reference: str, hypothesis: str) -> tuple[int, int, int, int]:
    """Counts behind `cer` (orthographic text) and `cer_pron` (Hangul rebuilt from phones on both sides).

    Edits over characters without any white space, so that a missing space is not an error.
    """
    return edit_counts("".join(reference.split()), "".join(hypothesis.split()))
