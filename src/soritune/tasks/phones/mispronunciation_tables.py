"""Tables of learners' errors for a report: by speaker, by label and phone, and by both protocols."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from soritune.metrics.edit_distance import align
from soritune.metrics.error_labels import CORRECT, ERROR, as_correct_or_error
from soritune.metrics.mispronunciation import MispronunciationCounts, mispronunciation_rates
from soritune.tasks.labels import rate
from soritune.tasks.phones.error_slots import descriptions
from soritune.tasks.phones.phone_tables import PHONE_RATES
from soritune.tasks.results import Pair, RateDescription, Table

RATES = {
    **PHONE_RATES,
    "mdd_f1": RateDescription(
        "F1 of mispronunciations, from the recognised phones; protocol kaldi",
        higher_is_better=True,
        known_as="F1 of mispronunciations",
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
        "phones that only the model inserted, per spoken phone; part of no mdd_ rate", higher_is_better=False
    ),
    "error_f1": RateDescription(
        "F1 of errors by aligned labels, whatever the kind of error",
        higher_is_better=True,
        known_as="F1 of errors",
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
    **descriptions("slot", "from the labels of slots"),
    **descriptions("segment", "from the segment head"),
}
TOP_SPEAKERS = 3
"""Number of speakers whose share of all errors shows how much the rates depend on a few people."""


def speaker_tables(pairs: Sequence[Pair]) -> tuple[Table, ...]:
    """Speakers who make errors, the errors of each, and the share of all errors made by a few."""
    errors, expected = Counter[str](), Counter[str]()
    for pair in pairs:
        speaker = str(pair.groups.get("speaker") or "unknown")
        wrong, positions = true_errors(pair)
        errors[speaker] += wrong
        expected[speaker] += positions
    total = sum(errors.values())
    order = sorted(expected, key=lambda name: (-errors[name], name))
    with_errors = [name for name in order if errors[name]]
    top = sum(errors[name] for name in order[:TOP_SPEAKERS])
    rows = (
        ("speakers", str(len(expected))),
        ("speakers with at least one error", str(len(with_errors))),
        ("errors", str(total)),
        (
            f"share of the {TOP_SPEAKERS} speakers with the most errors",
            f"{100 * top / total:.1f} %" if total else "–",
        ),
    )
    note = (
        "Rates of detection rest on the speakers who make errors; all others only measure false alarms."
        if len(with_errors) < len(expected)
        else ""
    )
    by_speaker = tuple(
        (name, errors[name], expected[name], rate(errors[name], expected[name])) for name in with_errors
    )
    return (
        Table("Who makes errors", ("", "number"), rows, note),
        Table("Errors by speaker", ("speaker", "errors", "positions", "share wrong"), by_speaker),
    )


def true_errors(pair: Pair) -> tuple[int, int]:
    """(errors, positions) of the annotation: by its labels, or without labels where canonical and perceived differ."""
    labels, positions = pair.reference["labels"], _positions(pair)
    if labels is not None:
        return sum(label != CORRECT for label in labels), len(labels)
    if positions is not None:
        return sum(canonical != perceived for canonical, perceived in positions), len(positions)
    return 0, 0


def error_tables(pairs: Sequence[Pair], letters: Sequence[str]) -> tuple[Table, ...]:
    """A table of labels by alignment, and one of expected phones with errors found, errors missed and false alarms."""
    return _label_table(pairs, letters), _expected_phone_table(pairs)


def _label_table(pairs: Sequence[Pair], letters: Sequence[str]) -> Table:
    total, predicted, equal, as_error = (Counter[str]() for _ in range(4))
    for pair in pairs:
        labels, decoded = pair.reference["labels"], pair.prediction.fields["labels"]
        total.update(labels)
        predicted.update(decoded)
        equal.update(
            reference
            for reference, hypothesis in align(labels, decoded).columns
            if reference is not None and reference == hypothesis
        )
        for label, flagged in zip(labels, _flagged(labels, decoded), strict=True):
            as_error[label] += flagged
    rows = []
    for label in letters:
        shares = rate(equal[label], predicted[label]), rate(equal[label], total[label])
        rows.append((label, total[label], predicted[label], equal[label], as_error[label], *shares))
    headings = (
        "label",
        "in the references",
        "predicted",
        "agree",
        "taken for an error",
        "precision",
        "recall",
    )
    note = (
        "Aligned with the fewest edits; for labels taken for an error, without regard to the kind of error."
    )
    return Table("Labels", headings, tuple(rows), note)


def _expected_phone_table(pairs: Sequence[Pair]) -> Table:
    total, errors, detected, alarms = (Counter[str]() for _ in range(4))
    for pair in pairs:
        labels, positions = pair.reference["labels"], _positions(pair)
        if positions is None:
            continue
        flags = _flagged(labels, pair.prediction.fields["labels"])
        for (phone, _), label, flagged in zip(positions, labels, flags, strict=True):
            total[phone] += 1
            errors[phone] += label != CORRECT
            detected[phone] += label != CORRECT and flagged
            alarms[phone] += label == CORRECT and flagged
    order = sorted(total, key=lambda p: (detected[p] - errors[p] - alarms[p], p))
    return Table(
        "Errors by expected phone, most mistakes first",
        ("expected phone", "occurrences", "errors", "found", "missed", "false alarms"),
        tuple((p, total[p], errors[p], detected[p], errors[p] - detected[p], alarms[p]) for p in order),
        phones=("expected phone",),
    )


def _flagged(labels: Sequence[str], decoded: Sequence[str]) -> Iterator[bool]:
    """Per reference label, whether the decoded label aligned with it is an error."""
    for reference, hypothesis in align(as_correct_or_error(labels), as_correct_or_error(decoded)).columns:
        if reference is not None:
            yield hypothesis == ERROR


def _positions(pair: Pair) -> list[tuple[str, str]] | None:
    """(canonical, perceived) of each labelled position; None where one of the two is unknown."""
    canonical, perceived = pair.reference["canonical"], pair.reference["perceived"]
    known = canonical is not None and perceived is not None
    return list(zip(canonical, perceived, strict=True)) if known else None


def protocol_table(counts: Mapping[str, Sequence[MispronunciationCounts]]) -> Table:
    """Counts and rates of the phone output by each protocol."""
    rows = []
    for name, parts in counts.items():
        total = sum(parts, MispronunciationCounts())
        rates = mispronunciation_rates(total)
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
                *(rates[share] for share in shares),
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
        "kaldi, which does not count phones that only the model inserted."
    )
    return Table("Mispronunciations from the phones", columns, tuple(rows), note)
