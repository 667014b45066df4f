"""Assignment of units (speakers, scripts) to parts (train, val, test) that balances hours and strata.

With few units, all assignments are tried. With many, the units are placed greedily from the largest down; then moves
and swaps are applied while they lower the cost. All candidates of a round are scored together. The result depends only
on the input and the seed. Names of axes: units, parts, features (feature 0 is hours).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Cost = Callable[[Floats], Floats]
"""Sums (..., parts, features) → cost (...); lower is better."""

_MOST_UNITS = 20_000
_MOST_TRIED = 20_000
"""Problems with at most this number of assignments (9 units in 3 parts) are solved by trying all of them."""
_AS_GOOD = 0.003
"""Of assignments whose cost differs by less from the best, the seed chooses one: about 5 % of the hours of a part."""
_ROUNDS = 300
_SAMPLE = 1500
"""Units tried as moves, and pairs tried as swaps, in a round."""
_EMPTY = 1e6
"""Cost of a part without hours, above every other cost."""


def ratio_cost(total: Floats, ratios: Floats) -> Cost:
    """Squared relative error of each part's hours, plus squared error of each stratum's share within the part.

    `total` (features,) are the sums over all units; `ratios` (parts,) are the shares of the hours.
    """
    shares = total[1:] / total[0]

    def cost(sums: Floats) -> Floats:
        hours = sums[..., 0]
        error = np.where(hours > 0, (hours / (ratios * total[0]) - 1.0) ** 2, _EMPTY)
        strata = sums[..., 1:] / np.maximum(hours, 1e-12)[..., None] - shares
        scores: Floats = error.sum(axis=-1) + (strata**2).sum(axis=(-1, -2))
        return scores

    return cost


def keeping_cost(total: Floats, ratios: Floats) -> Cost:
    """-sum over parts of ratio × log(kept hours), plus squared error of each stratum's share within the part.

    For scripts: if a script is given to one part, the recordings of it by speakers of other parts are lost. Maximising
    kept hours alone would give every shared script to the largest part. The logarithm (proportional fairness, Kelly
    1998) gives each part its ratio of fully shared scripts, and loses no hours of scripts that are not shared.
    """
    shares = total[1:] / total[0]

    def cost(sums: Floats) -> Floats:
        hours = sums[..., 0]
        log_share = np.log(np.maximum(hours, 1e-9 * total[0]) / total[0])
        empty = np.where(hours > 0, 0.0, _EMPTY)
        strata = sums[..., 1:] / np.maximum(hours, 1e-12)[..., None] - shares
        scores: Floats = (empty - ratios * log_share).sum(axis=-1) + (strata**2).sum(axis=(-1, -2))
        return scores

    return cost


def balance(gains: Floats, cost: Cost, seed: int, *, fixed: Floats | None = None) -> NDArray[np.int64]:
    """The part of each unit, (units,).

    Args:
        gains: (units, parts, features) gain of part p if unit u is assigned to it.
        cost: The function to minimise.
        seed: Breaks ties and draws the candidates of large problems.
        fixed: (parts, features) sums that the parts have already.
    """
    bundle = _bundles(gains, seed)
    if bundle is not None:
        merged = np.zeros((bundle.max() + 1, *gains.shape[1:]))
        np.add.at(merged, bundle, gains)
        return balance(merged, cost, seed, fixed=fixed)[bundle]
    start = np.zeros(gains.shape[1:]) if fixed is None else fixed
    if gains.shape[1] ** len(gains) <= _MOST_TRIED:
        return _try_all(gains, cost, start, seed)
    best: NDArray[np.int64] | None = None
    best_cost = np.inf
    for restart in range(8 if len(gains) <= 300 else 2 if len(gains) <= 1000 else 1):
        rng = np.random.default_rng((seed, restart))
        parts, reached = _improve(
            gains, cost, _greedy(gains, cost, start, rng, 0.0 if restart == 0 else 0.5), start, rng
        )
        if best is None or reached < best_cost - 1e-12:
            best, best_cost = parts, reached
    assert best is not None
    return best


def _try_all(gains: Floats, cost: Cost, start: Floats, seed: int) -> NDArray[np.int64]:
    units, num_parts, _ = gains.shape
    every = np.indices((num_parts,) * units).reshape(units, -1).T
    sums = start + np.stack([(every == part) @ gains[:, part] for part in range(num_parts)], axis=1)
    costs = cost(sums)
    good = np.flatnonzero(costs <= costs.min() + _AS_GOOD)
    chosen: NDArray[np.int64] = every[np.random.default_rng(seed).choice(good)]
    return chosen


def _bundles(gains: Floats, seed: int) -> NDArray[np.int64] | None:
    """(units,) bundle of each unit, which joins units with gains in the same parts; None if there are few units."""
    if len(gains) <= _MOST_UNITS:
        return None
    hours = gains[:, :, 0]
    pattern = (hours > 0) @ (1 << np.arange(hours.shape[1])) * hours.shape[1] + hours.argmax(axis=1)
    order = np.lexsort((np.random.default_rng(seed).permutation(len(gains)), pattern))
    bundle = np.empty(len(gains), dtype=np.int64)
    bundle[order] = np.arange(len(gains)) * _MOST_UNITS // len(gains)
    return bundle


def _greedy(
    gains: Floats, cost: Cost, start: Floats, rng: np.random.Generator, shake: float
) -> NDArray[np.int64]:
    """Assigns the largest units first (sizes multiplied by a log-normal factor), each to the cheapest part."""
    units, num_parts, _ = gains.shape
    sizes = gains[:, :, 0].max(axis=1) * np.exp(shake * rng.standard_normal(units))
    parts = np.zeros(units, dtype=np.int64)
    sums, each_part = start.copy(), np.arange(num_parts)
    for unit in np.lexsort((rng.permutation(units), -sizes)):
        trial = np.repeat(sums[None], num_parts, axis=0)
        trial[each_part, each_part] += gains[unit]
        parts[unit] = part = int(cost(trial).argmin())
        sums[part] += gains[unit, part]
    return parts


def _improve(
    gains: Floats, cost: Cost, parts: NDArray[np.int64], start: Floats, rng: np.random.Generator
) -> tuple[NDArray[np.int64], float]:
    units, num_parts, _ = gains.shape
    sums = start.copy()
    np.add.at(sums, parts, gains[np.arange(units), parts])
    current = float(cost(sums))
    idle = 0
    for _ in range(_ROUNDS):
        proposals = _proposals(units, num_parts, parts, rng)
        delta = _deltas(gains, parts, proposals)
        costs = cost(sums + delta)
        improved = False
        for index in np.argsort(costs, kind="stable")[:8]:
            if costs[index] >= current - 1e-12:
                break
            change = _deltas(gains, parts, proposals[index : index + 1])[0]
            changed = float(cost(sums + change))
            if changed < current - 1e-12:
                sums, current, improved = sums + change, changed, True
                _apply(parts, proposals[index])
        idle = 0 if improved else idle + 1
        if idle == (1 if units * (units + num_parts) <= 2 * _SAMPLE else 4):
            break
    return parts, current


def _proposals(
    units: int, num_parts: int, parts: NDArray[np.int64], rng: np.random.Generator
) -> NDArray[np.int64]:
    """(candidates, 4): a unit, its new part, a second unit (-1 for a move), its new part."""
    chosen = np.arange(units) if units <= _SAMPLE else rng.choice(units, _SAMPLE, replace=False)
    moves = np.stack([np.repeat(chosen, num_parts), np.tile(np.arange(num_parts), len(chosen))], axis=1)
    moves = np.concatenate([moves, np.full_like(moves, -1)], axis=1)
    if units * units <= 2 * _SAMPLE:
        first, second = (index.ravel() for index in np.indices((units, units)))
    else:
        first, second = rng.integers(0, units, (2, _SAMPLE))
    swaps = np.stack([first, parts[second], second, parts[first]], axis=1)
    return np.concatenate([moves[moves[:, 1] != parts[moves[:, 0]]], swaps[parts[first] != parts[second]]])


def _deltas(gains: Floats, parts: NDArray[np.int64], proposals: NDArray[np.int64]) -> Floats:
    """(candidates, parts, features) changes of the sums."""
    delta = np.zeros((len(proposals), *gains.shape[1:]))
    row = np.arange(len(proposals))
    for unit, target in ((proposals[:, 0], proposals[:, 1]), (proposals[:, 2], proposals[:, 3])):
        real = unit >= 0
        u, t, r = unit[real], target[real], row[real]
        delta[r, parts[u]] -= gains[u, parts[u]]
        delta[r, t] += gains[u, t]
    return delta


def _apply(parts: NDArray[np.int64], proposal: NDArray[np.int64]) -> None:
    parts[proposal[0]] = proposal[1]
    if proposal[2] >= 0:
        parts[proposal[2]] = proposal[3]
