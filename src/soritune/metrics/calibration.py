"""How far probabilities can be believed: calibration errors, temperatures, and thresholds of coverage.

Everything here is fitted on the rows that the caller gives; these must not be rows that are judged.
Shapes: rows, labels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

LOWEST, HIGHEST = 0.05, 20.0
"""Bounds of a temperature."""
_HALVINGS = 80
"""Of the interval that holds the best temperature: more than float64 can resolve."""
Limit = Literal["none", "all_right", "lowest", "highest"]


class CalibrationBin(NamedTuple):
    """Rows with a confidence in (low, high]: their number, mean confidence and accuracy."""

    low: float
    high: float
    rows: int
    confidence: float
    accuracy: float


@dataclass(frozen=True, slots=True)
class Calibration:
    """How well confidence predicts accuracy. `ece`: expected calibration error, 0 to 1; nan without rows."""

    ece: float
    bins: tuple[CalibrationBin, ...]
    """Bins that hold rows, by increasing confidence."""


def calibration(confidence: ArrayLike, correct: ArrayLike, *, num_bins: int = 10) -> Calibration:
    """Expected calibration error over equal-width bins: sum of (share of rows) x |accuracy - mean confidence|.

    Source: Naeini et al. 2015; Guo et al. 2017 (arXiv 1706.04599), with bins (low, high] as there.

    Args:
        confidence: (rows,) probability of the predicted label, 0 to 1.
        correct: (rows,) whether that label was correct.
        num_bins: Number of bins between 0 and 1.
    """
    confidences = np.asarray(confidence, dtype=np.float64)
    hits = np.asarray(correct, dtype=np.float64)
    if not confidences.size:
        return Calibration(float("nan"), ())
    bin_of_row = np.clip(np.ceil(confidences * num_bins).astype(np.int64) - 1, 0, num_bins - 1)
    bins = []
    for bin_index in range(num_bins):
        in_bin = bin_of_row == bin_index
        count = int(in_bin.sum())
        if count:
            edges = bin_index / num_bins, (bin_index + 1) / num_bins
            means = float(confidences[in_bin].mean()), float(hits[in_bin].mean())
            bins.append(CalibrationBin(*edges, count, *means))
    error = sum(row.rows * abs(row.accuracy - row.confidence) for row in bins) / confidences.size
    return Calibration(float(error), tuple(bins))


class TemperatureFit(NamedTuple):
    """A temperature, and the mean negative log-likelihood (nats) of the rows without it (T = 1) and with it."""

    temperature: float
    nll_before: float
    nll_after: float
    limit: Limit
    """Why it is not the temperature with the least negative log-likelihood: "all_right" if every row is right, so that
    ever lower temperatures are ever better; "lowest" and "highest" if the best one is beyond that bound."""


def fit_temperature(log_probabilities: ArrayLike, targets: ArrayLike) -> TemperatureFit:
    """The temperature T for which softmax(logits / T) has the least negative log-likelihood (Guo et al. 2017, §4.2,
    arXiv 1706.04599). Log-probabilities serve as logits.

    The likelihood is convex in 1 / T, so its derivative has at most one zero, which is found by halving. Rows that are
    all right say nothing about how wrong the model can be: then T is 1.

    Args:
        log_probabilities: (rows, labels).
        targets: (rows, labels), the probability of each label, one-hot for a single label; at least one row.
    """
    logits, targets = np.asarray(log_probabilities, np.float64), np.asarray(targets, np.float64)
    before = negative_log_likelihood(logits, targets)
    wanted = (targets * logits).sum(axis=1)
    if (wanted >= logits.max(axis=1)).all():
        return TemperatureFit(1.0, before, before, "all_right")

    def slope(inverse: float) -> float:
        """Derivative of the mean negative log-likelihood by 1 / T."""
        return float((_softmax(logits * inverse) * logits).sum(axis=1).mean() - wanted.mean())

    low, high = 1 / HIGHEST, 1 / LOWEST
    limit: Limit = "none"
    if slope(low) >= 0:
        inverse, limit = low, "highest"
    elif slope(high) <= 0:
        inverse, limit = high, "lowest"
    else:
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            low, high = (middle, high) if slope(middle) < 0 else (low, middle)
        inverse = (low + high) / 2
    after = negative_log_likelihood(logits * inverse, targets)
    return TemperatureFit(1 / inverse, before, after, limit)


def negative_log_likelihood(logits: ArrayLike, targets: ArrayLike) -> float:
    """Mean over the rows of -Σ target · log softmax(logits), in nats; (rows, labels) both."""
    values = np.asarray(logits, np.float64)
    values = values - values.max(axis=1, keepdims=True)
    logs = values - np.log(np.exp(values).sum(axis=1, keepdims=True))
    return float(-(np.asarray(targets, np.float64) * logs).sum(axis=1).mean())


def calibration_of(logits: ArrayLike, targets: ArrayLike) -> Calibration:
    """`calibration` of the most probable label of each row; with soft targets a row is as right as the label's
    share."""
    probabilities, shares = _softmax(np.asarray(logits, np.float64)), np.asarray(targets, np.float64)
    best = probabilities.argmax(axis=1)
    rows = np.arange(len(best))
    return calibration(probabilities[rows, best], shares[rows, best])


def coverage_thresholds(confidence: ArrayLike) -> tuple[float, ...]:
    """The least confidence at which 1 %, 2 %, … 100 % of the rows keep their label, 100 numbers.

    A label is kept if its confidence is at least the threshold. For p % of n rows this is the k-th highest confidence,
    k = p · n / 100 rounded up; where rows share this confidence, more than p % keep their label. All labels are kept at
    100 %, also less confident ones than any here: that threshold is 0.

    Args:
        confidence: (rows,), at least one.
    """
    ordered = np.sort(np.asarray(confidence, np.float64))[::-1]
    counts = [-(-percent * len(ordered) // 100) for percent in range(1, 100)]
    return (*(float(ordered[count - 1]) for count in counts), 0.0)


def without_temperature(probabilities: ArrayLike, temperature: float) -> NDArray[np.float64]:
    """(rows, labels) of softmax(logits / T) to those of softmax(logits): powers p^T, divided by their sum."""
    with np.errstate(divide="ignore"):
        logs = np.log(np.asarray(probabilities, np.float64))
    return _softmax(logs * temperature)


def _softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares: NDArray[np.float64] = powers / powers.sum(axis=1, keepdims=True)
    return shares
