"""How labels are spread over many predictions: counts, shares, confidence."""

from __future__ import annotations

import math
import reprlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from soritune.errors import TaskError


@dataclass(frozen=True, slots=True)
class LabelShare:
    """One label among the predictions."""

    label: str
    count: int
    share: float
    """Of all predictions, 0 to 1."""
    mean_confidence: float | None
    """Mean probability of the label over the clips for which it was predicted; None without such clips, or if no
    probability is a finite number."""


@dataclass(frozen=True, slots=True, repr=False)
class Distribution:
    """Labels by how often they were predicted."""

    total: int
    mean_confidence: float | None
    labels: tuple[LabelShare, ...]
    no_speech: int = 0
    """Clips without speech, which are left out of all other numbers."""
    uncertain: int = 0
    """Predictions below the minimum confidence, which are left out of all other numbers."""

    def __repr__(self) -> str:
        """A line per label: how often it was predicted, its share, its mean confidence."""
        width = max((len(row.label) for row in self.labels), default=0)
        lines = [
            f"{row.label:<{width}}  {row.count:>6,}  {100 * row.share:5.1f} %"
            + ("" if row.mean_confidence is None else f"  confidence {row.mean_confidence:.3f}")
            for row in self.labels
        ]
        apart = {"without speech": self.no_speech, "uncertain": self.uncertain}
        counted = [f"{count:,} {name}" for name, count in apart.items() if count]
        return "\n".join([f"{self.total:,} predictions", *lines, *counted])

    @property
    def counts(self) -> dict[str, int]:
        """Label to how often it was predicted."""
        return {row.label: row.count for row in self.labels}

    @property
    def shares(self) -> dict[str, float]:
        """Label to its share of all predictions, 0 to 1."""
        return {row.label: row.share for row in self.labels}

    def to_json(self) -> dict[str, Any]:
        """`{"total", "counts", "shares", "mean_confidence", "mean_confidence_by_label"}`, and `no_speech` and
        `uncertain` unless they are 0; docs/cli.md says what each key holds."""
        return {
            "total": self.total,
            "counts": self.counts,
            "shares": self.shares,
            "mean_confidence": self.mean_confidence,
            "mean_confidence_by_label": {row.label: row.mean_confidence for row in self.labels},
            **({"no_speech": self.no_speech} if self.no_speech else {}),
            **({"uncertain": self.uncertain} if self.uncertain else {}),
        }


def label_distribution(
    rows: Iterable[Mapping[str, Any]], *, task: str, labels: Sequence[str] = ()
) -> Distribution:
    """How the labels of a task are spread over predictions.

    Rows with an `error` or without the task are ignored. Clips without speech and uncertain labels are counted apart
    and are in no share.

    Args:
        rows: of `Predictor.predict`.
        task: name of a task whose predictions are one label (`Task.single_label`).
        labels: listed first and in this order, also those that were never predicted.

    Raises:
        TaskError: rows that are not those of `Predictor.predict`.
    """
    seen: dict[str, list[float | None]] = {label: [] for label in labels}
    no_speech = uncertain = 0
    for number, row in enumerate(rows):
        if not isinstance(row, Mapping):
            raise TaskError(
                f"row {number} is {reprlib.repr(row)}, not a prediction; give the rows that predict returned"
            )
        answer = row.get("tasks", {}).get(task)
        if answer is not None:
            prediction = answer["prediction"]
            if row.get("no_speech"):
                no_speech += 1
                continue
            if prediction.get("uncertain"):
                uncertain += 1
                continue
            seen.setdefault(prediction["label"], []).append(prediction["confidence"])
    total = sum(len(values) for values in seen.values())
    return Distribution(
        total,
        _mean([value for values in seen.values() for value in values]),
        tuple(
            LabelShare(label, len(values), len(values) / total if total else 0.0, _mean(values))
            for label, values in seen.items()
        ),
        no_speech,
        uncertain,
    )


def _mean(given: Sequence[float | None]) -> float | None:
    """Of the finite numbers: a model whose outputs are nan has no confidence, and a file has null there."""
    values = [value for value in given if value is not None and math.isfinite(value)]
    return round(sum(values) / len(values), 6) if values else None
