"""What the card of a bundle has about its probabilities: temperatures and thresholds, fitted on validation rows."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

KEY = "calibration"
"""The key of the card."""


@dataclass(frozen=True, slots=True)
class OutputCalibration:
    """The temperature of one output, and what it changes on the rows that it was fitted on."""

    temperature: float
    """The logits are divided by it."""
    rows: int
    speakers: int
    nll_before: float
    """Mean negative log-likelihood in nats, at temperature 1 and at `temperature`."""
    nll_after: float
    ece_before: float
    """Expected calibration error, 0 to 1."""
    ece_after: float
    limit: str = "none"
    """See `TemperatureFit.limit`."""


@dataclass(frozen=True, slots=True)
class BundleCalibration:
    """The card's `calibration`."""

    outputs: Mapping[str, OutputCalibration]
    """By name of the output."""
    thresholds: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    """By name of a task with one label: the least probability at which 1, 2, … 100 % of the rows keep their label."""
    rows: int = 0
    """Validation rows that could be used."""
    speakers: int = 0
    warnings: tuple[str, ...] = ()

    @property
    def temperatures(self) -> dict[str, float]:
        """Temperature by output."""
        return {name: output.temperature for name, output in self.outputs.items()}

    def threshold(self, task: str, coverage: float) -> float | None:
        """The least probability of a label that is kept at a coverage; None for a task without thresholds.

        Args:
            task: its name.
            coverage: one of `whole_percent`.
        """
        thresholds = self.thresholds.get(task)
        return None if thresholds is None else thresholds[whole_percent(coverage) - 1]

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "rows": self.rows,
            "speakers": self.speakers,
            "outputs": {name: asdict(output) for name, output in self.outputs.items()},
            "thresholds": {task: list(values) for task, values in self.thresholds.items()},
            "warnings": list(self.warnings),
        }

    @classmethod
    def from_json(cls, content: Any) -> BundleCalibration:
        """Reads what `to_json` wrote.

        Raises:
            ValueError: a missing key, or a value that cannot be one.
        """
        try:
            outputs = {name: OutputCalibration(**values) for name, values in content["outputs"].items()}
            thresholds = {task: tuple(values) for task, values in content.get("thresholds", {}).items()}
            read = cls(
                outputs,
                thresholds,
                int(content["rows"]),
                int(content["speakers"]),
                tuple(map(str, content.get("warnings", ()))),
            )
            positive = all(0 < output.temperature < math.inf for output in outputs.values())
            shares = all(0 <= value <= 1 for values in thresholds.values() for value in values)
        except KeyError as error:
            raise ValueError(f"{error} is missing") from error
        except (TypeError, AttributeError) as error:
            raise ValueError(str(error)) from error
        if not positive:
            raise ValueError("a temperature is not a finite number above 0")
        if not shares or any(len(values) != 100 for values in thresholds.values()):
            raise ValueError("the thresholds of a task are not 100 probabilities")
        return read


def whole_percent(coverage: float) -> int:
    """A coverage in percent, 1 to 100.

    Raises:
        ValueError: another number than 0.01, 0.02, … 1.
    """
    percent = round(100 * coverage) if math.isfinite(coverage) else 0
    if not 1 <= percent <= 100 or not math.isclose(percent, 100 * coverage, rel_tol=0, abs_tol=1e-9):
        raise ValueError(
            f"the coverage is {coverage:g}; it is the share of clips that keep their label, a whole percentage from "
            "0.01 to 1"
        )
    return percent
