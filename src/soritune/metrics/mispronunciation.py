"""Mispronunciation detection and diagnosis from canonical, annotated (perceived) and predicted phones.

Two public evaluators define the counts differently. This module reproduces both, count for count, under the names of
their protocols. On the same output their F1 differs by 4 to 7 points, so a report always names its protocol.

    TA  annotator and model: correct           FR  annotator: correct, model: error
    FA  annotator: error, model: correct       TR  both: error, divided into CD (same phone) and DE (another phone)

`kaldi` (github.com/cageyoko/CTC-Attention-Mispronunciation): three independent alignments of the phones without
`sil`. Phones that only the model inserted are not counted; `extra_insertions` reports them.

`mpl` (github.com/Mu-Y/mpl-mdd): the annotation aligns canonical and perceived, so only canonical and predicted are
aligned. A phone that only the model inserted is a false reject.

`mpl_exact`: `mpl` with that evaluator's fault in counting insertions at the end, to reproduce its numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

Protocol = Literal["kaldi", "mpl", "mpl_exact"]
SILENCE = "sil"


class Step(NamedTuple):
    """One step of an alignment: C equal, S substitution, D deletion, I insertion."""

    operation: Literal["C", "S", "D", "I"]
    reference: str | None
    hypothesis: str | None


@dataclass(frozen=True, slots=True)
class MispronunciationCounts:
    """Counts of one or many utterances, which add up."""

    true_accepts: int = 0
    false_rejects: int = 0
    false_accepts: int = 0
    correct_diagnoses: int = 0
    diagnosis_errors: int = 0
    extra_insertions: int = 0
    """Phones in the model's output that align with no perceived phone; not used in any rate."""

    @property
    def true_rejects(self) -> int:
        """Errors that were found, with the right or a wrong diagnosis."""
        return self.correct_diagnoses + self.diagnosis_errors

    def __add__(self, other: MispronunciationCounts) -> MispronunciationCounts:
        return MispronunciationCounts(
            self.true_accepts + other.true_accepts,
            self.false_rejects + other.false_rejects,
            self.false_accepts + other.false_accepts,
            self.correct_diagnoses + other.correct_diagnoses,
            self.diagnosis_errors + other.diagnosis_errors,
            self.extra_insertions + other.extra_insertions,
        )


def count_mispronunciations(
    canonical_aligned: Sequence[str],
    perceived_aligned: Sequence[str],
    predicted: Sequence[str],
    *,
    protocol: Protocol = "kaldi",
) -> MispronunciationCounts:
    """Counts of one utterance.

    Args:
        canonical_aligned, perceived_aligned: Sequences of equal length; `sil` on one side is a gap, on both sides
            real silence.
        predicted: Phones decoded by the model; `sil` is ignored.

    Raises:
        ValueError: the two annotated sequences differ in length.
    """
    if len(canonical_aligned) != len(perceived_aligned):
        raise ValueError(
            f"canonical_aligned has {len(canonical_aligned)} symbols and perceived_aligned "
            f"{len(perceived_aligned)}; they must be aligned one to one"
        )
    decoded = [phone for phone in predicted if phone != SILENCE]
    canonical = [phone for phone in canonical_aligned if phone != SILENCE]
    perceived = [phone for phone in perceived_aligned if phone != SILENCE]
    extra = sum(step.operation == "I" for step in kaldi_alignment(perceived, decoded))
    if protocol == "kaldi":
        return _count_kaldi(canonical, perceived, decoded, extra)
    annotated = _annotated_alignment(canonical_aligned, perceived_aligned)
    return _count_mpl(annotated, mpl_alignment(canonical, decoded), extra, exact=protocol == "mpl_exact")


