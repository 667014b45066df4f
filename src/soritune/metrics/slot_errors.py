"""Errors by phone: one probability of an error for each canonical phone, compared with the annotator's verdict.

Every phone of the text has a verdict and a probability, so nothing is aligned. An error is the positive class:

    false rejection rate = correct phones called wrong / correct phones
    F1 = 2 · found / (2 · found + false alarms + missed)

Probabilities are kept as counts in bins of equal width, which add up over clips and speakers. Rates and thresholds are
then functions of sums; a threshold is the lower border of a bin.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

NUM_BINS = 200
"""Bins of probabilities: thresholds are multiples of 0.005."""
Bins = NDArray[np.float64]
"""(2, bins) phones by verdict, correct and wrong, and by their probability of an error."""
MOST_REJECTED = 0.05
"""Largest false rejection rate at the threshold of few rejections."""


def binned(probabilities: Sequence[float] | NDArray[np.float64], is_wrong: Sequence[bool]) -> Bins:
    """The bins of some phones.

    Args:
        probabilities: of an error, from 0 to 1.
        is_wrong: the annotator's verdict on each of them.
    """
    values = np.asarray(probabilities, dtype=np.float64)
    # A small tolerance, so that a threshold itself is in the bin that begins with it.
    at = np.clip(np.floor(values * NUM_BINS + 1e-9).astype(np.int64), 0, NUM_BINS - 1)
    bins = np.zeros((2, NUM_BINS))
    np.add.at(bins, (np.asarray(is_wrong, dtype=np.int64), at), 1.0)
    return bins


def area_under_curve(bins: Bins) -> float:
    """Area under the ROC curve: the chance that a wrong phone has a higher probability than a correct one; equal bins
    count half. nan without phones of both kinds."""
    correct, wrong = bins
    if not correct.sum() or not wrong.sum():
        return float("nan")
    below = np.concatenate([[0.0], np.cumsum(correct)[:-1]])
    return float((wrong * (below + correct / 2)).sum() / (correct.sum() * wrong.sum()))


def slot_rates(counts: Sequence[float] | NDArray[np.float64]) -> dict[str, float]:
    """Rates of summed `slot_counts`; nan if a denominator is zero.

    f1 is nan if there is no error at all, and 0 if there are errors and none is found.
    """
    found, alarms, missed, kept = (float(number) for number in counts)
    errors, correct = found + missed, alarms + kept

    def share(part: float, whole: float) -> float:
        return part / whole if whole else float("nan")

    return {
        "f1": share(2 * found, 2 * found + alarms + missed) if errors else float("nan"),
        "precision": share(found, found + alarms),
        "recall": share(found, errors),
        "false_rejection_rate": share(alarms, correct),
        "balanced_acc": (share(found, errors) + share(kept, correct)) / 2,
    }


def slot_counts(called_wrong: Sequence[bool], is_wrong: Sequence[bool]) -> tuple[int, int, int, int]:
    """Errors found, false alarms, errors missed, and correct phones kept, of one clip."""
    called, wrong = np.asarray(called_wrong, dtype=bool), np.asarray(is_wrong, dtype=bool)
    pairs = ((called & wrong), (called & ~wrong), (~called & wrong), (~called & ~wrong))
    found, alarms, missed, kept = (int(pair.sum()) for pair in pairs)
    return found, alarms, missed, kept


def counts_at(bins: Bins) -> NDArray[np.float64]:
    """(bins + 1, 4) `slot_counts` if every phone is called wrong whose probability is at least the lower border of a
    bin; the last row calls none wrong."""
    correct, wrong = bins
    above = [
        np.concatenate([np.cumsum(row[::-1])[::-1], [0.0]]) for row in (wrong, correct)
    ]  # phones at or above each border
    found, alarms = above
    counts: NDArray[np.float64] = np.stack(
        [found, alarms, wrong.sum() - found, correct.sum() - alarms], axis=1
    )
    return counts


def best_f1_threshold(bins: Bins) -> float | None:
    """The threshold with the highest F1, of equal ones the highest; None without an error."""
    if not bins[1].sum():
        return None
    scores = [slot_rates(counts)["f1"] for counts in counts_at(bins)[:-1]]
    best = max(range(NUM_BINS), key=lambda index: (scores[index], index))
    return best / NUM_BINS


def low_rejection_threshold(bins: Bins, most: float = MOST_REJECTED) -> float | None:
    """The lowest threshold at which at most a share `most` of the correct phones is called wrong; None without a
    correct phone. It is above 1, so that no phone is called wrong, if no threshold up to 1 does."""
    if not bins[0].sum():
        return None
    rates = counts_at(bins)[:, 1] / bins[0].sum()
    allowed = np.flatnonzero(rates <= most)
    return float(allowed[0]) / NUM_BINS if allowed[0] < NUM_BINS else 1.01
