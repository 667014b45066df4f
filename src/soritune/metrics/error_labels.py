"""Sequences of error labels (C for correct, other letters for errors) against decoded ones.

By position: labels are equal at equal places. One label lost at the beginning makes nearly everything wrong, so a
decoder that always says C beats one that is nearly perfect. Published systems print this as accuracy.

By alignment: both sequences are aligned with the fewest edits (`edit_distance.align`, ties included). Edits of labels
are counted with their kinds; for finding errors the kinds are put aside first (every label but C is an error), or an
error of the wrong kind would pull the alignment apart. A reference error is *found* where the decoded label opposite is
an error, else *missed*; a decoded error is a *false alarm* where the reference opposite is C or nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from soritune.metrics.edit_distance import align, edit_counts, error_rate

CORRECT, ERROR = "C", "E"
NUM_COUNTS = 10


def error_label_counts(reference: Sequence[str], hypothesis: Sequence[str]) -> tuple[int, ...]:
    """Counts of one utterance; they add.

    Returns:
        equal labels at equal positions, edits, reference length, errors found, false alarms, errors missed, correct
        labels kept, correct labels in all, 1 where anything differs, and 1.
    """
    found = alarms = missed = kept = 0
    for said, heard in align(kinds_aside(reference), kinds_aside(hypothesis)).columns:
        found += said == heard == ERROR
        missed += said == ERROR != heard
        alarms += heard == ERROR != said
        kept += said == heard == CORRECT
    edits = sum(edit_counts(reference, hypothesis)[:3])
    positional = sum(one == other for one, other in zip(reference, hypothesis, strict=False))
    correct = sum(label == CORRECT for label in reference)
    differs = int(edits > 0)
    return positional, edits, len(reference), found, alarms, missed, kept, correct, differs, 1


def kinds_aside(labels: Sequence[str]) -> list[str]:
    """C and E for every label that is not C.

    >>> kinds_aside(["C", "S", "D"])
    ['C', 'E', 'E']
    """
    return [label if label == CORRECT else ERROR for label in labels]


def error_label_rates(counts: Sequence[float] | NDArray[np.float64]) -> dict[str, float]:
    """Rates of summed counts; nan where a denominator is zero.

    acc is by position; ler the edits over the reference length; ser the share of utterances with any difference;
    precision, recall and f1 of errors by alignment. f1 is 2·found / (2·found + alarms + missed): nan where the
    references hold no error, 0 where there are errors and none is found. balanced_acc is the mean of the shares of
    errors found and of correct labels kept.
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
