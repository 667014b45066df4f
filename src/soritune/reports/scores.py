"""What scores.json holds. `reports/score.py` makes it; reports, comparisons and model cards read it.

nan stands for a number that cannot be computed; the file has null there.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from soritune.errors import ManifestError, reason_of
from soritune.inference.header import Header
from soritune.inference.json_values import JsonObject, without_nan
from soritune.metrics.bootstrap import Interval
from soritune.metrics.calibration import Calibration
from soritune.reports.before_scores import BeforeScores
from soritune.reports.confidence_scores import (
    CertainScores,
    CoverageScores,
    Uncalibrated,
    calibration_json,
    calibration_of,
    intervals_of,
)
from soritune.run_folder import RunFolder, is_run
from soritune.strict_json import read_json
from soritune.tasks.results import Counts, Metric
from soritune.whole_file import write_text

SCHEMA = "soritune.scores/1"
REMEDY = "write it with `soritune score`"


@dataclass(frozen=True, slots=True)
class SpeakerRate:
    """A rate of one speaker, and the range it is in when other utterances of this speaker are drawn."""

    value: float
    low: float
    high: float

    def to_json(self) -> dict[str, float]:
        """`{"value", "low", "high"}`."""
        return {"value": self.value, "low": self.low, "high": self.high}


@dataclass(frozen=True, slots=True)
class SpeakerScores:
    """One speaker's rates, and the counts they are computed from."""

    num_utterances: int
    hours: float
    rates: Mapping[str, SpeakerRate]
    counts: Counts

    def to_json(self) -> dict[str, Any]:
        """Plain values; whole counts as integers."""
        return {
            "num_utterances": self.num_utterances,
            "hours": self.hours,
            "rates": {name: rate.to_json() for name, rate in self.rates.items()},
            "counts": {name: _plain(count) for name, count in self.counts.items()},
        }

    @classmethod
    def read(cls, content: JsonObject) -> SpeakerScores:
        """Reads what `to_json` wrote."""
        rates = {
            name: SpeakerRate(rate.number("value"), rate.number("low"), rate.number("high"))
            for name, rate in content.objects("rates").items()
        }
        counts = content.object("counts")
        arrays = {name: _count(counts, name) for name in counts}
        return cls(content.whole("num_utterances"), content.number("hours"), rates, arrays)


@dataclass(frozen=True, slots=True)
class GroupScores:
    """Rates over the utterances of one group, such as one age."""

    num_utterances: int
    num_speakers: int
    hours: float
    rates: Mapping[str, Interval]

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "num_utterances": self.num_utterances,
            "num_speakers": self.num_speakers,
            "hours": self.hours,
            "rates": {name: interval.to_json() for name, interval in self.rates.items()},
        }

    @classmethod
    def read(cls, content: JsonObject) -> GroupScores:
        """Reads what `to_json` wrote."""
        return cls(
            content.whole("num_utterances"),
            content.whole("num_speakers"),
            content.number("hours"),
            intervals_of(content, "rates"),
        )


@dataclass(frozen=True, slots=True)
class Baseline:
    """Rates of an answer that needs no listening."""

    description: str
    rates: Mapping[str, float]
    differences: Mapping[str, Interval]
    """Per rate: the model's minus this baseline's, over the same resampled speakers; empty without a model."""
    groups: Mapping[str, Mapping[str, Mapping[str, float]]] = field(default_factory=dict)
    """Field to value of the field to rates; only of trained baselines."""

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        differences = {name: interval.to_json() for name, interval in self.differences.items()}
        groups = {
            name: {value: dict(rates) for value, rates in values.items()}
            for name, values in self.groups.items()
        }
        return {
            "description": self.description,
            "rates": dict(self.rates),
            "differences": differences,
            **({"groups": groups} if groups else {}),
        }

    @classmethod
    def read(cls, content: JsonObject) -> Baseline:
        """Reads what `to_json` wrote."""
        rates = content.object("rates")
        return cls(
            content.text("description"),
            _numbers(rates),
            intervals_of(content, "differences"),
            {
                name: {value: _numbers(group.object(value)) for value in group}
                for name, group in (content.objects("groups") if "groups" in content else {}).items()
            },
        )


