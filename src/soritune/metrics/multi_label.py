"""Rates of predictions that are sets of labels, from counts per label that add up over utterances.

Legend of shapes: rows, labels. The tests compare with scikit-learn.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from soritune.metrics.classification import ClassRates


class LabelCounts(NamedTuple):
    """Sums over rows, each (labels,)."""

    hits: NDArray[np.float64]
    """Rows with the label, in the reference and predicted."""
    support: NDArray[np.float64]
    """Rows with the label in the reference."""
    predicted: NDArray[np.float64]
    """Rows for which the label is predicted."""


def label_counts(reference: ArrayLike, predicted: ArrayLike) -> LabelCounts:
    """Counts of rows.

    Args:
        reference: (rows, labels) whether the label holds.
        predicted: the same for the prediction.
    """
    truth, guess = np.asarray(reference, dtype=bool), np.asarray(predicted, dtype=bool)
    hits, support, positive = (each.sum(axis=0).astype(np.float64) for each in (truth & guess, truth, guess))
    return LabelCounts(hits, support, positive)


def label_table(counts: LabelCounts) -> list[ClassRates]:
    """Precision, recall and F1 of every label; nan where the denominator is zero."""
    rates = zip(*_rates(counts), counts.support.tolist(), strict=True)
    return [
        ClassRates(float(precision), float(recall), float(f1), support)
        for precision, recall, f1, support in rates
    ]


def multi_label_rates(counts: LabelCounts) -> dict[str, float]:
    """`macro_f1`, the mean F1 of the labels that occur in the reference or among the predictions, and `micro_f1`, the
    F1 of summed hits and misses; nan if no label occurs."""
    _, _, f1 = _rates(counts)
    total = float(counts.predicted.sum() + counts.support.sum())
    if not total:
        return {"macro_f1": float("nan"), "micro_f1": float("nan")}
    return {"macro_f1": float(np.nanmean(f1)), "micro_f1": 2 * float(counts.hits.sum()) / total}


def average_precision(reference: ArrayLike, scores: ArrayLike) -> float:
    """Mean over the rows with the label of the precision among the rows with at least their score; nan without such a
    row.

    Args:
        reference: (rows,) whether the label holds.
        scores: (rows,) of the label, higher for more certain.
    """
    truth, score = np.asarray(reference, dtype=bool), np.asarray(scores, dtype=np.float64)
    if not truth.any():
        return float("nan")
    order = np.argsort(-score, kind="stable")
    # The last row of those with an equal score stands for all of them.
    last = np.searchsorted(-score[order], -score[order], side="right") - 1
    precision = np.cumsum(truth[order])[last] / (last + 1)
    return float(precision[truth[order]].mean())


def _rates(counts: LabelCounts) -> tuple[NDArray[np.float64], ...]:
    """Precision, recall and F1, each (labels,)."""
    hits, support, predicted = counts
    pairs = ((hits, predicted), (hits, support), (2 * hits, predicted + support))
    return tuple(
        np.divide(above, below, out=np.full_like(above, np.nan), where=below > 0) for above, below in pairs
    )
