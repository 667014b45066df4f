"""A choice of units against the best of all choices."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from soritune.corpus.splitting import selection_search
from soritune.corpus.splitting.selection_search import Wanted, choose


def units_of(rng: np.random.Generator, count: int) -> np.ndarray:
    """Units with hours, and these hours spread over two fields of three and two values."""
    hours = rng.uniform(0.5, 3.0, count)
    first, second = rng.dirichlet(np.ones(3), count), rng.dirichlet(np.ones(2), count)
    return np.concatenate([hours[:, None], hours[:, None] * first, hours[:, None] * second], axis=1)


def wanted_of(units: np.ndarray, least: float) -> Wanted:
    total = units.sum(axis=0)
    return Wanted(least, 1.05 * least, total[1:] / total[0], 2)


def best_by_hand(units: np.ndarray, wanted: Wanted) -> float:
    """The least mean total variation distance among all choices with the right hours, unit by unit."""
    best = np.inf
    for choice in product((False, True), repeat=len(units)):
        hours = sum(unit[0] for unit, taken in zip(units, choice, strict=True) if taken)
        if not wanted.least <= hours <= wanted.most:
            continue
        distance = 0.0
        for column, share in enumerate(wanted.shares, start=1):
            part = sum(unit[column] for unit, taken in zip(units, choice, strict=True) if taken)
            distance += abs(part / hours - share) / 2
        best = min(best, distance / 2)
    return best


@pytest.mark.parametrize("exhaustive", [16, 0])
def test_choice_is_the_best_of_all(exhaustive: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selection_search, "_EXHAUSTIVE", exhaustive)
    for seed in range(5):
        units = units_of(np.random.default_rng(seed), 10)
        wanted = wanted_of(units, 6.0)
        sums = units[choose(units, wanted, seed=0)].sum(axis=0)
        assert wanted.fits(sums[0])
        assert float(wanted.distances(sums)) == pytest.approx(best_by_hand(units, wanted), abs=1e-12)


def test_distance_of_two_fields_is_the_mean_of_theirs() -> None:
    wanted = Wanted(1.0, 2.0, np.array([0.5, 0.5, 0.9, 0.1]), 2)
    # 0.75 and 0.25 instead of 0.5 and 0.5: a quarter would have to change; the second field is equal.
    assert float(wanted.distances(np.array([4.0, 3.0, 1.0, 3.6, 0.4]))) == pytest.approx(0.125)


def test_units_longer_than_the_band_are_never_chosen() -> None:
    units = np.array([[50.0], [2.0], [3.0], [4.0]])
    assert choose(units, Wanted(5.0, 5.2, np.zeros(0), 0), seed=1).tolist() == [False, True, True, False]


def test_search_over_very_many_units_reaches_the_hours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selection_search, "_MOST_UNITS", 50)
    units = units_of(np.random.default_rng(1), 3000)
    for least in (5.0, 2000.0):  # out of 50 units, and out of more than 50
        wanted = wanted_of(units, least)
        chosen = choose(units, wanted, seed=0)
        assert wanted.fits(units[chosen, 0].sum())
        assert (chosen == choose(units, wanted, seed=0)).all()
