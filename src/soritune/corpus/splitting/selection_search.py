"""A choice of whole units (speakers) with a given number of hours, whose strata are like those of all units.

Few units are tried exhaustively. With more, random choices are improved by adding, removing and swapping units; the
candidates of a step are scored together. The result depends only on the input and the seed. Names of axes: units,
features (feature 0 is hours, the others are the hours of each stratum).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

_EXHAUSTIVE = 16
"""Up to this number of units, all choices are scored."""
_MOST_UNITS = 20_000
"""A search looks at this number of units; of more, a random part takes part in it."""
_RESTARTS, _MOST_RESTARTS = 4, 60
"""Of a search over many and over few units."""
_STEPS = 400
_BLOCK = 2_000_000
"""Numbers (candidates × features) that are scored at once."""
_OUTSIDE = 20.0
"""Weight of hours outside the band, relative to the least hours; a distance is at most 1."""


@dataclass(frozen=True)
class Wanted:
    """What is asked of a choice."""

    least: float
    """Hours."""
    most: float
    shares: Floats
    """(features - 1,) share of the hours that each stratum should have."""
    num_fields: int
    """Number of fields that the strata belong to."""

    def distances(self, sums: Floats) -> Floats:
        """Sums (..., features) → total variation distance, averaged over the fields."""
        if not self.num_fields:
            return np.zeros(sums.shape[:-1])
        shares = sums[..., 1:] / np.maximum(sums[..., :1], 1e-12)
        distances: Floats = np.abs(shares - self.shares).sum(axis=-1) / (2 * self.num_fields)
        return distances

    def cost(self, sums: Floats) -> Floats:
        """Sums (..., features) → distance, plus the hours outside the band by weight."""
        hours = sums[..., 0]
        outside = np.maximum(self.least - hours, 0) + np.maximum(hours - self.most, 0)
        return self.distances(sums) + _OUTSIDE * outside / self.least

    def fits(self, hours: float) -> bool:
        """Whether these hours are in the band, apart from rounding."""
        tiny = 1e-9 * self.most
        return self.least - tiny <= hours <= self.most + tiny


def choose(units: Floats, wanted: Wanted, seed: int) -> Mask:
    """The best choice that was found, as a mask (units,). Its hours may be outside the band; the caller checks it."""
    rng = np.random.default_rng(seed)
    candidates = np.flatnonzero(units[:, 0] <= wanted.most * (1 + 1e-9))
    if len(candidates) > _MOST_UNITS:
        candidates = _part(units, candidates, wanted, rng)
    inside = np.zeros(len(units), dtype=bool)
    if len(candidates) <= _EXHAUSTIVE:
        inside[candidates] = _exhaustive(units[candidates], wanted)
        return inside
    best, lowest = inside[candidates], np.inf
    for _ in range(int(np.clip(2_000 // len(candidates), _RESTARTS, _MOST_RESTARTS))):
        chosen = _start(units[candidates], wanted, rng)
        cost = _improve(units[candidates], chosen, wanted, rng)
        if cost < lowest - 1e-12:
            best, lowest = chosen, cost
    inside[candidates] = best
    return inside


def _part(
    units: Floats, candidates: NDArray[np.int64], wanted: Wanted, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Random candidates, as many as the search looks at, or as are needed for twice the hours."""
    order = rng.permutation(candidates)
    needed = int(np.searchsorted(np.cumsum(units[order, 0]), 2 * wanted.most)) + 1
    return np.sort(order[: max(_MOST_UNITS, needed)])


def _exhaustive(units: Floats, wanted: Wanted) -> Mask:
    every = (np.arange(2 ** len(units))[:, None] >> np.arange(len(units))) % 2 == 1
    return np.asarray(every[int(wanted.cost(every.astype(np.float64) @ units).argmin())], dtype=bool)


def _start(units: Floats, wanted: Wanted, rng: np.random.Generator) -> Mask:
    """Units in random order until the least hours are reached; those that exceed the most hours are skipped."""
    chosen = np.zeros(len(units), dtype=bool)
    hours = 0.0
    for unit in rng.permutation(len(units)):
        if hours + units[unit, 0] <= wanted.most:
            chosen[unit] = True
            hours += units[unit, 0]
        if hours >= wanted.least:
            break
    return chosen


def _improve(units: Floats, chosen: Mask, wanted: Wanted, rng: np.random.Generator) -> float:
    """Applies the best addition, removal or swap of each step to `chosen`, in place; returns the cost."""
    sums = units[chosen].sum(axis=0)
    current, idle = float(wanted.cost(sums)), 0
    for _ in range(_STEPS):
        inside, outside = np.flatnonzero(chosen), np.flatnonzero(~chosen)
        # A swap with nothing (-1) is a removal or an addition.
        leaving = _sample(inside, 64, rng)
        entering = _sample(outside, max(64, _BLOCK // ((len(leaving) + 1) * units.shape[1])), rng)
        without = np.concatenate([sums[None], sums - units[leaving]])
        added = np.concatenate([np.zeros((1, units.shape[1])), units[entering]])
        costs = wanted.cost(without[:, None, :] + added[None, :, :])
        out, new = np.unravel_index(int(costs.argmin()), costs.shape)
        if costs[out, new] < current - 1e-12:
            if out:
                chosen[leaving[out - 1]] = False
            if new:
                chosen[entering[new - 1]] = True
            sums = units[chosen].sum(axis=0)
            current, idle = float(wanted.cost(sums)), 0
            continue
        idle += 1
        seen = min(1.0, len(leaving) / max(len(inside), 1)) * min(1.0, len(entering) / max(len(outside), 1))
        if seen == 1.0 or idle >= 8:
            break
    return current


def _sample(indices: NDArray[np.int64], count: int, rng: np.random.Generator) -> NDArray[np.int64]:
    return indices if len(indices) <= count else rng.choice(indices, count, replace=False)
