"""predictions.jsonl to scores.json: every rate with an interval over speakers, also by group and by speaker.

Counts of utterances add, so a group is a sum and a bootstrap is a weighted sum. Per-speaker counts stay in
scores.json: `compare` pairs models by them without the audio or the models. Next: `reports/report.py`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from soritune.errors import ManifestError
from soritune.inference.predictions import Predictions, environment, read_predictions, without_nan
from soritune.metrics.bootstrap import RELIABLE_SPEAKERS, Interval, paired_difference, speaker_intervals
from soritune.metrics.classification import calibration
from soritune.reports.baselines import baselines
from soritune.reports.grouping import UNKNOWN, group_names, sorted_names
from soritune.tasks.results import Counts, Pair, Prediction, add_counts
from soritune.tasks.task import Task
from soritune.whole_file import write_text

SCHEMA = "soritune.scores/1"
SPEAKERS_WITH_INTERVALS = 200
"""With more speakers than this, single speakers get a value without an interval."""


@dataclass(frozen=True, slots=True)
class Scores:
    """What scores.json holds; plain JSON values, nan as null."""

    content: Mapping[str, Any]

    @property
    def tasks(self) -> dict[str, Any]:
        """Per task: rates, groups, baselines, calibration, speakers."""
        return dict(self.content["tasks"])

    def interval(self, task: str, rate: str) -> Interval:
        """A rate over all speakers."""
        return Interval.from_json(self.content["tasks"][task]["rates"][rate])

    def to_json(self) -> dict[str, Any]:
        """The content."""
        return dict(self.content)

    def save(self, path: Path | str) -> Path:
        """Writes the content, at once or not at all.

        Raises:
            OutputError: the place cannot be written to.
        """
        return write_text(
            path, json.dumps(self.content, ensure_ascii=False, indent=1, allow_nan=False) + "\n"
        )


def load_scores(path: Path | str) -> Scores:
    """Reads what `Scores.save` wrote; a folder stands for its scores.json.

    Raises:
        ManifestError: missing, or no scores file.
    """
    file = Path(path) / "scores.json" if Path(path).is_dir() else Path(path)
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ManifestError(
            f"cannot be read as scores ({error}); write it with `soritune score`", path=file
        ) from error
    if not isinstance(content, dict) or content.get("schema") != SCHEMA:
        raise ManifestError(f"is no scores file (schema is not {SCHEMA!r})", path=file)
    return Scores(content)


def score_predictions(
    path: Path | str, *, group_by: Sequence[str] = ("gender",), resamples: int = 1000, seed: int = 0
) -> Scores:
    """Scores a predictions file.

    Args:
        path: predictions.jsonl with references (made from a manifest).
        group_by: fields of the rows' groups that rates are also given for: gender, age, source, snr_db, …;
            single speakers are always given.
        resamples: bootstrap draws of speakers.
        seed: of the draws.

    Raises:
        ManifestError: no such file, or no row of any task has a reference.
    """
    predictions = read_predictions(path)
    tasks: dict[str, Any] = {}
    for task in predictions.tasks:
        pairs = pairs_of(predictions, task.name)
        if pairs:
            tasks[task.name] = _task_scores(task, pairs, tuple(group_by), resamples, seed)
            tasks[task.name]["num_unlabelled"] = len(predictions.good) - len(pairs)
    if not tasks:
        raise ManifestError(
            "has no row with a reference, so there is nothing to score; predict a manifest", path=path
        )
    speakers = {row["groups"].get("speaker") for row in predictions.good} - {None}
    content = {
        "schema": SCHEMA,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "predictions": Path(path).name,
        "synthetic": bool(predictions.header.get("synthetic")),
        "num_utterances": len(predictions.good),
        "num_failed": len(predictions.failed),
        "num_speakers": len(speakers),
        "hours": _hours(row["duration_s"] for row in predictions.good),
        "resamples": resamples,
        "seed": seed,
        "warnings": [
            *warnings_of(predictions, len(speakers)),
            *_unlabelled(tasks, len(predictions.good)),
            *_absent_groups(predictions, group_by),
        ],
        "tasks": tasks,
        "header": dict(predictions.header),
        "versions": environment(),
    }
    return Scores(without_nan(content))


def pairs_of(predictions: Predictions, task: str) -> list[Pair]:
    """The rows that have a reference for `task`, as pairs."""
    pairs = []
    for row in predictions.good:
        found = row["tasks"].get(task)
        if found is not None and found.get("reference") is not None:
            pairs.append(
                Pair(
                    id=row["id"],
                    reference=found["reference"],
                    prediction=Prediction.from_json(found["prediction"]),
                    groups=row.get("groups", {}),
                    duration_s=row["duration_s"],
                    audio=row["audio"],
                )
            )
    return pairs


def warnings_of(predictions: Predictions, num_speakers: int) -> list[str]:
    """Sentences a reader must see before any number."""
    header = predictions.header
    data, trained = header.get("data", {}), header.get("bundle", {}).get("data", {})
    same = bool(data.get("manifest_hash")) and data.get("manifest_hash") == trained.get("manifest_hash")
    seen = data.get("seen")
    if seen is None:  # not said row by row, so the split's name decides
        in_train, in_val = (
            same and data.get("split") in (None, "all", "train"),
            same and data.get("split") == "val",
        )
    else:
        in_train, in_val = seen["train"] > 0, seen["val"] > 0 and not seen["train"]
    policy = data.get("policy") or (trained.get("split") if same else None) or {}
    known, bad, everything = num_speakers or "No", len(predictions.failed), len(predictions.rows)
    plural = "" if num_speakers == 1 else "s"
    unsure = sum(
        any(own["prediction"].get("confidence", 0.0) is None for own in row["tasks"].values())
        for row in predictions.good
    )
    found = [
        (
            bool(header.get("synthetic")),
            "Synthetic speech: a machine spoke what was trained on or tested here, not people.",
        ),
        (
            list(policy.get("by", [])) == ["random"],
            "Random split: speakers of the test set were also heard in training; that flatters every number.",
        ),
        (
            in_train,
            "These rows include the ones the model was trained on; the numbers say little about new speech.",
        ),
        (
            in_val,
            "These rows chose between models (validation split); a test split is the honest judge.",
        ),
        (
            num_speakers < RELIABLE_SPEAKERS,
            f"{known} known speaker{plural}: with fewer than {RELIABLE_SPEAKERS} no interval is reliable.",
        ),
        (
            unsure > 0,
            f"{unsure} of {everything} predictions have no probability: the model gave no number for them.",
        ),
        (bad > 0, f"{bad} of {everything} clips could not be read and are not scored."),
    ]
    return [text for holds, text in found if holds] + [str(text) for text in policy.get("warnings", [])]


def _unlabelled(tasks: Mapping[str, Any], total: int) -> list[str]:
    return [
        f"{own['num_unlabelled']} of {total} clips have no label for the task '{name}' and are not scored by it."
        for name, own in tasks.items()
        if own["num_unlabelled"]
    ]


def _absent_groups(predictions: Predictions, group_by: Sequence[str]) -> list[str]:
    known = {name for row in predictions.good for name in row["groups"]}
    absent = [name for name in group_by if name not in known and name != "speaker"]
    return [f"Not grouped by {', '.join(absent)}: no row has it."] if absent else []


def _task_scores(
    task: Task, pairs: Sequence[Pair], group_by: tuple[str, ...], resamples: int, seed: int
) -> dict[str, Any]:
    counts = [task.count(pair) for pair in pairs]
    speakers = group_names([_speaker(pair) for pair in pairs])
    per_speaker = _sums(counts, speakers)
    rates = speaker_intervals(
        list(per_speaker.values()), task.rates, resamples=resamples, seed=seed, matters_fn=task.contributes
    )
    metric = task.primary_metric

    def differences(guessed: Sequence[Counts]) -> Mapping[str, Interval]:
        """The model's rates minus a baseline's."""
        beside = _sums(guessed, speakers)
        own, guess = list(per_speaker.values()), [beside[name] for name in per_speaker]
        return paired_difference(
            guess, own, task.rates, resamples=resamples, seed=seed, matters_fn=task.contributes
        )

    return {
        "primary_metric": {"name": metric.name, "higher_is_better": metric.higher_is_better},
        "num_utterances": len(pairs),
        "num_speakers": len(set(speakers) - {UNKNOWN}),
        "hours": _hours(pair.duration_s for pair in pairs),
        "rates": {name: interval.to_json() for name, interval in rates.items()},
        "groups": {
            name: _group_scores(task, pairs, counts, speakers, name, resamples, seed)
            for name in group_by
            if name != "speaker" and any(name in pair.groups for pair in pairs)
        },
        "baselines": {one.name: one.to_json() for one in baselines(task, pairs, differences)},
        "calibration": _calibration(task, pairs),
        "speakers": _speaker_scores(task, pairs, counts, speakers, seed),
    }


def _group_scores(
    task: Task,
    pairs: Sequence[Pair],
    counts: Sequence[Counts],
    speakers: Sequence[str],
    field: str,
    resamples: int,
    seed: int,
) -> dict[str, Any]:
    names = group_names([pair.groups.get(field) for pair in pairs])
    distinct = sorted_names(names)
    # Scripts or sessions can be thousands of groups; a coarser interval is enough for each.
    draws = resamples if len(distinct) <= 20 else min(resamples, 200)
    result = {}
    for name in distinct:
        inside = [index for index, own in enumerate(names) if own == name]
        summed = _sums([counts[index] for index in inside], [speakers[index] for index in inside])
        rates = speaker_intervals(
            list(summed.values()), task.rates, resamples=draws, seed=seed, matters_fn=task.contributes
        )
        result[name] = {
            "num_utterances": len(inside),
            "num_speakers": len(set(summed) - {UNKNOWN}),
            "hours": _hours(pairs[index].duration_s for index in inside),
            "rates": {rate: interval.to_json() for rate, interval in rates.items()},
        }
    return result


def _speaker_scores(
    task: Task, pairs: Sequence[Pair], counts: Sequence[Counts], speakers: Sequence[str], seed: int
) -> dict[str, Any]:
    """Per speaker: counts, and rates with an interval over that speaker's own utterances."""
    distinct = sorted_names(speakers)
    draws = 200 if len(distinct) <= SPEAKERS_WITH_INTERVALS else 0
    places: dict[str, list[int]] = {name: [] for name in distinct}
    for index, name in enumerate(speakers):
        places[name].append(index)
    result = {}
    for name, inside in places.items():
        own = [counts[index] for index in inside]
        rates = speaker_intervals(own, task.rates, resamples=draws, seed=seed)
        result[name] = {
            "num_utterances": len(inside),
            "hours": _hours(pairs[index].duration_s for index in inside),
            "rates": {
                rate: {"value": interval.value, "low": interval.low, "high": interval.high}
                for rate, interval in rates.items()
            },
            "counts": {key: _plain(value) for key, value in add_counts(own).items()},
        }
    return result


