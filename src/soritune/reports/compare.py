"""Several scores.json side by side; differences are paired over the speakers that all of them have."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from soritune.errors import ManifestError
from soritune.inference.json_values import without_nan
from soritune.metrics.bootstrap import Interval, paired_difference
from soritune.reports.grouping import UNKNOWN
from soritune.reports.scores import Scores, TaskScores, load_scores
from soritune.tasks.results import Counts
from soritune.tasks.task import Task

SCHEMA = "soritune.comparison/1"


@dataclass(frozen=True, slots=True)
class TaskComparison:
    """One task under every model, in the order they were given."""

    task: Task
    primary: str
    higher_is_better: bool
    rates: dict[str, list[Interval | None]]
    """Rate to its interval over all speakers of each model; None where a model lacks it."""
    differences: list[dict[str, Interval] | None]
    """Per model: rates minus those of the first model over common speakers; None for the first and where the
    counts cannot be paired."""
    common_speakers: int
    notes: tuple[str, ...]

    @property
    def name(self) -> str:
        """The task's name."""
        return self.task.name


@dataclass(frozen=True, slots=True)
class Comparison:
    """Several models; the first is what the others are compared with."""

    names: tuple[str, ...]
    paths: tuple[str, ...]
    tasks: tuple[TaskComparison, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain JSON; nan becomes null."""
        tasks = {
            task.name: {
                "primary_metric": {"name": task.primary, "higher_is_better": task.higher_is_better},
                "rates": {
                    rate: [None if interval is None else interval.to_json() for interval in row]
                    for rate, row in task.rates.items()
                },
                "differences": [
                    None if row is None else {rate: interval.to_json() for rate, interval in row.items()}
                    for row in task.differences
                ],
                "common_speakers": task.common_speakers,
                "notes": list(task.notes),
            }
            for task in self.tasks
        }
        models = [{"name": name, "path": path} for name, path in zip(self.names, self.paths, strict=True)]
        content: dict[str, Any] = without_nan({"schema": SCHEMA, "models": models, "tasks": tasks})
        return content


def compare(paths: Sequence[Path | str], *, resamples: int = 1000, seed: int = 0) -> Comparison:
    """Compares models by their scores.json (or the folders that hold one); the first is the reference.

    Raises:
        ManifestError: fewer than two files, one that is not a scores file, no task that all have, or scores with and
            without normalisation per speaker.
    """
    if len(paths) < 2:
        raise ManifestError("a comparison needs at least two scores files")
    scores = [load_scores(path) for path in paths]
    normalised = [side.header.speaker_norm is not None for side in scores]
    if len(set(normalised)) > 1:
        which = paths[normalised.index(True)], paths[normalised.index(False)]
        raise ManifestError(
            f"{which[0]} was judged with normalisation per speaker and {which[1]} without it, on other clips; judge "
            "both alike before you compare them"
        )
    shared = [name for name in scores[0].tasks if all(name in model.tasks for model in scores)]
    if not shared:
        tasks = "; ".join(
            f"{path}: {', '.join(side.tasks)}" for path, side in zip(paths, scores, strict=True)
        )
        raise ManifestError(f"the scores have no task in common ({tasks})")
    return Comparison(
        _names(paths, scores),
        tuple(str(path) for path in paths),
        tuple(_compare_task(name, scores, resamples, seed) for name in shared),
    )


def model_names(paths: Sequence[Path | str]) -> tuple[str, ...]:
    """The names of models in a comparison of these scores files.

    Raises:
        ManifestError: one is not a scores file.
    """
    return _names(paths, [load_scores(path) for path in paths])


def verdict(difference: Interval, higher_is_better: bool) -> str:
    """better, worse, or not distinguishable: whether the interval of a difference excludes zero."""
    if not (math.isfinite(difference.low) and math.isfinite(difference.high)):
        return "not distinguishable"
    if difference.low <= 0 <= difference.high:
        return "not distinguishable"
    return "better" if (difference.value > 0) == higher_is_better else "worse"


def _compare_task(name: str, scores: Sequence[Scores], resamples: int, seed: int) -> TaskComparison:
    models = [side.tasks[name] for side in scores]
    first, others = models[0], models[1:]
    task = scores[0].header.tasks_by_name[name]
    rates = {rate: [model.rates.get(rate) for model in models] for rate in first.rates}
    common = [speaker for speaker in first.speakers if all(speaker in model.speakers for model in models)]
    common = [speaker for speaker in common if speaker != UNKNOWN]
    notes = _notes(scores, models, common)
    differences: list[dict[str, Interval] | None] = [None]
    before = [first.speakers[speaker].counts for speaker in common]
    for model in others:
        after = [model.speakers[speaker].counts for speaker in common]
        if not common or not _alike(before[0], after[0]):
            differences.append(None)
            continue
        differences.append(
            paired_difference(
                before, after, task.rates, resamples=resamples, seed=seed, contributes_fn=task.contributes
            )
        )
    if any(row is None for row in differences[1:]) and common:
        notes.append(
            "Scores with other counts cannot be paired: the models have other labels, or one file is of another "
            "version of soritune (`soritune score` writes it anew from the predictions)."
        )
    metric = task.primary_metric
    return TaskComparison(
        task, metric.name, metric.higher_is_better, rates, differences, len(common), tuple(notes)
    )


def _notes(scores: Sequence[Scores], models: Sequence[TaskScores], common: Sequence[str]) -> list[str]:
    notes = []
    if not common:
        notes.append("The models were judged on different speakers; differences cannot be paired.")
    elif any(len(model.speakers) != len(common) for model in models):
        notes.append(f"Differences are over the {len(common)} speakers that all models were judged on.")
    sizes = [[model.speakers[speaker].num_utterances for speaker in common] for model in models]
    if any(row != sizes[0] for row in sizes):
        notes.append("The models were judged on different numbers of clips of the same speakers.")
    decoders = [side.header.decoder_text for side in scores]
    if len(set(decoders)) > 1:
        notes.append(f"The outputs were read by different decoders: {', '.join(decoders)}.")
    norms = [side.header.speaker_norm for side in scores]
    if len(set(norms)) > 1:
        notes.append(f"The numbers of enrolment clips differ: {'; '.join(map(str, norms))}.")
    withheld = [" and ".join(side.header.withheld) or "nothing" for side in scores]
    if len(set(withheld)) > 1:
        notes.append(f"Inputs were withheld from the models: {', '.join(withheld)}.")
    windows = [side.header.label_windows for side in scores]
    if any(each != windows[0] for each in windows):
        notes.append("The clips were cut into different windows, whose mean is judged.")
    for title, marked in (
        ("Trained on", [side.header.trained_on_synthetic for side in scores]),
        ("Judged on", [bool(side.header.data.synthetic) for side in scores]),
    ):
        if any(marked):
            which = "all of them" if all(marked) else f"{sum(marked)} of {len(marked)}"
            notes.append(f"{title} synthetic speech, at least in part: {which}.")
    return notes


def _alike(first: Counts, second: Counts) -> bool:
    return {key: value.shape for key, value in first.items()} == {key: v.shape for key, v in second.items()}


def _names(paths: Sequence[Path | str], scores: Sequence[Scores]) -> tuple[str, ...]:
    """The bundles' names if all of them differ, else the folders' (runs of one recipe have one name), else the paths;
    with the checkpoint if the models are at different ones."""
    bundles = [side.header.model.name or "" for side in scores]
    folders = [(Path(path) if Path(path).is_dir() else Path(path).parent).resolve().name for path in paths]
    checkpoints = [side.header.model.folder or "" for side in scores]
    for plain in (bundles, folders, [str(path) for path in paths]):
        names = _with_checkpoint(plain, checkpoints)
        is_enough = plain is not bundles or len(set(bundles)) == len(bundles)
        if is_enough and len(set(names)) == len(names) and all(plain):
            return tuple(names)
    return tuple(str(path) for path in paths)


def _with_checkpoint(names: Sequence[str], checkpoints: Sequence[str]) -> list[str]:
    if len(set(checkpoints)) == 1:
        return list(names)
    return [
        f"{name} ({checkpoint})" if checkpoint not in ("", name, name.rpartition("/")[2]) else name
        for name, checkpoint in zip(names, checkpoints, strict=True)
    ]
