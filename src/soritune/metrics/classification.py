"""Rates of a classifier from its confusion matrix (rows: reference, columns: prediction), with EmoBox's names.

Confusion matrices add up over utterances, so groups and bootstraps are sums of matrices. The tests
compare with scikit-learn.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray


def confusion_matrix(
    reference: Sequence[int], predicted: Sequence[int], num_labels: int
) -> NDArray[np.float64]:
    """Counts (num_labels, num_labels): how often label c was predicted for a row of label r."""
    matrix = np.zeros((num_labels, num_labels), dtype=np.float64)
    np.add.at(matrix, (np.asarray(reference, dtype=np.int64), np.asarray(predicted, dtype=np.int64)), 1.0)
    return matrix


class ClassRates(NamedTuple):
    """Rates of one class; nan if the denominator is zero. `support` counts its reference rows."""

    precision: float
    recall: float
    f1: float
    support: float


def class_table(confusion: ArrayLike) -> list[ClassRates]:
    """Precision, recall and F1 of every class, in the order of the matrix.

    precision = hits / predicted, recall = hits / support, F1 = 2 hits / (predicted + support). All rates are nan for a
    class that is neither in the reference nor predicted. A reference class that is never predicted has precision nan
    and F1 0.
    """
    precision, recall, f1, support = _class_arrays(np.asarray(confusion, dtype=np.float64))
    rows = zip(precision.tolist(), recall.tolist(), f1.tolist(), support.tolist(), strict=True)
    return [ClassRates(*row) for row in rows]


def confusion_rates(confusion: ArrayLike) -> dict[str, float]:
    """Rates of a confusion matrix (labels, labels), each 0 to 1: `wa`, `ua`, `macro_f1`, `micro_f1`; nan without rows.

    wa: share of correct rows. ua: mean recall over the classes that have reference rows (balanced
    accuracy). macro_f1: mean F1 over the classes that occur in reference or prediction (scikit-learn's set).
    micro_f1: F1 of summed hits and misses, which equals wa when every row has exactly one label.
    """
    matrix = np.asarray(confusion, dtype=np.float64)
    total = float(matrix.sum())
    if not total:
        return dict.fromkeys(("wa", "ua", "macro_f1", "micro_f1"), float("nan"))
    _, recall, f1, _ = _class_arrays(matrix)
    accuracy = float(np.trace(matrix)) / total
    return {
        "wa": accuracy,
        "ua": float(np.nanmean(recall)),
        "macro_f1": float(np.nanmean(f1)),
        "micro_f1": accuracy,
    }


class CalibrationBin(NamedTuple):
    """Rows with a confidence in (low, high]: their number, mean confidence and accuracy."""

    low: float
    high: float
    rows: int
    confidence: float
    accuracy: float


@dataclass(frozen=True, slots=True)
class Calibration:
    """How well confidence predicts accuracy. `ece`: expected calibration error, 0 to 1; nan without rows."""

    ece: float
    bins: tuple[CalibrationBin, ...]
    """Bins that hold rows, by increasing confidence."""


def calibration(confidence: ArrayLike, correct: ArrayLike, *, num_bins: int = 10) -> Calibration:
    """Expected calibration error over equal-width bins: sum of (share of rows) x |accuracy - mean confidence|.

    Source: Naeini et al. 2015; Guo et al. 2017 (arXiv 1706.04599), with bins (low, high] as there.

    Args:
        confidence: (rows,) probability of the predicted label, 0 to 1.
        correct: (rows,) whether that label was correct.
        num_bins: Number of bins between 0 and 1.
    """
    confidences = np.asarray(confidence, dtype=np.float64)
    hits = np.asarray(correct, dtype=np.float64)
    if not confidences.size:
        return Calibration(float("nan"), ())
    bin_of_row = np.clip(np.ceil(confidences * num_bins).astype(np.int64) - 1, 0, num_bins - 1)
    bins = []
    for bin_index in range(num_bins):
        in_bin = bin_of_row == bin_index
        count = int(in_bin.sum())
        if count:
            edges = bin_index / num_bins, (bin_index + 1) / num_bins
            means = float(confidences[in_bin].mean()), float(hits[in_bin].mean())
            bins.append(CalibrationBin(*edges, count, *means))
    error = sum(row.rows * abs(row.accuracy - row.confidence) for row in bins) / confidences.size
    return Calibration(float(error), tuple(bins))


def _class_arrays(matrix: NDArray[np.float64]) -> tuple[NDArray[np.float64], ...]:
    """Precision, recall, F1 and support, each (labels,)."""
    hits, support, predicted = np.diagonal(matrix), matrix.sum(axis=1), matrix.sum(axis=0)
    return _divide(hits, predicted), _divide(hits, support), _divide(2 * hits, predicted + support), support


def _divide(numerator: NDArray[np.float64], denominator: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.divide(numerator, denominator, out=np.full_like(numerator, np.nan), where=denominator > 0)
