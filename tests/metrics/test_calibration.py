import math

import numpy as np
import pytest
import scipy.optimize
import scipy.special

from soritune.metrics.calibration import (
    HIGHEST,
    LOWEST,
    calibration,
    calibration_of,
    coverage_thresholds,
    fit_temperature,
    negative_log_likelihood,
    without_temperature,
)


def test_calibration_without_rows_is_nan():
    assert math.isnan(calibration([], []).ece)


def test_calibration_worked_by_hand():
    # Two rows at 0.9, one right: gap 0.4, share 1/2. Two at 0.6, both right: gap 0.4, share 1/2.
    result = calibration([0.9, 0.9, 0.6, 0.6], [1, 0, 1, 1])
    assert result.ece == pytest.approx(0.4)
    assert [(row.rows, row.accuracy) for row in result.bins] == [(2, 1.0), (2, 0.5)]


def test_confidence_at_an_edge_is_in_the_lower_bin():
    result = calibration([0.5, 0.0, 1.0], [1, 0, 1], num_bins=2)
    assert [(row.low, row.rows) for row in result.bins] == [(0.0, 2), (0.5, 1)]


def one_hot(labels, count):
    return np.eye(count)[np.asarray(labels)]


def test_temperature_of_two_clips_worked_by_hand():
    """Two labels. Clip 1: logits 2, 0, right. Clip 2: logits 1, 0, wrong. With u = exp(1 / T) the derivative of
    log(1 + u^-2) + log(1 + u) by 1 / T is zero where 2 / (u² + 1) = u / (1 + u), that is u³ - u - 2 = 0."""
    fit = fit_temperature([[2.0, 0.0], [1.0, 0.0]], one_hot([0, 1], 2))
    u = np.roots([1, 0, -1, -2])
    u = float(u[np.isreal(u)][0].real)
    assert u == pytest.approx(1.5213797)
    assert fit.temperature == pytest.approx(1 / math.log(u), rel=1e-9)
    assert fit.temperature == pytest.approx(2.3831, abs=1e-4)
    assert fit.nll_before == pytest.approx((math.log(1 + math.exp(-2)) + math.log(1 + math.e)) / 2)
    assert fit.nll_after == pytest.approx((math.log(1 + u**-2) + math.log(1 + u)) / 2)
    assert fit.limit == "none"


def test_temperature_of_equal_clips_makes_confidence_the_share_of_right_ones():
    """Three clips at 0.9, two of them right: p(T) = 2/3, so T = log 9 / log 2."""
    logs = np.log([[0.9, 0.1]] * 3)
    fit = fit_temperature(logs, one_hot([0, 0, 1], 2))
    assert fit.temperature == pytest.approx(math.log(9) / math.log(2))
    assert calibration_of(logs / fit.temperature, one_hot([0, 0, 1], 2)).ece == pytest.approx(0.0, abs=1e-9)
    assert calibration_of(logs, one_hot([0, 0, 1], 2)).ece == pytest.approx(0.9 - 2 / 3)


@pytest.mark.parametrize("seed", range(4))
def test_temperature_agrees_with_a_grid_and_with_scipy(seed):
    draw = np.random.default_rng(seed)
    logits = draw.normal(size=(200, 4)) * draw.uniform(0.5, 6)
    labels = np.array([draw.choice(4, p=scipy.special.softmax(row / 2)) for row in logits])
    targets = one_hot(labels, 4)

    def nll(temperature):
        logs = scipy.special.log_softmax(logits / temperature, axis=1)
        return -logs[np.arange(200), labels].mean()

    grid = np.exp(np.linspace(math.log(LOWEST), math.log(HIGHEST), 4001))
    best = grid[np.argmin([nll(temperature) for temperature in grid])]
    found = scipy.optimize.minimize_scalar(nll, bounds=(LOWEST, HIGHEST), method="bounded").x
    fit = fit_temperature(logits, targets)
    assert fit.temperature == pytest.approx(best, rel=2e-3)
    assert fit.temperature == pytest.approx(found, rel=1e-3)
    assert fit.nll_after == pytest.approx(nll(fit.temperature))
    assert fit.nll_after <= fit.nll_before == pytest.approx(negative_log_likelihood(logits, targets))


def test_log_probabilities_and_logits_have_the_same_temperature():
    draw = np.random.default_rng(1)
    logits, labels = draw.normal(size=(50, 3)) * 3, draw.integers(0, 3, 50)
    logs = scipy.special.log_softmax(logits, axis=1)
    expected = fit_temperature(logits, one_hot(labels, 3)).temperature
    assert fit_temperature(logs, one_hot(labels, 3)).temperature == pytest.approx(expected)


def test_soft_targets_are_distributions():
    """One clip whose raters gave 3 : 1; the model said 0.9. The best p is 0.75: T = log 9 / log 3 = 2."""
    assert fit_temperature(np.log([[0.9, 0.1]]), [[0.75, 0.25]]).temperature == pytest.approx(2.0)


def test_degenerate_rows_end_at_a_stated_limit():
    logits = [[1.0, 0.0], [2.0, 0.0]]
    assert fit_temperature(logits, one_hot([0, 0], 2))[::3] == (1.0, "all_right")
    assert fit_temperature(logits, one_hot([1, 1], 2))[::3] == (HIGHEST, "highest")
    nearly = [*([[0.01, 0.0]] * 1000), [0.01, 0.0]]
    fit = fit_temperature(nearly, one_hot([0] * 1000 + [1], 2))
    assert (fit.temperature, fit.limit) == (pytest.approx(LOWEST), "lowest")


def test_undoing_a_temperature_gives_the_probabilities_before():
    logits = np.random.default_rng(0).normal(size=(20, 5)) * 4
    for temperature in (0.2, 1.0, 3.7):
        tempered = scipy.special.softmax(logits / temperature, axis=1)
        before = without_temperature(tempered, temperature)
        np.testing.assert_allclose(before, scipy.special.softmax(logits, axis=1), atol=1e-12)
    np.testing.assert_allclose(without_temperature([[1.0, 0.0]], 2.0), [[1.0, 0.0]])


def test_thresholds_of_coverage_worked_by_hand():
    """Ten clips: at 80 % the eighth highest confidence, at 75 % too (7.5 rounded up), at 71 % too; at 70 % the
    seventh."""
    thresholds = coverage_thresholds([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0])
    assert len(thresholds) == 100
    assert [thresholds[percent - 1] for percent in (1, 10, 70, 71, 75, 80, 99, 100)] == [
        1.0, 1.0, 0.4, 0.3, 0.3, 0.3, 0.1, 0.0,
    ]  # fmt: skip


def test_equal_confidences_keep_their_labels_together():
    confidences = np.array([0.9, 0.5, 0.5, 0.5, 0.2])
    thresholds = coverage_thresholds(confidences)
    assert thresholds[39] == 0.5
    assert (confidences >= thresholds[39]).mean() == 0.8
