import numpy as np
import pytest

from soritune.inference.posteriors import log_softmax, mean_of, readable
from soritune.tasks.task import OutputSpec

LABELS = ("a", "b")
CTC = OutputSpec("x", LABELS, "frame", "ctc", options={"blank": 0})
CLASSES = OutputSpec("x", LABELS, "utterance", "cross_entropy")
VALUES = OutputSpec("x", LABELS, "utterance", "regression")


def test_log_softmax_sums_to_one_and_survives_large_logits():
    result = log_softmax(np.array([[1e4, 0.0], [0.0, 0.0]], dtype=np.float32))
    np.testing.assert_allclose(np.exp(result).sum(-1), 1, rtol=1e-6)
    np.testing.assert_allclose(result[1], np.log(0.5), rtol=1e-6)


def test_no_frames_stay_no_frames():
    assert log_softmax(np.zeros((0, 4), dtype=np.float32)).shape == (0, 4)


def test_regression_is_left_alone():
    np.testing.assert_array_equal(readable(VALUES, np.array([3.0, -1.0])), [3.0, -1.0])


def test_classification_averages_probabilities():
    parts = [np.log(np.array(p, dtype=np.float32)) for p in ((0.9, 0.1), (0.3, 0.7))]
    np.testing.assert_allclose(np.exp(mean_of(CLASSES, parts)), [0.6, 0.4], rtol=1e-5)
    np.testing.assert_allclose(np.exp(mean_of(CLASSES, parts, [3, 1])), [0.75, 0.25], rtol=1e-5)


def test_ctc_averages_log_probabilities():
    parts = [np.log(np.array([p], dtype=np.float32)) for p in ((0.9, 0.1), (0.2, 0.8))]
    weight = np.sqrt([0.9 * 0.2, 0.1 * 0.8])
    np.testing.assert_allclose(np.exp(mean_of(CTC, parts)), [weight / weight.sum()], rtol=1e-5)


def test_a_sure_no_does_not_become_minus_infinity():
    parts = [np.array([0.0, -200.0], dtype=np.float32)] * 2
    assert np.isfinite(mean_of(CLASSES, parts)).all()


def test_one_part_is_itself():
    part = np.array([-0.1, -2.0], dtype=np.float32)
    assert mean_of(CTC, [part]) is part


@pytest.mark.parametrize("spec", [CTC, CLASSES])
def test_equal_parts_average_to_themselves(spec):
    part = log_softmax(np.random.default_rng(0).normal(size=(5, 2)))
    np.testing.assert_allclose(mean_of(spec, [part, part, part]), part, atol=1e-6)