def mispronunciation_rates(counts: MispronunciationCounts) -> dict[str, float]:
    """Rates of summed counts; an error is the positive class; nan if a denominator is zero.

    precision = TR/(TR+FR), recall = TR/(TR+FA), f1 their harmonic mean, false_rejection_rate = FR/(TA+FR),
    false_acceptance_rate = FA/(FA+TR), diagnosis_error_rate = DE/(CD+DE), detection_accuracy = (TA+TR)/all.
    """
    accepts, rejects = counts.true_accepts, counts.true_rejects
    missed, alarms = counts.false_accepts, counts.false_rejects
    defined = rejects + alarms > 0 and rejects + missed > 0
    return {
        "precision": _share(rejects, rejects + alarms),
        "recall": _share(rejects, rejects + missed),
        "f1": _share(2 * rejects, 2 * rejects + alarms + missed) if defined else float("nan"),
        "false_rejection_rate": _share(alarms, accepts + alarms),
        "false_acceptance_rate": _share(missed, missed + rejects),
        "diagnosis_error_rate": _share(counts.diagnosis_errors, rejects),
        "diagnosis_accuracy": _share(counts.correct_diagnoses, rejects),
        "detection_accuracy": _share(accepts + rejects, accepts + alarms + missed + rejects),
    }


def kaldi_alignment(reference: Sequence[str], hypothesis: Sequence[str]) -> list[Step]:
    """Least-edit alignment with Kaldi's ties, traced from the end.

    The diagonal is taken if it costs no more than the other two, else a deletion if it costs no more than an insertion,
    else an insertion.
    """
    table = [list(range(len(hypothesis) + 1))]
    for row, expected in enumerate(reference, 1):
        previous, line = table[-1], [row]
        for column, actual in enumerate(hypothesis, 1):
            line.append(min(previous[column - 1] + (expected != actual), previous[column] + 1, line[-1] + 1))
        table.append(line)
    steps: list[Step] = []
    row, column = len(reference), len(hypothesis)
    while row or column:
        deletion = table[row - 1][column] + 1 if row else None
        insertion = table[row][column - 1] + 1 if column else None
        if deletion is not None and insertion is not None:
            differs = reference[row - 1] != hypothesis[column - 1]
            diagonal = table[row - 1][column - 1] + differs
            if diagonal <= deletion and diagonal <= insertion:
                row, column = row - 1, column - 1
                steps.append(Step("S" if differs else "C", reference[row], hypothesis[column]))
                continue
        if insertion is None or (deletion is not None and deletion <= insertion):
            row -= 1
            steps.append(Step("D", reference[row], None))
        else:
            column -= 1
            steps.append(Step("I", None, hypothesis[column]))
    return steps[::-1]


def mpl_alignment(reference: Sequence[str], hypothesis: Sequence[str]) -> list[Step]:
    """Least-edit alignment with SpeechBrain's ties, decided while the table is filled.

    The diagonal is taken if it is strictly cheaper than both others, else a deletion if it is strictly cheaper than an
    insertion, else an insertion.
    """
    costs = list(range(len(hypothesis) + 1))
    choices: list[list[str]] = [["I"] * (len(hypothesis) + 1)]
    for row, expected in enumerate(reference, 1):
        line, chosen = [row], ["D"]
        for column, actual in enumerate(hypothesis, 1):
            diagonal = costs[column - 1] + (expected != actual)
            deletion, insertion = costs[column] + 1, line[-1] + 1
            if diagonal < deletion and diagonal < insertion:
                chosen.append("C" if expected == actual else "S")
                line.append(diagonal)
            elif deletion < insertion:
                chosen.append("D")
                line.append(deletion)
            else:
                chosen.append("I")
                line.append(insertion)
        costs = line
        choices.append(chosen)
    steps: list[Step] = []
    row, column = len(reference), len(hypothesis)
    while row or column:
        choice = choices[row][column]
        if choice == "D":
            row -= 1
            steps.append(Step("D", reference[row], None))
        elif choice == "I":
            column -= 1
            steps.append(Step("I", None, hypothesis[column]))
        else:
            row, column = row - 1, column - 1
            steps.append(Step("C" if choice == "C" else "S", reference[row], hypothesis[column]))
    return steps[::-1]


