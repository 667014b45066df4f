from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, f1_score, precision_recall_fscore_support

from soritune.metrics.multi_label import average_precision, label_counts, label_table, multi_label_rates


def drawn(rows: int = 60, labels: int = 4) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    truth = rng.random((rows, labels)) < [0.5, 0.3, 0.2, 0.1][:labels]
    return truth, np.clip(0.6 * truth + rng.random((rows, labels)).round(1) * 0.6, 0, 1)


def test_rates_are_scikit_learns() -> None:
    truth, scores = drawn()
    counts = label_counts(truth, scores >= 0.5)
    rates = multi_label_rates(counts)
    assert rates["macro_f1"] == pytest.approx(f1_score(truth, scores >= 0.5, average="macro"))
    assert rates["micro_f1"] == pytest.approx(f1_score(truth, scores >= 0.5, average="micro"))
    expected = np.array(precision_recall_fscore_support(truth, scores >= 0.5))
    np.testing.assert_allclose(np.array(label_table(counts)).T, expected)


def test_average_precision_is_scikit_learns_with_equal_scores_too() -> None:
    truth, scores = drawn()
    assert len(np.unique(scores[:, 0])) < len(scores)
    for label in range(4):
        expected = average_precision_score(truth[:, label], scores[:, label])
        assert average_precision(truth[:, label], scores[:, label]) == pytest.approx(expected)
    assert average_precision([1, 0, 1], [0.9, 0.8, 0.7]) == pytest.approx((1 + 2 / 3) / 2)


def test_rates_without_a_label_are_unknown() -> None:
    nothing = label_counts(np.zeros((3, 2)), np.zeros((3, 2)))
    assert all(math.isnan(rate) for rate in multi_label_rates(nothing).values())
    assert all(math.isnan(rate) for row in label_table(nothing) for rate in row[:3])
    assert math.isnan(average_precision([0, 0], [0.1, 0.2]))
    one = label_counts([[1, 0]], [[0, 0]])
    assert multi_label_rates(one) == {"macro_f1": 0.0, "micro_f1": 0.0}
