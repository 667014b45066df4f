import numpy as np
from scipy.special import log_expit
from scipy.special import log_softmax as scipy_log_softmax

from soritune.tasks.objectives.probabilities import log_sigmoid, log_softmax, mean_of_probabilities


def test_log_softmax_sums_to_one_and_survives_large_logits():
    result = log_softmax(np.array([[1e4, 0.0], [0.0, 0.0]], dtype=np.float32))
    np.testing.assert_allclose(np.exp(result).sum(-1), 1, rtol=1e-6)
    np.testing.assert_allclose(result[1], np.log(0.5), rtol=1e-6)


def test_both_equal_scipys():
    logits = np.random.default_rng(0).normal(scale=30, size=(50, 4)).astype(np.float32)
    np.testing.assert_allclose(log_softmax(logits), scipy_log_softmax(logits.astype(float), -1), rtol=1e-6)
    np.testing.assert_allclose(log_sigmoid(logits), log_expit(logits.astype(float)), rtol=1e-6)


def test_log_sigmoid_survives_large_logits():
    np.testing.assert_allclose(log_sigmoid(np.array([-1e4, 0.0, 1e4])), [-1e4, np.log(0.5), 0.0], rtol=1e-6)


def test_log_softmax_of_no_frames_is_empty():
    assert log_softmax(np.zeros((0, 4), dtype=np.float32)).shape == (0, 4)


def test_mean_of_zero_probabilities_is_finite():
    parts = np.array([[0.0, -2000.0]] * 2)
    assert np.isfinite(mean_of_probabilities(parts, np.array([0.5, 0.5]))).all()
