"""Before and after fine-tuning: the scores of the weights that a training was given, beside those of its result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from soritune.errors import ManifestError
from soritune.inference.header import Header
from soritune.metrics.bootstrap import paired_difference
from soritune.reports.before_scores import BeforeScores
from soritune.reports.grouping import UNKNOWN
from soritune.reports.numbers import difference_note
from soritune.reports.scores import Scores, TaskScores, load_scores
from soritune.run_folder import RunFolder
from soritune.tasks.specs import is_kept
from soritune.tasks.task import Task

BEFORE = "the model before fine-tuning"
NEW_HEAD_NOTE = "Before fine-tuning there is nothing to score: the head of this task is new."
NOT_JUDGED_NOTE = "No scores of these clips before fine-tuning were found."


def with_before(scores: Scores, path: Path | None) -> Scores:
    """The scores with those of the same clips before fine-tuning, task by task.

    Tasks whose head or inputs are new have nothing before. Scores of other clips are ignored.

    Args:
        scores: after fine-tuning.
        path: scores of the run's bundle `start`; a file that does not exist is ignored.
    """
    if path is None or not path.is_file():
        return scores
    try:
        before = load_scores(path)
    except ManifestError:
        return scores
    if not _same_clips(before, scores):
        return scores
    tasks = scores.header.tasks_by_name
    judged = {
        name: replace(
            after, before=_before(tasks[name], before.tasks[name], after, scores.resamples, scores.seed)
        )
        for name, after in scores.tasks.items()
        if name in before.tasks and is_kept(tasks[name].outputs, tasks[name].inputs, scores.header.new_parts)
    }
    return replace(scores, tasks={**scores.tasks, **judged})


def scores_before(predictions: Path, scores: Scores) -> Path | None:
    """The scores of the same clips before fine-tuning, in the run that the predictions are part of.

    Args:
        predictions: the predictions file of a run, `RUN/predictions/SPLIT.jsonl`.
        scores: of these predictions.

    Returns:
        The file of the run's bundle `start`; None without one of the same clips, inputs and decoder.
    """
    for path in RunFolder.of_predictions(predictions).scores_of_start():
        try:
            before = load_scores(path)
        except ManifestError:
            continue
        is_itself = before.header.model.folder == scores.header.model.folder
        if not is_itself and _same_clips(before, scores):
            return path
    return None


def before_note(task: Task, scores: TaskScores, header: Header) -> str | None:
    """One sentence on before and after, for every model that was fine-tuned; None for others.

    With scores of both it is the primary rate: `per: 12.3 points below the model before fine-tuning [10.1, 14.6],
    paired over speakers.`
    """
    if scores.before is not None:
        rate = scores.primary_metric.name
        note = difference_note(task, rate, scores.before.differences.get(rate), BEFORE)
        return None if note is None else f"{note}, paired over speakers."
    training = header.model.training
    if not training or not training.get("step"):
        return None
    is_new = not is_kept(task.outputs, task.inputs, header.new_parts)
    return NEW_HEAD_NOTE if is_new else NOT_JUDGED_NOTE


def _before(task: Task, before: TaskScores, after: TaskScores, resamples: int, seed: int) -> BeforeScores:
    common = [name for name in after.speakers if name in before.speakers and name != UNKNOWN]
    first, second = ([side.speakers[name].counts for name in common] for side in (before, after))
    differences = paired_difference(
        first, second, task.rates, resamples=resamples, seed=seed, contributes_fn=task.contributes
    )
    return BeforeScores(before.rates, differences)


def _same_clips(before: Scores, after: Scores) -> bool:
    """Whether both are scores of the same rows of the same split, with the same inputs."""
    first, second = before.header.data, after.header.data
    same: Mapping[str, tuple[object, object]] = {
        "rows": (first.manifest_hash, second.manifest_hash),
        "split": (first.split, second.split),
        "folds": (first.pooled, second.pooled),
        "withheld": (before.header.withheld, after.header.withheld),
        "decoder": (before.header.decoder_text, after.header.decoder_text),
        "speaker norm": (before.header.speaker_norm, after.header.speaker_norm),
        "clips": (before.num_utterances + before.num_failed, after.num_utterances + after.num_failed),
    }
    return all(one == other for one, other in same.values())
