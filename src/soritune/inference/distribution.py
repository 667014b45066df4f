"""How labels are spread over many predictions: counts, shares, how sure the model was."""

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
    """Mean probability given to the label where it was predicted; None where it never was, or never a
    number."""


@dataclass(frozen=True, slots=True)
class Distribution:
    """Labels by how often they were predicted."""

    total: int
    mean_confidence: float | None
    labels: tuple[LabelShare, ...]

    @property
    def counts(self) -> dict[str, int]:
        """Label to how often it was predicted."""
        return {row.label: row.count for row in self.labels}

    @property
    def shares(self) -> dict[str, float]:
        """Label to its share of all predictions, 0 to 1."""
        return {row.label: row.share for row in self.labels}

    def to_json(self) -> dict[str, Any]:
        """`{"total", "counts", "shares", "mean_confidence", "mean_confidence_by_label"}`; docs/cli.md says what each
        key holds."""
        return {
            "total": self.total,
            "counts": self.counts,
            "shares": self.shares,
            "mean_confidence": self.mean_confidence,
            "mean_confidence_by_label": {row.label: row.mean_confidence for row in self.labels},
        }


def label_distribution(
    rows: Iterable[Mapping[str, Any]], *, task: str, labels: Sequence[str] = ()
) -> Distribution:
    """How the labels of a task are spread over prediction rows; rows with an `error`, or without this task, do not
    count.

    Args:
        rows: as `Predictor.predict` gives them.
        task: name of a task whose predictions are one label (`Task.single_label`).
        labels: listed even where nothing was predicted as such, first and in this order.

    Raises:
        TaskError: something else than such rows.
    """
    seen: dict[str, list[float | None]] = {label: [] for label in labels}
    for number, row in enumerate(rows):
        if not isinstance(row, Mapping):
            raise TaskError(
                f"row {number} is {reprlib.repr(row)}, no prediction; give the rows that predict gave"
            )
        answer = row.get("tasks", {}).get(task)
        if answer is not None:
            prediction = answer["prediction"]
            seen.setdefault(prediction["label"], []).append(prediction["confidence"])
    total = sum(len(values) for values in seen.values())
    return Distribution(
        total,
        _mean([value for values in seen.values() for value in values]),
        tuple(
            LabelShare(label, len(values), len(values) / total if total else 0.0, _mean(values))
            for label, values in seen.items()
        ),
    )


def _mean(given: Sequence[float | None]) -> float | None:
    """Of those that are numbers: a model that gives nan has no confidence, in a file null."""
    values = [value for value in given if value is not None and math.isfinite(value)]
    return round(sum(values) / len(values), 6) if values else None
