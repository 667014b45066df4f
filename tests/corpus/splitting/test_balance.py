"""The balancing arithmetic on problems small enough to solve by trying everything."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from soritune.corpus.splitting.balance import balance, keeping_cost, ratio_cost

RATIOS = np.array([0.8, 0.1, 0.1])


def best_by_trying(gains: np.ndarray, cost, num_parts: int = 3) -> float:  # type: ignore[no-untyped-def]
    every = np.array(list(product(range(num_parts), repeat=len(gains))))
    sums = np.zeros((len(every), *gains.shape[1:]))
    for unit in range(len(gains)):
        sums[np.arange(len(every)), every[:, unit]] += gains[unit, every[:, unit]]
    return float(cost(sums).min())


@pytest.mark.parametrize("seed", range(5))
def test_best_of_all_assignments_is_found(seed: int) -> None:
    rng = np.random.default_rng(seed)
    features = rng.gamma(2.0, 1.0, (8, 4))
    features[:, 0] = features[:, 1:].sum(axis=1)
    gains = np.repeat(features[:, None, :], 3, axis=1)
    cost = ratio_cost(features.sum(axis=0), RATIOS)
    parts = balance(gains, cost, seed)
    sums = np.zeros((3, 4))
    np.add.at(sums, parts, features)
    assert float(cost(sums)) <= best_by_trying(gains, cost) + 0.003


def test_search_comes_near_the_best_assignment() -> None:
    features = np.random.default_rng(3).gamma(2.0, 1.0, (11, 3))
    features[:, 0] = features[:, 1:].sum(axis=1)
    gains = np.repeat(features[:, None, :], 3, axis=1)
    cost = ratio_cost(features.sum(axis=0), RATIOS)
    sums = np.zeros((3, 3))
    np.add.at(sums, balance(gains, cost, 0), features)
    assert float(cost(sums)) <= best_by_trying(gains, cost) + 0.003


def test_ratio_cost_is_that_worked_by_hand() -> None:
    cost = ratio_cost(np.array([10.0, 5.0, 5.0]), np.array([0.5, 0.5]))
    assert float(cost(np.array([[5.0, 2.5, 2.5], [5.0, 2.5, 2.5]]))) == 0.0
    # hours 6 and 4: (0.2)² twice; shares 4/6 and 1/4 of the first stratum against 0.5
    uneven = float(cost(np.array([[6.0, 4.0, 2.0], [4.0, 1.0, 3.0]])))
    assert uneven == pytest.approx(2 * 0.04 + 2 * (4 / 6 - 0.5) ** 2 + 2 * 0.25**2)
    assert float(cost(np.array([[10.0, 5.0, 5.0], [0.0, 0.0, 0.0]]))) > 1e5  # an empty part


def test_keeping_cost_gives_fully_shared_scripts_by_ratio() -> None:
    # 100 sentences, each read by all: 8 hours in train's speakers, 1 in val's, 1 in test's.
    gains = np.zeros((100, 3, 1))
    for part, hours in enumerate((8.0, 1.0, 1.0)):
        gains[:, part, 0] = hours
    parts = balance(gains, keeping_cost(np.array([1000.0]), RATIOS), 0)
    assert np.bincount(parts, minlength=3).tolist() == pytest.approx([80, 10, 10], abs=1)


def test_result_depends_on_the_seed_and_not_on_the_scale() -> None:
    features = np.random.default_rng(0).gamma(2.0, 1.0, (60, 3))
    features[:, 0] = features[:, 1:].sum(axis=1)
    gains = np.repeat(features[:, None, :], 3, axis=1)
    first = balance(gains, ratio_cost(features.sum(axis=0), RATIOS), 5)
    assert np.array_equal(first, balance(gains, ratio_cost(features.sum(axis=0), RATIOS), 5))


def test_very_many_units_are_bundled_and_balanced() -> None:
    features = np.random.default_rng(0).gamma(2.0, 1.0, (50_000, 2))
    features[:, 0] = features[:, 1]
    gains = np.repeat(features[:, None, :], 3, axis=1)
    parts = balance(gains, ratio_cost(features.sum(axis=0), RATIOS), 0)
    hours = np.bincount(parts, features[:, 0])
    assert hours / hours.sum() == pytest.approx(RATIOS, rel=0.01)