@dataclass(frozen=True, slots=True)
class TaskScores:
    """One task's scores."""

    primary_metric: Metric
    num_utterances: int
    num_speakers: int
    hours: float
    rates: Mapping[str, Interval]
    groups: Mapping[str, Mapping[str, GroupScores]]
    """Field to value of the field to scores."""
    baselines: Mapping[str, Baseline]
    calibration: Calibration | None
    """Of predictions that are one label with a confidence; else None."""
    speakers: Mapping[str, SpeakerScores]
    num_unlabelled: int
    """Predicted utterances without a reference, which are not scored."""
    certain: CertainScores | None = None
    """Only where a minimum confidence or a coverage was set, for predictions that are one label."""
    uncalibrated: Uncalibrated | None = None
    """The calibration without the temperature of the model; only for a single model with a temperature."""
    coverages: tuple[CoverageScores, ...] = ()
    """Only for a single model with thresholds of coverage; the highest coverage first."""
    before: BeforeScores | None = None
    """Before fine-tuning, of a run whose starting point could be judged on the same clips."""

    @property
    def primary_interval(self) -> Interval:
        """The primary rate."""
        return self.rates[self.primary_metric.name]

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "primary_metric": self.primary_metric._asdict(),
            "num_utterances": self.num_utterances,
            "num_speakers": self.num_speakers,
            "hours": self.hours,
            "rates": {name: interval.to_json() for name, interval in self.rates.items()},
            "groups": {
                field: {value: scores.to_json() for value, scores in groups.items()}
                for field, groups in self.groups.items()
            },
            "baselines": {name: baseline.to_json() for name, baseline in self.baselines.items()},
            "calibration": None if self.calibration is None else calibration_json(self.calibration),
            "speakers": {name: scores.to_json() for name, scores in self.speakers.items()},
            "num_unlabelled": self.num_unlabelled,
            **({} if self.certain is None else {"certain": self.certain.to_json()}),
            **({} if self.uncalibrated is None else {"uncalibrated": self.uncalibrated.to_json()}),
            **({"coverages": [row.to_json() for row in self.coverages]} if self.coverages else {}),
            **({} if self.before is None else {"before": self.before.to_json()}),
        }

    @classmethod
    def read(cls, content: JsonObject) -> TaskScores:
        """Reads what `to_json` wrote."""
        metric = content.object("primary_metric")
        groups = content.objects("groups")
        scores = cls(
            primary_metric=Metric(metric.text("name"), metric.flag("higher_is_better")),
            num_utterances=content.whole("num_utterances"),
            num_speakers=content.whole("num_speakers"),
            hours=content.number("hours"),
            rates=intervals_of(content, "rates"),
            groups={
                field: {value: GroupScores.read(group.object(value)) for value in group}
                for field, group in groups.items()
            },
            baselines={name: Baseline.read(part) for name, part in content.objects("baselines").items()},
            calibration=calibration_of(content, "calibration"),
            speakers={name: SpeakerScores.read(part) for name, part in content.objects("speakers").items()},
            num_unlabelled=content.whole("num_unlabelled"),
            certain=CertainScores.read(content.object("certain")) if "certain" in content else None,
            uncalibrated=Uncalibrated.read(content.object("uncalibrated"))
            if "uncalibrated" in content
            else None,
            coverages=tuple(map(CoverageScores.read, content.listed("coverages")))
            if "coverages" in content
            else (),
            before=BeforeScores.read(content.object("before")) if "before" in content else None,
        )
        primary = scores.primary_metric.name
        parts: dict[str, Mapping[str, Interval | SpeakerRate]] = {"": scores.rates}
        parts |= {f"speakers.{name}.": speaker.rates for name, speaker in scores.speakers.items()}
        for name, values in scores.groups.items():
            parts |= {f"groups.{name}.{value}.": group.rates for value, group in values.items()}
        for prefix, rates in parts.items():
            if primary not in rates:
                raise content.fault(f"'{content.where(f'{prefix}rates.{primary}')}' is missing")
        return scores


