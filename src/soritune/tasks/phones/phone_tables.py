"""Tables of recognised phones for a report, for every task that recognises phones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from soritune.metrics.edit_distance import align
from soritune.metrics.share_interval import wilson
from soritune.tasks.results import Alignment, RateDescription, Table

PHONE_RATES = {
    "per": RateDescription(
        "phone error rate, without word boundaries", higher_is_better=False, known_as="phone error rate"
    ),
    "per_substitutions": RateDescription("of these: another phone", higher_is_better=False),
    "per_deletions": RateDescription("of these: not recognised", higher_is_better=False),
    "per_insertions": RateDescription("of these: inserted", higher_is_better=False),
}
ORDER_NOTE = (
    "By the lower end of the interval (Wilson), so that a rare phone with one error does not come before a frequent "
    "one with many."
)
WORST_CASES = 12
"""Alignments shown in a report."""


def phone_tables(
    rows: Iterable[tuple[str, Sequence[str], Sequence[str]]],
) -> tuple[tuple[Table, ...], tuple[Alignment, ...]]:
    """Weakest phones, commonest confusions, and the utterances with the most errors, aligned.

    Args:
        rows: per utterance its id, the reference phones and the recognised ones.
    """
    total, wrong, confused = Counter[str](), Counter[str](), Counter[tuple[str, str]]()
    aligned: list[tuple[float, Alignment]] = []
    for name, reference, hypothesis in rows:
        columns = align(reference, hypothesis).columns
        for expected, recognised in columns:
            if expected is not None:
                total[expected] += 1
                wrong[expected] += expected != recognised
            if expected != recognised:
                confused[(expected or "(inserted)", recognised or "(deleted)")] += 1
        aligned.append(_with_error_rate(name, columns))
    ranges = {phone: wilson(wrong[phone], total[phone]) for phone in total}
    weakest = sorted(total, key=lambda phone: (-ranges[phone][0], -wrong[phone] / total[phone], phone))
    tables = (
        Table(
            "Phones by error rate",
            ("phone", "occurrences", "not recognised", "share", "95 % interval"),
            tuple(
                (phone, total[phone], wrong[phone], wrong[phone] / total[phone], _range_text(*ranges[phone]))
                for phone in weakest
            ),
            ORDER_NOTE,
            phones=("phone",),
            compared=("share", "95 % interval"),
        ),
        Table(
            "Commonest confusions",
            ("expected", "recognised", "times"),
            tuple((expected, recognised, n) for (expected, recognised), n in confused.most_common(20)),
            phones=("expected", "recognised"),
        ),
    )
    return tables, worst(aligned)


def _range_text(low: float, high: float) -> str:
    return f"{100 * low:.0f} – {100 * high:.0f} %"


def worst_alignments(
    rows: Iterable[tuple[str, Sequence[str], Sequence[str]]],
    count: int = WORST_CASES,
    *,
    is_of_phones: bool = True,
) -> tuple[Alignment, ...]:
    """The `count` utterances with the highest error rate, aligned, worst first."""
    aligned = [
        _with_error_rate(name, align(reference, hypothesis).columns, is_of_phones=is_of_phones)
        for name, reference, hypothesis in rows
    ]
    return worst(aligned, count)


def worst(aligned: Iterable[tuple[float, Alignment]], count: int = WORST_CASES) -> tuple[Alignment, ...]:
    """The first `count` alignments by decreasing error rate."""
    ordered = sorted(aligned, key=lambda item: (-item[0], item[1].id))
    return tuple(alignment for _, alignment in ordered[:count])


def _with_error_rate(
    name: str, columns: Sequence[tuple[str | None, str | None]], *, is_of_phones: bool = True
) -> tuple[float, Alignment]:
    reference = tuple(expected for expected, _ in columns)
    hypothesis = tuple(recognised for _, recognised in columns)
    errors = sum(expected != recognised for expected, recognised in columns)
    length = sum(expected is not None for expected in reference)
    return errors / max(length, 1), Alignment(name, reference, hypothesis, is_of_phones)