def _annotated_alignment(canonical: Sequence[str], perceived: Sequence[str]) -> list[Step]:
    """The annotation as an alignment; positions with silence on both sides are dropped."""
    steps = []
    for expected, actual in zip(canonical, perceived, strict=True):
        if expected == SILENCE and actual == SILENCE:
            continue
        if expected == SILENCE:
            steps.append(Step("I", None, actual))
        elif actual == SILENCE:
            steps.append(Step("D", expected, None))
        else:
            steps.append(Step("C" if expected == actual else "S", expected, actual))
    return steps


def _count_kaldi(
    canonical: Sequence[str], perceived: Sequence[str], predicted: Sequence[str], extra: int
) -> MispronunciationCounts:
    # The outcome of each perceived phone in the output, and the same for each canonical phone.
    perceived_steps = [step for step in kaldi_alignment(perceived, predicted) if step.operation != "I"]
    canonical_steps = [step for step in kaldi_alignment(canonical, predicted) if step.operation != "I"]
    accepts = alarms = missed = right = wrong = 0
    canonical_at = perceived_at = 0
    for step in kaldi_alignment(canonical, perceived):
        if step.operation == "D":
            outcome = canonical_steps[canonical_at].operation
            right, missed, wrong = (
                right + (outcome == "D"),
                missed + (outcome == "C"),
                wrong + (outcome == "S"),
            )
            canonical_at += 1
            continue
        model_step = perceived_steps[perceived_at]
        perceived_at += 1
        canonical_at += step.operation != "I"
        if step.operation == "C":
            accepts, alarms = accepts + (model_step.operation == "C"), alarms + (model_step.operation != "C")
        elif model_step.operation == "C":
            right += 1
        elif _overlooked(step, model_step):
            missed += 1
        else:
            wrong += 1
    return MispronunciationCounts(accepts, alarms, missed, right, wrong, extra)


def _overlooked(annotated: Step, predicted: Step) -> bool:
    """Whether the model output follows the canonical phones at an annotated error."""
    if annotated.operation == "S":
        return predicted.operation == "S" and predicted.hypothesis == annotated.reference
    return annotated.operation == "I" and predicted.operation == "D"


def _count_mpl(
    annotated: Sequence[Step], predicted: Sequence[Step], extra: int, *, exact: bool
) -> MispronunciationCounts:
    accepts = alarms = missed = right = wrong = 0
    annotated_at = predicted_at = 0
    while annotated_at < len(annotated) and predicted_at < len(predicted):
        annotator, model = annotated[annotated_at], predicted[predicted_at]
        if annotator.operation == "I" or model.operation == "I":
            if annotator.operation == model.operation:
                same = annotator.hypothesis == model.hypothesis
                right, wrong = right + same, wrong + (not same)
            else:
                missed, alarms = missed + (annotator.operation == "I"), alarms + (model.operation == "I")
            annotated_at, predicted_at = (
                annotated_at + (annotator.operation == "I"),
                predicted_at + (model.operation == "I"),
            )
            continue
        annotated_at, predicted_at = annotated_at + 1, predicted_at + 1
        if annotator.operation == "C":
            accepts, alarms = accepts + (model.operation == "C"), alarms + (model.operation != "C")
        elif model.operation == "C":
            missed += 1
        elif annotator.operation == model.operation and annotator.hypothesis == model.hypothesis:
            right += 1
        else:
            wrong += 1
    alarms += len(predicted) - predicted_at
    # The rest of the annotation is insertions at the end, all missed. The evaluator that `mpl_exact` reproduces
    # compares the lengths of the two alignments instead.
    if predicted_at == len(predicted) and annotated_at < len(annotated):
        missed += max(0, len(annotated) - len(predicted)) if exact else len(annotated) - annotated_at
    return MispronunciationCounts(accepts, alarms, missed, right, wrong, extra)


def _share(part: int, whole: int) -> float:
    return part / whole if whole else float("nan")