@dataclass(frozen=True, slots=True)
class Scores:
    """All of scores.json."""

    created: str
    """In ISO 8601."""
    predictions: str
    """Name of the predictions file."""
    synthetic: bool
    num_utterances: int
    num_failed: int
    num_speakers: int
    hours: float
    resamples: int
    seed: int
    warnings: tuple[str, ...]
    """Sentences that a reader must see before any number."""
    tasks: Mapping[str, TaskScores]
    header: Header
    """Of the predictions."""
    versions: Mapping[str, str]
    """Of the libraries that scored."""

    def interval(self, task: str, rate: str) -> Interval:
        """A rate over all speakers."""
        return self.tasks[task].rates[rate]

    def to_json(self) -> dict[str, Any]:
        """The content of the file; nan becomes null."""
        content: dict[str, Any] = without_nan(
            {
                "schema": SCHEMA,
                "created": self.created,
                "predictions": self.predictions,
                "synthetic": self.synthetic,
                "num_utterances": self.num_utterances,
                "num_failed": self.num_failed,
                "num_speakers": self.num_speakers,
                "hours": self.hours,
                "resamples": self.resamples,
                "seed": self.seed,
                "warnings": self.warnings,
                "tasks": {name: scores.to_json() for name, scores in self.tasks.items()},
                "header": self.header.to_json(),
                "versions": self.versions,
            }
        )
        return content

    @classmethod
    def from_json(cls, content: Any, path: Path | str | None = None) -> Scores:
        """Reads what `to_json` wrote.

        Args:
            content: as `json.loads` returns it.
            path: the file, for messages.

        Raises:
            ManifestError: not scores, a missing key, or a value of another type.
        """
        if not isinstance(content, Mapping) or content.get("schema") != SCHEMA:
            raise ManifestError(f"is not a scores file (its schema is not {SCHEMA!r}); {REMEDY}", path=path)
        values = JsonObject(content, path, REMEDY)
        versions = values.object("versions")
        header = Header.read(values.object("header"))
        tasks = {name: TaskScores.read(part) for name, part in values.objects("tasks").items()}
        unknown = [name for name in tasks if name not in header.task_names]
        if unknown:
            raise values.fault(f"'header.tasks' does not contain '{unknown[0]}', which 'tasks' contains")
        return cls(
            created=values.text("created"),
            predictions=values.text("predictions"),
            synthetic=values.flag("synthetic"),
            num_utterances=values.whole("num_utterances"),
            num_failed=values.whole("num_failed"),
            num_speakers=values.whole("num_speakers"),
            hours=values.number("hours"),
            resamples=values.whole("resamples"),
            seed=values.whole("seed"),
            warnings=values.texts("warnings"),
            tasks=tasks,
            header=header,
            versions={name: versions.text(name) for name in versions},
        )

    def save(self, path: Path | str) -> Path:
        """Writes the content, at once or not at all.

        Raises:
            OutputError: the path cannot be written to.
        """
        text = json.dumps(self.to_json(), ensure_ascii=False, indent=1, allow_nan=False)
        return write_text(path, text + "\n")


def load_scores(path: Path | str) -> Scores:
    """Reads what `Scores.save` wrote; a folder stands for its scores.json.

    Raises:
        ManifestError: a missing file, or one that is not complete scores.
    """
    folder = Path(path)
    file = RunFolder(folder).scores() if folder.is_dir() else folder
    try:
        content = read_json(file)
    except FileNotFoundError as error:
        raise ManifestError(_missing(folder), path=folder) from error
    except (OSError, ValueError) as error:
        raise ManifestError(f"cannot be read as scores ({reason_of(error)}); {REMEDY}", path=file) from error
    return Scores.from_json(content, file)


def _missing(path: Path) -> str:
    """Why there are no scores at a path, and what to do."""
    if is_run(path):
        return (
            "this run has not been judged, so it has no scores.json; let the training finish (the command that began "
            f"it, with --resume), or judge what it has trained with `soritune evaluate {shlex.quote(str(path))}`"
        )
    if path.is_dir():
        return f"has no scores.json; {REMEDY}"
    return f"does not exist; give a scores.json or a folder with one, or {REMEDY}"


def _numbers(content: JsonObject) -> dict[str, float]:
    return {name: content.number(name) for name in content}


def _count(counts: JsonObject, name: str) -> np.ndarray[Any, np.dtype[np.float64]]:
    try:
        values = np.asarray(counts.values[name])
        if values.dtype.kind not in "iufO":  # an object array holds null
            raise TypeError
        return values.astype(np.float64)
    except (TypeError, ValueError):
        raise counts.fault(f"'{counts.where(name)}' must be an array of numbers") from None


def _plain(count: Any) -> Any:
    """Nested lists, whole numbers as integers."""
    array = np.asarray(count, dtype=np.float64)
    return (array.astype(np.int64) if np.array_equal(array, np.round(array)) else array).tolist()
