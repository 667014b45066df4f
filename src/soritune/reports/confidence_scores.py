"""What scores.json holds about confidence: calibration, and rates over the clips whose label is certain enough."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from soritune.inference.json_values import JsonObject
from soritune.metrics.bootstrap import Interval
from soritune.metrics.calibration import Calibration, CalibrationBin


@dataclass(frozen=True, slots=True)
class CertainScores:
    """Rates over the clips with speech whose label is not uncertain, beside those over all clips."""

    min_confidence: float
    num_utterances: int
    share: float
    """Of the clips of the task, 0 to 1: the coverage."""
    rates: Mapping[str, Interval]
    """Empty without such clips."""
    coverage: float | None = None
    """The stated share of validation clips that keep their label; None where a minimum confidence was stated."""

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "min_confidence": self.min_confidence,
            "num_utterances": self.num_utterances,
            "share": self.share,
            "rates": {name: interval.to_json() for name, interval in self.rates.items()},
            **({} if self.coverage is None else {"coverage": self.coverage}),
        }

    @classmethod
    def read(cls, content: JsonObject) -> CertainScores:
        """Reads what `to_json` wrote."""
        return cls(
            content.number("min_confidence"),
            content.whole("num_utterances"),
            content.number("share"),
            intervals_of(content, "rates"),
            content.share("coverage"),
        )


@dataclass(frozen=True, slots=True)
class Uncalibrated:
    """What the model's probabilities would be without its temperature, over the same clips."""

    temperature: float
    calibration: Calibration
    fitted_rows: int
    """Validation clips that the temperature was fitted on."""
    fitted_speakers: int

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "temperature": self.temperature,
            "calibration": calibration_json(self.calibration),
            "fitted_rows": self.fitted_rows,
            "fitted_speakers": self.fitted_speakers,
        }

    @classmethod
    def read(cls, content: JsonObject) -> Uncalibrated:
        """Reads what `to_json` wrote."""
        calibration = calibration_of(content, "calibration")
        if calibration is None:
            raise content.fault(f"'{content.where('calibration')}' is null")
        return cls(
            content.number("temperature"),
            calibration,
            content.whole("fitted_rows"),
            content.whole("fitted_speakers"),
        )


@dataclass(frozen=True, slots=True)
class CoverageScores:
    """Rates over the clips that keep their label at the threshold of a coverage. The threshold is that of the
    validation clips, so the share of the judged clips is another one."""

    coverage: float
    """The stated share of validation clips, 0 to 1."""
    threshold: float
    """The least probability of a label that is kept."""
    num_utterances: int
    share: float
    """Of the clips of the task, 0 to 1: the realised coverage."""
    rates: Mapping[str, Interval]
    """Empty without such clips."""

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "coverage": self.coverage,
            "threshold": self.threshold,
            "num_utterances": self.num_utterances,
            "share": self.share,
            "rates": {name: interval.to_json() for name, interval in self.rates.items()},
        }

    @classmethod
    def read(cls, content: JsonObject) -> CoverageScores:
        """Reads what `to_json` wrote."""
        return cls(
            content.number("coverage"),
            content.number("threshold"),
            content.whole("num_utterances"),
            content.number("share"),
            intervals_of(content, "rates"),
        )


def intervals_of(content: JsonObject, key: str) -> dict[str, Interval]:
    """The rates of an object, by name."""
    return {
        name: Interval(
            part.number("value"),
            part.number("low"),
            part.number("high"),
            part.whole("num_speakers"),
            part.flag("reliable"),
        )
        for name, part in content.objects(key).items()
    }


def calibration_json(calibration: Calibration) -> dict[str, Any]:
    """Plain values."""
    return {"ece": calibration.ece, "bins": [row._asdict() for row in calibration.bins]}


def calibration_of(content: JsonObject, key: str) -> Calibration | None:
    """What `calibration_json` wrote; null is None."""
    if key in content and content.values[key] is None:
        return None
    part = content.object(key)
    bins = (
        CalibrationBin(
            row.number("low"),
            row.number("high"),
            row.whole("rows"),
            row.number("confidence"),
            row.number("accuracy"),
        )
        for row in part.listed("bins")
    )
    return Calibration(part.number("ece"), tuple(bins))
