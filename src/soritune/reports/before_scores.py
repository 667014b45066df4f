"""A task's rates before fine-tuning, as scores.json holds them beside the rates after it. Next: `reports/before.py`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from soritune.inference.json_values import JsonObject
from soritune.metrics.bootstrap import Interval
from soritune.reports.confidence_scores import intervals_of


@dataclass(frozen=True, slots=True)
class BeforeScores:
    """Rates of the weights that the training was given, on the same clips."""

    rates: Mapping[str, Interval]
    differences: Mapping[str, Interval]
    """Per rate: after minus before, over the same resampled speakers; empty without known speakers."""

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "rates": {name: interval.to_json() for name, interval in self.rates.items()},
            "differences": {name: interval.to_json() for name, interval in self.differences.items()},
        }

    @classmethod
    def read(cls, content: JsonObject) -> BeforeScores:
        """Reads what `to_json` wrote."""
        return cls(intervals_of(content, "rates"), intervals_of(content, "differences"))
