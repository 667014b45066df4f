import numpy as np
import pytest

from soritune.inference.posteriors import mean_of, readable, tempered
from soritune.tasks.specs import OutputSpec

LABELS = ("a", "b")
CTC = OutputSpec("x", LABELS, "frame", "ctc", options={"blank": 0})
CLASSES = OutputSpec("x", LABELS, "utterance", "cross_entropy")
SOFT = OutputSpec("x", LABELS, "utterance", "kl_divergence")
EVENTS = OutputSpec("x", LABELS, "utterance", "multi_label")
VALUES = OutputSpec("x", LABELS, "utterance", "regression")


def test_values_of_a_regression_are_unchanged():
    np.testing.assert_array_equal(readable(VALUES, np.array([3.0, -1.0])), [3.0, -1.0])
    parts = [np.array([1.0, 2.0], np.float32), np.array([3.0, 6.0], np.float32)]
    np.testing.assert_allclose(mean_of(VALUES, parts, [3, 1]), [1.5, 3.0])


@pytest.mark.parametrize("spec", [CLASSES, SOFT])
def test_classification_averages_probabilities(spec):
    parts = [np.log(np.array(p, dtype=np.float32)) for p in ((0.9, 0.1), (0.3, 0.7))]
    np.testing.assert_allclose(np.exp(mean_of(spec, parts)), [0.6, 0.4], rtol=1e-5)
    np.testing.assert_allclose(np.exp(mean_of(spec, parts, [3, 1])), [0.75, 0.25], rtol=1e-5)


def test_each_label_of_multi_label_is_averaged_alone():
    parts = [np.log(np.array(p, dtype=np.float32)) for p in ((0.9, 0.8), (0.3, 0.6))]
    np.testing.assert_allclose(np.exp(mean_of(EVENTS, parts)), [0.6, 0.7], rtol=1e-5)


def test_ctc_averages_log_probabilities():
    parts = [np.log(np.array([p], dtype=np.float32)) for p in ((0.9, 0.1), (0.2, 0.8))]
    weight = np.sqrt([0.9 * 0.2, 0.1 * 0.8])
    np.testing.assert_allclose(np.exp(mean_of(CTC, parts)), [weight / weight.sum()], rtol=1e-5)


def test_mean_of_very_small_probabilities_is_finite():
    parts = [np.array([0.0, -200.0], dtype=np.float32)] * 2
    assert np.isfinite(mean_of(CLASSES, parts)).all()


def test_temperature_divides_logits_worked_by_hand():
    """Odds 9 : 1 become 3 : 1 at temperature 2, and 81 : 1 at 1/2."""
    logs = np.log(np.array([0.9, 0.1], np.float32))
    np.testing.assert_allclose(np.exp(tempered(logs, 2.0)), [0.75, 0.25], rtol=1e-5)
    np.testing.assert_allclose(np.exp(tempered(logs, 0.5)), [81 / 82, 1 / 82], rtol=1e-5)
