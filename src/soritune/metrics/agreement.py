"""Agreement of several raters who give each unit one label, from the number of ratings of each label.

Legend of shapes: units (rated utterances), labels. Ratings may be missing: units may have different numbers of them.
The tests compare with a published worked example and with scikit-learn.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def krippendorff_alpha(counts: ArrayLike) -> float:
    """Krippendorff's alpha for nominal labels: 1 - observed / expected disagreement of pairs of ratings.

    Source: Krippendorff 2011, "Computing Krippendorff's Alpha-Reliability", section C. Units with fewer than two
    ratings contribute nothing.

    Args:
        counts: (units, labels) number of ratings.

    Returns:
        1 for full agreement, about 0 for that of chance; nan without two different labels among the pairs.
    """
    paired = _with_ratings(counts, 2)
    totals, num_ratings = paired.sum(axis=0), paired.sum()
    expected = num_ratings**2 - (totals**2).sum()
    if not expected:
        return float("nan")
    of_unit = paired.sum(axis=1)
    disagreeing = (of_unit**2 - (paired**2).sum(axis=1)) / (of_unit - 1)
    return float(1 - (num_ratings - 1) * disagreeing.sum() / expected)


def pairwise_agreement(counts: ArrayLike) -> float:
    """Mean over units of the share of pairs of ratings with the same label; nan without a unit with two ratings.

    Source: Fleiss 1971, the observed agreement of his kappa.

    Args:
        counts: (units, labels) number of ratings.
    """
    paired = _with_ratings(counts, 2)
    if not len(paired):
        return float("nan")
    of_unit = paired.sum(axis=1)
    agreeing = (paired * (paired - 1)).sum(axis=1) / (of_unit * (of_unit - 1))
    return float(agreeing.mean())


def single_rater_confusion(counts: ArrayLike) -> NDArray[np.float64]:
    """Single ratings (columns) against the majority of the other ratings of the unit (rows), (labels, labels).

    Every rating of a unit with at least three counts once, unless the others have no majority. Its mean recall is what
    one rater reaches who is judged like a model.

    Args:
        counts: (units, labels) number of ratings.
    """
    rated = _with_ratings(counts, 3)
    num_labels = rated.shape[1]
    confusion = np.zeros((num_labels, num_labels))
    for rating in range(num_labels):
        units = rated[rated[:, rating] > 0]
        others = units.copy()
        others[:, rating] -= 1
        majority = majority_labels(others)
        decided = majority >= 0
        weights = units[decided, rating]
        confusion[:, rating] = np.bincount(majority[decided], weights=weights, minlength=num_labels)
    return confusion


def majority_labels(counts: ArrayLike) -> NDArray[np.int64]:
    """The label with the most ratings of each unit, (units,); -1 for a tie or without a rating.

    Args:
        counts: (units, labels) number of ratings.
    """
    ratings = np.asarray(counts, dtype=np.float64)
    if not len(ratings):
        return np.zeros(0, dtype=np.int64)
    most = ratings.max(axis=1)
    is_decided = (ratings == most[:, None]).sum(axis=1) == 1
    return np.where(is_decided & (most > 0), ratings.argmax(axis=1), -1)


def _with_ratings(counts: ArrayLike, least: int) -> NDArray[np.float64]:
    """The units with at least `least` ratings."""
    ratings = np.asarray(counts, dtype=np.float64)
    if ratings.ndim != 2:
        ratings = ratings.reshape(0, ratings.shape[-1] if ratings.ndim else 0)
    enough: NDArray[np.float64] = ratings[ratings.sum(axis=1) >= least]
    return enough
