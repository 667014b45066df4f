"""Reference sequences of error labels (C for correct, other letters for errors) compared with decoded ones.

By position: labels at equal positions are compared. One label missing at the beginning shifts all others, so a decoder
that always outputs C beats a nearly perfect one. Published systems print this as accuracy.

By alignment: both sequences are aligned with the fewest edits (`edit_distance.align`, ties included). Edits of labels
distinguish the kinds of error. To detect errors, every label but C first becomes E, since an error of the wrong kind
would otherwise shift the alignment. A reference error is *found* if the decoded label opposite is an error, else
*missed*. A decoded error is a *false alarm* if the reference opposite is C or a gap.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from soritune.metrics.edit_distance import align, edit_counts, error_rate

CORRECT, ERROR = "C", "E"
NUM_COUNTS = 10


def error_label_counts(reference: Sequence[str], hypothesis: Sequence[str]) -> tuple[int, ...]:
    """Counts of one utterance, which add up over utterances.

    Returns:
        Equal labels at equal positions, edits, reference length, errors found, false alarms, errors missed, correct
        labels kept, all correct labels, 1 if the sequences differ, and 1 (the utterance).
    """
    found = alarms = missed = kept = 0
    for expected, decoded in align(as_correct_or_error(reference), as_correct_or_error(hypothesis)).columns:
        found += expected == decoded == ERROR
        missed += expected == ERROR != decoded
        alarms += decoded == ERROR != expected
        kept += expected == decoded == CORRECT
    edits = sum(edit_counts(reference, hypothesis)[:3])
    positional = sum(expected == decoded for expected, decoded in zip(reference, hypothesis, strict=False))
    correct = sum(label == CORRECT for label in reference)
    differs = int(edits > 0)
    return positional, edits, len(reference), found, alarms, missed, kept, correct, differs, 1


def as_correct_or_error(labels: Sequence[str]) -> list[str]:
    """C for C, and E for every other label.

    >>> as_correct_or_error(["C", "S", "D"])
    ['C', 'E', 'E']
    """
    return [label if label == CORRECT else ERROR for label in labels]


def error_label_rates(counts: Sequence[float] | NDArray[np.float64]) -> dict[str, float]:
    """Rates of summed counts; nan if a denominator is zero.

    acc is by position, ler is edits over the reference length, and ser is the share of utterances with any difference.
    precision, recall and f1 of errors are by alignment. f1 is 2·found / (2·found + alarms + missed): nan if the
    references contain no error, 0 if they contain errors and no error is found. balanced_acc is the mean of the shares
    of errors found and of correct labels kept.
    """
    positional, edits, total, found, alarms, missed, kept, correct, differing, utterances = (
        float(n) for n in counts
    )
    recall = error_rate(found, found + missed)
    defined = found + missed > 0
    return {
        "f1": error_rate(2 * found, 2 * found + alarms + missed) if defined else float("nan"),
        "precision": error_rate(found, found + alarms),
        "recall": recall,
        "balanced_acc": (recall + error_rate(kept, correct)) / 2,
        "acc": error_rate(positional, total),
        "ler": error_rate(edits, total),
        "ser": error_rate(differing, utterances),
    }
