"""Confidence intervals by resampling speakers, because utterances of one speaker are not independent.

Counts add up, so one resample is a weighted sum of the speakers' counts, and all resamples of one count are one
matrix product. Percentile bootstrap (Efron & Tibshirani 1993, chapter 13; for speech, Bisani & Ney 2004).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Counts = Mapping[str, NDArray[np.float64]]
Rates = Callable[[dict[str, NDArray[np.float64]]], Mapping[str, float]]
Contributes = Callable[[dict[str, NDArray[np.float64]]], Mapping[str, bool]]
"""From the counts of one speaker to whether this speaker contributes, per rate."""
RELIABLE_SPEAKERS = 10
"""The interval of a rate with fewer contributing speakers is marked as unreliable."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A value and its range when other speakers are drawn; nan if it cannot be computed."""

    value: float
    low: float
    high: float
    num_speakers: int
    """Contributing speakers: those whose own rate has a denominator, or those the caller chooses."""
    reliable: bool

    def to_json(self) -> dict[str, Any]:
        """Plain JSON; nan becomes null."""
        return {
            "value": _finite(self.value),
            "low": _finite(self.low),
            "high": _finite(self.high),
            "num_speakers": self.num_speakers,
            "reliable": self.reliable,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Interval:
        """Reads what `to_json` wrote."""
        numbers = [data[key] for key in ("value", "low", "high")]
        value, low, high = (float("nan") if number is None else float(number) for number in numbers)
        return cls(value, low, high, int(data["num_speakers"]), bool(data["reliable"]))


def speaker_intervals(
    counts_per_speaker: Sequence[Counts],
    rates_fn: Rates,
    *,
    resamples: int = 1000,
    seed: int = 0,
    level: float = 0.95,
    contributes_fn: Contributes | None = None,
) -> dict[str, Interval]:
    """Every rate of `rates_fn` with its percentile interval over resampled speakers.

    Args:
        counts_per_speaker: One dict of counts per speaker, with equal keys and shapes.
        rates_fn: From summed counts to named rates; nan for a denominator of zero.
        resamples: Number of draws, each of as many speakers with replacement; 0 gives values without a range.
        seed: Seed of the draws; the same seed gives the same intervals.
        level: Share of the resampled rates inside the range.
        contributes_fn: Which speakers contribute to which rate; None takes those whose own rate is not nan.

    Returns:
        Name to `Interval`; empty without speakers. A single speaker has no range.
    """
    if not counts_per_speaker:
        return {}
    stacked = _stack(counts_per_speaker)
    values = rates_fn({key: counts.sum(axis=0) for key, counts in stacked.items()})
    speakers = len(counts_per_speaker)
    num_contributing = dict.fromkeys(values, 0)
    for counts in counts_per_speaker:
        for name, contributes in _contributes(counts, rates_fn, contributes_fn).items():
            num_contributing[name] += bool(contributes)
    drawn = _drawn_rates(stacked, rates_fn, _draws(speakers, resamples if speakers > 1 else 0, seed))
    result = {}
    for name, value in values.items():
        low, high = _range([row[name] for row in drawn], level)
        result[name] = Interval(
            float(value), low, high, num_contributing[name], num_contributing[name] >= RELIABLE_SPEAKERS
        )
    return result


def paired_difference(
    first: Sequence[Counts],
    second: Sequence[Counts],
    rates_fn: Rates,
    *,
    resamples: int = 1000,
    seed: int = 0,
    level: float = 0.95,
    contributes_fn: Contributes | None = None,
) -> dict[str, Interval]:
    """Rates of `second` minus rates of `first`, both over the same drawn speakers.

    `first[i]` and `second[i]` are the counts of one speaker under two models. Drawing the speakers together removes
    what makes a speaker easy or hard for both, so fewer speakers suffice to show a difference.

    Raises:
        ValueError: the two lists differ in length.
    """
    if len(first) != len(second):
        sides = f"{len(first)} speakers on one side, {len(second)} on the other"
        raise ValueError(f"{sides}; pair the same speakers")
    if not first:
        return {}
    first_stacked, second_stacked = _stack(first), _stack(second)
    before = rates_fn({key: counts.sum(axis=0) for key, counts in first_stacked.items()})
    after = rates_fn({key: counts.sum(axis=0) for key, counts in second_stacked.items()})
    draws = _draws(len(first), resamples if len(first) > 1 else 0, seed)
    drawn_before, drawn_after = (
        _drawn_rates(first_stacked, rates_fn, draws),
        _drawn_rates(second_stacked, rates_fn, draws),
    )
    names = [name for name in before if name in after]
    num_contributing = dict.fromkeys(names, 0)
    for first_counts, second_counts in zip(first, second, strict=True):
        first_contributes = _contributes(first_counts, rates_fn, contributes_fn)
        second_contributes = _contributes(second_counts, rates_fn, contributes_fn)
        for name in names:
            num_contributing[name] += bool(first_contributes[name] and second_contributes[name])
    result = {}
    for name in names:
        gaps = [y[name] - x[name] for x, y in zip(drawn_before, drawn_after, strict=True)]
        low, high = _range(gaps, level)
        difference = float(after[name]) - float(before[name])
        result[name] = Interval(
            difference, low, high, num_contributing[name], num_contributing[name] >= RELIABLE_SPEAKERS
        )
    return result


def _contributes(counts: Counts, rates_fn: Rates, contributes_fn: Contributes | None) -> Mapping[str, bool]:
    """Per rate, whether a speaker with these counts contributes to it."""
    if contributes_fn is not None:
        return contributes_fn(dict(counts))
    return {name: math.isfinite(rate) for name, rate in rates_fn(dict(counts)).items()}


def _stack(counts: Sequence[Counts]) -> dict[str, NDArray[np.float64]]:
    """(speakers, …) per key."""
    return {key: np.stack([np.asarray(row[key], dtype=np.float64) for row in counts]) for key in counts[0]}


def _draws(speakers: int, resamples: int, seed: int) -> NDArray[np.float64]:
    """(resamples, speakers): how often each speaker was drawn; every row sums to the number of speakers."""
    generator = np.random.default_rng(seed)
    return generator.multinomial(speakers, np.full(speakers, 1 / speakers), size=resamples).astype(np.float64)


def _drawn_rates(
    stacked: Mapping[str, NDArray[np.float64]], rates_fn: Rates, draws: NDArray[np.float64]
) -> list[Mapping[str, float]]:
    sums = {key: np.tensordot(draws, counts, axes=(1, 0)) for key, counts in stacked.items()}
    return [rates_fn({key: drawn[index] for key, drawn in sums.items()}) for index in range(len(draws))]


def _range(values: Sequence[float], level: float) -> tuple[float, float]:
    known = np.asarray([value for value in values if math.isfinite(value)], dtype=np.float64)
    if not known.size:
        return float("nan"), float("nan")
    low, high = np.quantile(known, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
