"""Mispronunciation detection and diagnosis: what should be said, what a person heard, what the model heard.

Two public evaluators define the counts differently; both are here, count for count, under the names of their
protocols. On the same output their F1 differs by 4 to 7 points: a report always names its protocol.

    TA  person and model both say correct        FR  person says correct, model says error
    FA  person says error, model says correct    TR  both say error: CD (same phone named) + DE (another one)

`kaldi` (github.com/cageyoko/CTC-Attention-Mispronunciation): three independent alignments of the phones
without `sil`; phones that only the model inserted are not counted, so `extra_insertions` stands beside.
`mpl` (github.com/Mu-Y/mpl-mdd): the annotation itself aligns canonical and perceived; only canonical and
predicted are aligned; a phone that only the model inserted is a false reject.
`mpl_exact`: `mpl` with the evaluator's own fault in counting insertions at the end, to reproduce its numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

Protocol = Literal["kaldi", "mpl", "mpl_exact"]
SILENCE = "sil"


class Step(NamedTuple):
    """One step of an alignment: C equal, S other symbol, D reference symbol left out, I symbol put in."""

    operation: Literal["C", "S", "D", "I"]
    reference: str | None
    hypothesis: str | None


@dataclass(frozen=True, slots=True)
class MispronunciationCounts:
    """Counts of one or many utterances; they add."""

    true_accepts: int = 0
    false_rejects: int = 0
    false_accepts: int = 0
    correct_diagnoses: int = 0
    diagnosis_errors: int = 0
    extra_insertions: int = 0
    """Phones in the model's output that align with no perceived phone; information only, part of no rate."""

    @property
    def true_rejects(self) -> int:
        """Errors that were found, rightly named or not."""
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
        canonical_aligned, perceived_aligned: Equally long; `sil` on one side is a gap, on both real silence.
        predicted: What the model heard; `sil` is left out.

    Raises:
        ValueError: the two annotated sequences differ in length.
    """
    if len(canonical_aligned) != len(perceived_aligned):
        raise ValueError(
            f"canonical_aligned has {len(canonical_aligned)} symbols and perceived_aligned "
            f"{len(perceived_aligned)}; they must be aligned one to one"
        )
    heard = [phone for phone in predicted if phone != SILENCE]
    canonical = [phone for phone in canonical_aligned if phone != SILENCE]
    perceived = [phone for phone in perceived_aligned if phone != SILENCE]
    extra = sum(step.operation == "I" for step in kaldi_alignment(perceived, heard))
    if protocol == "kaldi":
        return _count_kaldi(canonical, perceived, heard, extra)
    annotated = _annotated_alignment(canonical_aligned, perceived_aligned)
    return _count_mpl(annotated, mpl_alignment(canonical, heard), extra, exact=protocol == "mpl_exact")


def mispronunciation_rates(counts: MispronunciationCounts) -> dict[str, float]:
    """Rates from summed counts; an error is the positive class; nan where a denominator is zero.

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
    """Least-edit alignment with Kaldi's ties: traced from the end, the diagonal where it costs no more than
    the other two, else a deletion where it is no dearer than an insertion, else an insertion."""
    table = [list(range(len(hypothesis) + 1))]
    for row, symbol in enumerate(reference, 1):
        above, line = table[-1], [row]
        for column, other in enumerate(hypothesis, 1):
            line.append(min(above[column - 1] + (symbol != other), above[column] + 1, line[-1] + 1))
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
    """Least-edit alignment with SpeechBrain's ties, decided while the table is filled: the diagonal only
    where it is strictly cheaper than both others, else a deletion where it is strictly cheaper than an
    insertion, else that."""
    costs = list(range(len(hypothesis) + 1))
    choices: list[list[str]] = [["I"] * (len(hypothesis) + 1)]
    for row, symbol in enumerate(reference, 1):
        line, chosen = [row], ["D"]
        for column, other in enumerate(hypothesis, 1):
            diagonal = costs[column - 1] + (symbol != other)
            deletion, insertion = costs[column] + 1, line[-1] + 1
            if diagonal < deletion and diagonal < insertion:
                chosen.append("C" if symbol == other else "S")
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
    """The annotation read as an alignment; positions that are silence on both sides are no step."""
    steps = []
    for first, second in zip(canonical, perceived, strict=True):
        if first == SILENCE and second == SILENCE:
            continue
        if first == SILENCE:
            steps.append(Step("I", None, second))
        elif second == SILENCE:
            steps.append(Step("D", first, None))
        else:
            steps.append(Step("C" if first == second else "S", first, second))
    return steps


def _count_kaldi(
    canonical: Sequence[str], perceived: Sequence[str], predicted: Sequence[str], extra: int
) -> MispronunciationCounts:
    # Per perceived phone what became of it in the output, and the same per canonical phone.
    heard = [step for step in kaldi_alignment(perceived, predicted) if step.operation != "I"]
    kept = [step for step in kaldi_alignment(canonical, predicted) if step.operation != "I"]
    accepts = alarms = missed = right = wrong = 0
    canonical_at = perceived_at = 0
    for step in kaldi_alignment(canonical, perceived):
        if step.operation == "D":
            outcome = kept[canonical_at].operation
            right, missed, wrong = (
                right + (outcome == "D"),
                missed + (outcome == "C"),
                wrong + (outcome == "S"),
            )
            canonical_at += 1
            continue
        found = heard[perceived_at]
        perceived_at += 1
        canonical_at += step.operation != "I"
        if step.operation == "C":
            accepts, alarms = accepts + (found.operation == "C"), alarms + (found.operation != "C")
        elif found.operation == "C":
            right += 1
        elif _overlooked(step, found):
            missed += 1
        else:
            wrong += 1
    return MispronunciationCounts(accepts, alarms, missed, right, wrong, extra)


def _overlooked(said: Step, found: Step) -> bool:
    """Whether the model wrote what should have been said where a person heard something else."""
    if said.operation == "S":
        return found.operation == "S" and found.hypothesis == said.reference
    return said.operation == "I" and found.operation == "D"


def _count_mpl(
    annotated: Sequence[Step], predicted: Sequence[Step], extra: int, *, exact: bool
) -> MispronunciationCounts:
    accepts = alarms = missed = right = wrong = 0
    first = second = 0
    while first < len(annotated) and second < len(predicted):
        human, model = annotated[first], predicted[second]
        if human.operation == "I" or model.operation == "I":
            if human.operation == model.operation:
                same = human.hypothesis == model.hypothesis
                right, wrong = right + same, wrong + (not same)
            else:
                missed, alarms = missed + (human.operation == "I"), alarms + (model.operation == "I")
            first, second = first + (human.operation == "I"), second + (model.operation == "I")
            continue
        first, second = first + 1, second + 1
        if human.operation == "C":
            accepts, alarms = accepts + (model.operation == "C"), alarms + (model.operation != "C")
        elif model.operation == "C":
            missed += 1
        elif human.operation == model.operation and human.hypothesis == model.hypothesis:
            right += 1
        else:
            wrong += 1
    alarms += len(predicted) - second
    # What is left of the annotation are insertions at the end, each one missed. The evaluator that
    # `mpl_exact` reproduces compares the lengths of the two alignments instead.
    if second == len(predicted) and first < len(annotated):
        missed += max(0, len(annotated) - len(predicted)) if exact else len(annotated) - first
    return MispronunciationCounts(accepts, alarms, missed, right, wrong, extra)


def _share(part: int, whole: int) -> float:
    return part / whole if whole else float("nan")
