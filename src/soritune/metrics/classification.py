"""Rates of a classifier from its confusion matrix (rows: reference, columns: prediction), with EmoBox's names.

Confusion matrices add up over utterances, so groups and bootstraps are sums of matrices. The tests
compare with scikit-learn.
"""

from __future__ import annotations

from collections.abc import Sequence
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


def _class_arrays(matrix: NDArray[np.float64]) -> tuple[NDArray[np.float64], ...]:
    """Precision, recall, F1 and support, each (labels,)."""
    hits, support, predicted = np.diagonal(matrix), matrix.sum(axis=1), matrix.sum(axis=0)
    return _divide(hits, predicted), _divide(hits, support), _divide(2 * hits, predicted + support), support


def _divide(numerator: NDArray[np.float64], denominator: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.divide(numerator, denominator, out=np.full_like(numerator, np.nan), where=denominator > 0)
