from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score, cohen_kappa_score

from soritune.metrics.agreement import (
    krippendorff_alpha,
    majority_labels,
    pairwise_agreement,
    single_rater_confusion,
)
from soritune.metrics.classification import confusion_rates

OBSERVERS = (
    "1 2 3 3 2 1 4 1 2 . . .",
    "1 2 3 3 2 2 4 1 2 5 . 3",
    ". 3 3 3 2 3 4 2 2 5 1 .",
    "1 2 3 3 2 4 4 1 2 5 1 .",
)
"""Nominal data with missing values, Krippendorff 2011, section C."""


def counts_of(*raters: str) -> np.ndarray:
    columns = list(zip(*(rater.split() for rater in raters), strict=True))
    labels = sorted({label for column in columns for label in column} - {"."})
    return np.array([[column.count(label) for label in labels] for column in columns], dtype=float)


def test_alpha_of_the_published_example() -> None:
    counts = counts_of(*OBSERVERS)
    assert krippendorff_alpha(counts) == pytest.approx(0.743, abs=5e-4)
    assert krippendorff_alpha(counts[:-1]) == krippendorff_alpha(counts)  # one rating makes no pair


def test_alpha_of_the_published_two_observers() -> None:
    """Nominal data of two observers without missing values, Krippendorff 2011, section B: alpha = 0.692."""
    counts = counts_of("a a b b d c c c e d d a", "b a b b b c c c e d d d")
    assert krippendorff_alpha(counts) == pytest.approx(0.692, abs=5e-4)


def test_alpha_of_two_raters_follows_from_scikit_learns_kappa() -> None:
    """With equal margins Cohen's kappa is Scott's pi, of which alpha differs only by its correction for n ratings."""
    rng = np.random.default_rng(0)
    first = rng.integers(0, 4, 300)
    second = np.where(rng.random(300) < 0.6, first, rng.integers(0, 4, 300))
    one, two = np.concatenate([first, second]), np.concatenate([second, first])
    counts = np.eye(4)[one] + np.eye(4)[two]
    kappa, num_ratings = cohen_kappa_score(one, two), counts.sum()
    assert krippendorff_alpha(counts) == pytest.approx(1 - (1 - kappa) * (num_ratings - 1) / num_ratings)
    assert krippendorff_alpha(np.tile(counts, (1000, 1))) == pytest.approx(kappa, abs=1e-6)
    assert pairwise_agreement(counts) == pytest.approx((one == two).mean())


def test_agreement_worked_by_hand() -> None:
    """Pairs that agree: 3 of 3, 1 of 3, 0 of 1; the last unit has one rating."""
    counts = [[3, 0], [2, 1], [1, 1], [1, 0]]
    assert pairwise_agreement(counts) == pytest.approx((1 + 1 / 3 + 0) / 3)
    # Disagreeing pairs: 0 + 2 * 2 / 2 + 2 / 1 = 4 of 8 ratings; by chance 2 * 6 * 2 / 7.
    assert krippendorff_alpha(counts) == pytest.approx(1 - 4 / (24 / 7))
    assert krippendorff_alpha([[3, 0], [0, 2]]) == 1.0


@pytest.mark.parametrize("counts", [np.zeros((0, 3)), [[1, 0], [0, 1]], [[2, 0], [3, 0]]])
def test_alpha_without_disagreement_to_expect_is_unknown(counts: object) -> None:
    assert math.isnan(krippendorff_alpha(counts))  # type: ignore[arg-type]
    assert single_rater_confusion(counts).shape == (np.shape(counts)[1],) * 2  # type: ignore[arg-type]


def test_majority_is_unknown_for_ties_and_without_ratings() -> None:
    assert majority_labels([[2, 1, 0], [1, 1, 0], [0, 0, 0], [0, 0, 1]]).tolist() == [0, -1, -1, 2]
    assert majority_labels(np.zeros((0, 3))).tolist() == []


def test_single_raters_are_judged_by_the_majority_of_the_others() -> None:
    """[2, 1]: each of the two a has others a, b without a majority; the b has others a, a. [3, 0]: three times a."""
    assert single_rater_confusion([[2, 1], [3, 0], [1, 1]]).tolist() == [[3, 1], [0, 0]]
    rng = np.random.default_rng(1)
    ratings = rng.integers(0, 3, (80, 5))
    reference, predicted = [], []
    for unit in ratings.tolist():
        for rater in range(5):
            others = unit[:rater] + unit[rater + 1 :]
            ranked = sorted({label: others.count(label) for label in others}.items(), key=lambda one: -one[1])
            if len(ranked) == 1 or ranked[0][1] > ranked[1][1]:
                reference.append(ranked[0][0])
                predicted.append(unit[rater])
    counts = np.stack([(ratings == label).sum(axis=1) for label in range(3)], axis=1)
    confusion = single_rater_confusion(counts)
    assert confusion.sum() == len(reference)
    assert confusion_rates(confusion)["ua"] == pytest.approx(balanced_accuracy_score(reference, predicted))
