"""Linear classifiers: log-probabilities over all labels, labels without training rows, class weights."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from soritune.stages.linear_classifier import LEAST_PROBABILITY, STRENGTH, classify_numbers, classify_texts


def test_numbers_are_standardised_by_the_training_rows_and_classified_by_logistic_regression() -> None:
    rng = np.random.default_rng(0)
    labels = np.arange(60) % 3
    train = rng.standard_normal((60, 4)) * [1, 100, 0.01, 5] + labels[:, None]
    test = rng.standard_normal((9, 4)) * [1, 100, 0.01, 5]
    found = classify_numbers(train, labels, test, 3)
    mean, deviation = train.mean(axis=0), train.std(axis=0)
    model = LogisticRegression(C=STRENGTH, max_iter=2000).fit((train - mean) / deviation, labels)
    np.testing.assert_allclose(np.exp(found), model.predict_proba((test - mean) / deviation), atol=1e-5)


def test_a_label_without_a_training_row_is_never_chosen() -> None:
    train, labels = np.array([[0.0], [1.0], [0.1], [1.1]]), np.array([0, 2, 0, 2])
    found = np.exp(classify_numbers(train, labels, np.array([[0.0], [1.0]]), 4))
    assert found.argmax(axis=1).tolist() == [0, 2]
    assert found.sum(axis=1) == pytest.approx([1, 1], abs=1e-5)
    assert found[:, [1, 3]].max() < 2 * LEAST_PROBABILITY


def test_training_rows_of_one_label_give_this_label() -> None:
    found = classify_numbers(np.zeros((3, 2)), np.array([1, 1, 1]), np.ones((2, 2)), 3)
    assert found.argmax(axis=1).tolist() == [1, 1]


def test_class_weights_raise_a_rare_label() -> None:
    rng = np.random.default_rng(1)
    labels = np.array([0] * 40 + [1] * 4)
    train = rng.standard_normal((44, 1)) + labels[:, None]
    plain = np.exp(classify_numbers(train, labels, np.array([[0.5]]), 2))
    weighted = np.exp(classify_numbers(train, labels, np.array([[0.5]]), 2, class_weights={0: 1.0, 1: 10.0}))
    assert weighted[0, 1] > plain[0, 1] + 0.2


def test_texts_are_recognised_by_their_characters() -> None:
    train = ["슬픈 장례식", "마음이 아프다", "몇 번을 말해야", "화가 난다"] * 3
    found = classify_texts(train, np.array([0, 0, 1, 1] * 3), ["장례식", "말해야"], 2)
    assert found.argmax(axis=1).tolist() == [0, 1]
