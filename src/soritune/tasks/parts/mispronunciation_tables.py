"""What a report shows of learners' errors: who makes them, which labels and phones are missed, both protocols."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from soritune.metrics.edit_distance import align
from soritune.metrics.error_labels import CORRECT, ERROR, kinds_aside
from soritune.metrics.mispronunciation import MispronunciationCounts, mispronunciation_rates
from soritune.tasks.parts.labels import rate
from soritune.tasks.parts.phone_tables import PHONE_RATES
from soritune.tasks.results import Pair, RateDescription, Table

RATES = {
    **PHONE_RATES,
    "mdd_f1": RateDescription(
        "F1 of mispronunciations, from the recognised phones; protocol kaldi", higher_is_better=True
    ),
    "mdd_precision": RateDescription(
        "share of reported mispronunciations that are real; protocol kaldi", higher_is_better=True
    ),
    "mdd_recall": RateDescription(
        "share of mispronunciations that are reported; protocol kaldi", higher_is_better=True
    ),
    "mdd_false_rejection_rate": RateDescription(
        "share of right phones reported as wrong", higher_is_better=False
    ),
    "mdd_diagnosis_error_rate": RateDescription(
        "share of mispronunciations found whose phone is named wrongly", higher_is_better=False
    ),
    "mdd_detection_accuracy": RateDescription(
        "share of phones rightly called right or wrong", higher_is_better=True
    ),
    "mdd_extra_insertions": RateDescription(
        "phones only the model put in, per phone said; part of no mdd_ rate", higher_is_better=False
    ),
    "error_f1": RateDescription(
        "F1 of errors by aligned labels, whatever the kind of error", higher_is_better=True
    ),
    "error_precision": RateDescription("share of reported errors that are real", higher_is_better=True),
    "error_recall": RateDescription("share of errors that are reported", higher_is_better=True),
    "error_balanced_acc": RateDescription(
        "mean of the shares of errors found and of correct phones left alone", higher_is_better=True
    ),
    "error_acc": RateDescription(
        "labels equal at equal positions, as published; always saying C does well here", higher_is_better=True
    ),
    "error_ler": RateDescription(
        "label error rate: edits of labels per reference label", higher_is_better=False
    ),
    "error_ser": RateDescription("share of clips with any label wrong", higher_is_better=False),
}
TOP_SPEAKERS = 3
"""Speakers whose share of all errors says how much the numbers hang on a few people."""


def speaker_tables(pairs: Sequence[Pair]) -> tuple[Table, ...]:
    """How many speakers really make errors, how many each, and how far the errors concentrate in a few."""
    errors, expected = Counter[str](), Counter[str]()
    for pair in pairs:
        speaker = str(pair.groups.get("speaker") or "unknown")
        wrong, positions = true_errors(pair)
        errors[speaker] += wrong
        expected[speaker] += positions
    total = sum(errors.values())
    order = sorted(expected, key=lambda name: (-errors[name], name))
    making = [name for name in order if errors[name]]
    top = sum(errors[name] for name in order[:TOP_SPEAKERS])
    rows = (
        ("speakers", str(len(expected))),
        ("speakers with at least one error", str(len(making))),
        ("errors", str(total)),
        (
            f"share of the {TOP_SPEAKERS} speakers with the most errors",
            f"{100 * top / total:.1f} %" if total else "–",
        ),
    )
    note = (
        "Rates of detection rest on the speakers who make errors; all others only measure false alarms."
        if len(making) < len(expected)
        else ""
    )
    each = tuple((name, errors[name], expected[name], rate(errors[name], expected[name])) for name in making)
    return (
        Table("Who makes errors", ("", "number"), rows, note),
        Table("Errors by speaker", ("speaker", "errors", "positions", "share wrong"), each),
    )


def true_errors(pair: Pair) -> tuple[int, int]:
    """(errors, positions) that a person marked: by the labels, else where canonical and perceived differ."""
    labels, positions = pair.reference["labels"], _positions(pair)
    if labels is not None:
        return sum(label != CORRECT for label in labels), len(labels)
    if positions is not None:
        return sum(said != heard for said, heard in positions), len(positions)
    return 0, 0


def error_tables(pairs: Sequence[Pair], letters: Sequence[str]) -> tuple[Table, ...]:
    """Every label by alignment, and every expected phone with its errors found, missed and imagined."""
    seen, guessed, hit = Counter[str](), Counter[str](), Counter[str]()
    as_error, expected, wrong, found, alarms = (Counter[str]() for _ in range(5))
    for pair in pairs:
        labels, decoded = pair.reference["labels"], pair.prediction.fields["labels"]
        seen.update(labels)
        guessed.update(decoded)
        hit.update(
            said for said, heard in align(labels, decoded).columns if said is not None and said == heard
        )
        positions = _positions(pair)
        for place, flagged in enumerate(_flagged(labels, decoded)):
            label = labels[place]
            as_error[label] += flagged
            if positions is not None:
                phone = positions[place][0]
                expected[phone] += 1
                wrong[phone] += label != CORRECT
                found[phone] += label != CORRECT and flagged
                alarms[phone] += label == CORRECT and flagged
    rows = []
    for label in letters:
        shares = rate(hit[label], guessed[label]), rate(hit[label], seen[label])
        rows.append((label, seen[label], guessed[label], hit[label], as_error[label], *shares))
    weakest = sorted(expected, key=lambda p: (found[p] - wrong[p] - alarms[p], p))
    phones = tuple((p, expected[p], wrong[p], found[p], wrong[p] - found[p], alarms[p]) for p in weakest)
    headings = (
        "label",
        "in the references",
        "predicted",
        "agree",
        "taken for an error",
        "precision",
        "recall",
    )
    note = "By the alignment with the fewest edits; for an error, whatever its kind, by one that puts kinds aside."
    return (
        Table("Labels", headings, tuple(rows), note),
        Table(
            "Errors by expected phone, most mistakes first",
            ("expected phone", "occurrences", "errors", "found", "missed", "false alarms"),
            phones,
        ),
    )


def _flagged(labels: Sequence[str], decoded: Sequence[str]) -> Iterator[bool]:
    """Per reference label, whether the decoded label opposite says error."""
    for said, heard in align(kinds_aside(labels), kinds_aside(decoded)).columns:
        if said is not None:
            yield heard == ERROR


def _positions(pair: Pair) -> list[tuple[str, str]] | None:
    """(canonical, perceived) of each place a label stands for, or None where one of the two is unknown."""
    canonical, perceived = pair.reference["canonical"], pair.reference["perceived"]
    known = canonical is not None and perceived is not None
    return list(zip(canonical, perceived, strict=True)) if known else None


def protocol_table(counts: Mapping[str, Sequence[MispronunciationCounts]]) -> Table:
    """The phone output judged by each protocol."""
    rows = []
    for name, parts in counts.items():
        total = sum(parts, MispronunciationCounts())
        found = mispronunciation_rates(total)
        shares = ("precision", "recall", "f1", "false_rejection_rate", "diagnosis_error_rate")
        rows.append(
            (
                name,
                total.true_accepts,
                total.false_rejects,
                total.false_accepts,
                total.correct_diagnoses,
                total.diagnosis_errors,
                total.extra_insertions,
                *(found[share] for share in shares),
            )
        )
    columns = (
        "protocol",
        "TA",
        "FR",
        "FA",
        "CD",
        "DE",
        "extra insertions",
        "precision",
        "recall",
        "F1",
        "FRR",
        "DER",
    )
    note = (
        "Errors found by comparing recognised with expected phones. TA true accept, FR false reject, FA false "
        "accept, CD and DE errors found with the right and the wrong phone named. The rates mdd_… are those of "
        "kaldi, which does not count phones that only the model put in."
    )
    return Table("Mispronunciations from the phones", columns, tuple(rows), note)
