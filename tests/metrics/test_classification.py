import math

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score, precision_recall_fscore_support

from soritune.metrics.classification import class_table, confusion_matrix, confusion_rates


def test_rates_of_two_classes_worked_by_hand():
    # Class 0: 3 of 4 found, 3 predicted. Class 1: 2 of 2 found, 3 predicted.
    rates = confusion_rates([[3, 1], [0, 2]])
    assert rates["wa"] == pytest.approx(5 / 6)
    assert rates["ua"] == pytest.approx((3 / 4 + 2 / 2) / 2)
    assert rates["macro_f1"] == pytest.approx((6 / 7 + 4 / 5) / 2)
    assert rates["micro_f1"] == pytest.approx(5 / 6)


@pytest.mark.parametrize("seed", range(5))
def test_rates_agree_with_scikit_learn(seed):
    draw = np.random.default_rng(seed)
    truth, guess = draw.integers(0, 4, 60), draw.integers(0, 4, 60)
    matrix = confusion_matrix(truth.tolist(), guess.tolist(), 4)
    rates, table = confusion_rates(matrix), class_table(matrix)
    assert rates["wa"] == pytest.approx(accuracy_score(truth, guess))
    assert rates["ua"] == pytest.approx(balanced_accuracy_score(truth, guess))
    assert rates["macro_f1"] == pytest.approx(f1_score(truth, guess, average="macro"))
    assert rates["micro_f1"] == pytest.approx(f1_score(truth, guess, average="micro"))
    expected = precision_recall_fscore_support(truth, guess, labels=range(4), zero_division=np.nan)
    np.testing.assert_allclose(np.transpose(table), expected)


def test_rates_with_absent_classes_agree_with_scikit_learn():
    # Class 2 is neither in the reference nor predicted; class 1 is only predicted.
    truth, guess = [0, 0, 3], [0, 1, 0]
    rates = confusion_rates(confusion_matrix(truth, guess, 4))
    assert rates["macro_f1"] == pytest.approx(f1_score(truth, guess, average="macro"))
    assert rates["ua"] == pytest.approx(0.25)
    table = class_table(confusion_matrix(truth, guess, 4))
    assert math.isnan(table[2].recall)
    assert math.isnan(table[2].f1)
    assert table[3].f1 == 0
    assert math.isnan(table[3].precision)


def test_rates_without_rows_are_nan():
    assert all(math.isnan(value) for value in confusion_rates(np.zeros((3, 3))).values())
