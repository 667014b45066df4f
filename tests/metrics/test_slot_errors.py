"""Rates, areas and thresholds of errors by phone, against scikit-learn and a search over all thresholds."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.metrics import f1_score, roc_auc_score

from soritune.metrics.slot_errors import (
    NUM_BINS,
    area_under_curve,
    best_f1_threshold,
    binned,
    counts_at,
    low_rejection_threshold,
    slot_counts,
    slot_rates,
)


def drawn(seed: int, phones: int = 300) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities on the borders of bins, so that nothing is lost in them, and verdicts that depend on them."""
    rng = np.random.default_rng(seed)
    values = rng.integers(0, NUM_BINS, phones) / NUM_BINS
    return values, rng.random(phones) < values**2


def test_rates_worked_by_hand() -> None:
    # Called wrong: 1, 2, 4. Wrong: 1, 3. One found, two false alarms, one missed, two kept.
    called = [True, True, False, True, False, False]
    wrong = [True, False, True, False, False, False]
    assert slot_counts(called, wrong) == (1, 2, 1, 2)
    rates = slot_rates((1, 2, 1, 2))
    assert rates["f1"] == pytest.approx(2 / 5)
    assert rates["precision"] == pytest.approx(1 / 3)
    assert rates["recall"] == pytest.approx(1 / 2)
    assert rates["false_rejection_rate"] == pytest.approx(2 / 4)
    assert rates["balanced_acc"] == pytest.approx(1 / 2)


def test_rates_without_errors_or_without_correct_phones_are_nan() -> None:
    assert math.isnan(slot_rates((0, 1, 0, 5))["f1"]) and slot_rates((0, 0, 2, 5))["f1"] == 0.0
    assert math.isnan(slot_rates((1, 0, 1, 0))["false_rejection_rate"])
    assert math.isnan(area_under_curve(binned([0.2, 0.3], [False, False])))
    assert best_f1_threshold(binned([0.2], [False])) is None
    assert low_rejection_threshold(binned([0.2], [True])) is None


@pytest.mark.parametrize("seed", range(5))
def test_area_equals_that_of_scikit_learn(seed: int) -> None:
    values, wrong = drawn(seed)
    assert area_under_curve(binned(values, wrong)) == pytest.approx(roc_auc_score(wrong, values), abs=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_best_threshold_equals_a_search_over_all(seed: int) -> None:
    values, wrong = drawn(seed)
    scores = {index / NUM_BINS: f1_score(wrong, values >= index / NUM_BINS) for index in range(NUM_BINS)}
    chosen = best_f1_threshold(binned(values, wrong))
    assert chosen is not None and scores[chosen] == pytest.approx(max(scores.values()))
    assert not [border for border, score in scores.items() if border > chosen and score == scores[chosen]]


@pytest.mark.parametrize("most", [0.0, 0.05, 0.3])
def test_low_rejection_threshold_is_the_lowest_that_keeps_the_promise(most: float) -> None:
    values, wrong = drawn(1)
    chosen = low_rejection_threshold(binned(values, wrong), most)
    assert chosen is not None
    assert (values[~wrong] >= chosen).mean() <= most
    assert (values[~wrong] >= chosen - 1 / NUM_BINS).mean() > most


def test_no_threshold_is_low_enough_where_all_correct_phones_look_wrong() -> None:
    chosen = low_rejection_threshold(binned([1.0, 1.0], [False, False]))
    assert chosen is not None and chosen > 1


def test_bins_add_up_and_counts_follow_from_them() -> None:
    values, wrong = drawn(2)
    parts = binned(values[:100], wrong[:100]) + binned(values[100:], wrong[100:])
    np.testing.assert_array_equal(parts, binned(values, wrong))
    at = counts_at(parts)
    for index in (0, 40, 120, NUM_BINS):
        assert tuple(at[index]) == slot_counts(values >= index / NUM_BINS, wrong)
    # A border that floating point puts a little below itself is in its own bin.
    assert binned([0.29], [True])[1, round(0.29 * NUM_BINS)] == 1
