"""Logistic regression of scikit-learn, as layers of an encoder and simple baselines are judged by.

Next: `stages/trained_baselines.py`, `stages/layer_sweep.py`.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

STRENGTH = 0.1
"""Inverse of the regularisation of standardised numbers (`C` of scikit-learn)."""
TEXT_STRENGTH = 10.0
"""The same for character n-grams, whose values are small."""
LEAST_PROBABILITY = 1e-6
"""Of a class that no training row has."""
_STEPS = 2000


def classify_numbers(
    train: NDArray[np.floating],
    labels: NDArray[np.int64],
    test: NDArray[np.floating],
    num_labels: int,
    *,
    class_weights: Mapping[int, float] | None = None,
) -> NDArray[np.float32]:
    """Log-probabilities (test rows, labels) by a linear classifier of standardised numbers.

    Mean and deviation are those of the training rows.

    Args:
        train: (rows, numbers).
        labels: (rows,) label ids.
        test: (test rows, numbers).
        num_labels: of the task; a label without a training row gets a tiny probability.
        class_weights: weight of each label's rows in the loss; None gives every row the same.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    weights = None if class_weights is None else {int(k): class_weights[int(k)] for k in np.unique(labels)}
    model = LogisticRegression(C=STRENGTH, max_iter=_STEPS, class_weight=weights)
    return _log_probabilities(make_pipeline(StandardScaler(), model), train, labels, test, num_labels)


def classify_texts(
    train: Sequence[str] | NDArray[np.object_],
    labels: NDArray[np.int64],
    test: Sequence[str] | NDArray[np.object_],
    num_labels: int,
) -> NDArray[np.float32]:
    """Log-probabilities (test texts, labels) by a linear classifier of n-grams of one to three characters.

    Arguments as for `classify_numbers`.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    grams = TfidfVectorizer(analyzer="char_wb", ngram_range=(1, 3))
    model = make_pipeline(grams, LogisticRegression(C=TEXT_STRENGTH, max_iter=_STEPS))
    return _log_probabilities(model, np.asarray(train, object), labels, np.asarray(test, object), num_labels)


def _log_probabilities(
    model: Any, train: NDArray[Any], labels: NDArray[np.int64], test: NDArray[Any], num_labels: int
) -> NDArray[np.float32]:
    known = np.unique(labels)
    probabilities = np.full((len(test), num_labels), LEAST_PROBABILITY)
    if len(known) == 1:
        probabilities[:, known[0]] = 1.0
    elif len(test):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # steps that were not enough: the last ones are used
            model.fit(train, labels)
        probabilities[:, known] = np.maximum(model.predict_proba(test), LEAST_PROBABILITY)
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    logarithms: NDArray[np.float32] = np.log(probabilities).astype(np.float32)
    return logarithms
