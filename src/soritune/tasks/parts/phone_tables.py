"""What a report shows of recognised phones, for every task that recognises them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from soritune.metrics.edit_distance import align
from soritune.tasks.results import Alignment, RateDescription, Table

PHONE_RATES = {
    "per": RateDescription("phone error rate, without word boundaries", higher_is_better=False),
    "per_substitutions": RateDescription("of these: another phone", higher_is_better=False),
    "per_deletions": RateDescription("of these: not heard", higher_is_better=False),
    "per_insertions": RateDescription("of these: put in", higher_is_better=False),
}
WORST_CASES = 12
"""Alignments shown in a report."""


def phone_tables(
    rows: Iterable[tuple[str, Sequence[str], Sequence[str]]],
) -> tuple[tuple[Table, ...], tuple[Alignment, ...]]:
    """Weakest phones, commonest confusions, and the utterances with the most errors, aligned.

    Args:
        rows: per utterance its id, the phones that were said and those that were recognised.
    """
    seen, wrong, confused = Counter[str](), Counter[str](), Counter[tuple[str, str]]()
    aligned: list[tuple[float, Alignment]] = []
    for name, reference, hypothesis in rows:
        columns = align(reference, hypothesis).columns
        for said, heard in columns:
            if said is not None:
                seen[said] += 1
                wrong[said] += said != heard
            if said != heard:
                confused[(said or "(inserted)", heard or "(deleted)")] += 1
        aligned.append(_with_error_rate(name, columns))
    weakest = sorted(seen, key=lambda phone: (-wrong[phone] / seen[phone], phone))
    tables = (
        Table(
            "Phones by error rate",
            ("phone", "occurrences", "not recognised", "share"),
            tuple((phone, seen[phone], wrong[phone], wrong[phone] / seen[phone]) for phone in weakest),
        ),
        Table(
            "Commonest confusions",
            ("said", "heard", "times"),
            tuple((said, heard, n) for (said, heard), n in confused.most_common(20)),
        ),
    )
    return tables, worst(aligned)


def worst_alignments(
    rows: Iterable[tuple[str, Sequence[str], Sequence[str]]], count: int = WORST_CASES
) -> tuple[Alignment, ...]:
    """The `count` utterances with the highest error rate, aligned, worst first."""
    aligned = [_with_error_rate(name, align(said, heard).columns) for name, said, heard in rows]
    return worst(aligned, count)


def worst(aligned: Iterable[tuple[float, Alignment]], count: int = WORST_CASES) -> tuple[Alignment, ...]:
    """The first `count` by falling error rate."""
    ordered = sorted(aligned, key=lambda item: (-item[0], item[1].id))
    return tuple(alignment for _, alignment in ordered[:count])


def _with_error_rate(name: str, columns: Sequence[tuple[str | None, str | None]]) -> tuple[float, Alignment]:
    errors = sum(said != heard for said, heard in columns)
    length = sum(said is not None for said, _ in columns)
    alignment = Alignment(name, tuple(said for said, _ in columns), tuple(heard for _, heard in columns))
    return errors / max(length, 1), alignment