def _speaker(pair: Pair) -> str | None:
    speaker = pair.groups.get("speaker")
    return None if speaker is None else str(speaker)


def has_single_labels(task: Task, pairs: Sequence[Pair]) -> bool:
    """Whether all pairs are one label with a confidence beside another: what a task of single labels gives, as far as
    a file that was not written here has it."""
    return task.single_label and all("confidence" in pair.prediction.fields for pair in pairs)


def _calibration(task: Task, pairs: Sequence[Pair]) -> dict[str, Any] | None:
    """Expected calibration error, for predictions of a label with a confidence; else None."""
    if not has_single_labels(task, pairs):
        return None
    # A model with outputs that are no numbers has no confidence; the JSON says null.
    sure = [pair for pair in pairs if pair.prediction.fields["confidence"] is not None]
    if not sure:
        return None
    confidence = [float(pair.prediction.fields["confidence"]) for pair in sure]
    correct = [pair.prediction.fields["label"] == pair.reference["label"] for pair in sure]
    result = calibration(confidence, correct)
    return {"ece": result.ece, "bins": [row._asdict() for row in result.bins]}


def _sums(counts: Sequence[Counts], names: Sequence[str]) -> dict[str, Counts]:
    """Counts summed per name."""
    sums: dict[str, Counts] = {}
    for own, name in zip(counts, names, strict=True):
        if name not in sums:
            sums[name] = {key: np.array(value, dtype=np.float64) for key, value in own.items()}
            continue
        for key, value in own.items():
            sums[name][key] += value
    return sums


def _hours(durations: Any) -> float:
    return math.fsum(durations) / 3600


def _plain(value: Any) -> Any:
    """Nested lists, whole numbers as integers."""
    array = np.asarray(value, dtype=np.float64)
    return (array.astype(np.int64) if np.array_equal(array, np.round(array)) else array).tolist()
