"""Recognised text through the G2P as a baseline of a phone model, in its scores and report."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from soritune.errors import ManifestError, TaskError
from soritune.inference.predictions import read_predictions
from soritune.reports.report import predictions_of, write_report
from soritune.reports.score import CountedPairs, pairs_of
from soritune.reports.scores import Scores, load_scores
from soritune.run_folder import RunFolder
from soritune.stages.recognised_phones import phones_of_text
from soritune.stages.trained_baselines import baseline_of
from soritune.tasks.phoneme import PhonemeTask

NAME = "recognised_text"
DESCRIPTION = (
    "the text of {} through the G2P, nothing trained; a recogniser hears words and hides mispronunciations"
)


def add_recognised_baseline(
    folder: Path | str, recognised: Path | str, *, root: Path | None = None, audio: bool = True
) -> Scores:
    """Adds the baseline to scores.json of a folder with scores and predictions, and writes its report again.

    Args:
        folder: of a run, a cross-validation or an evaluation.
        recognised: what `soritune transcribe --predictions` wrote for the same rows.
        root: where relative audio paths start, instead of what the predictions state.
        audio: put players into the report.

    Raises:
        ManifestError: a file is missing or of another kind, or a clip that was scored has no recognised text.
        TaskError: no task gives Korean phones.
    """
    files = RunFolder(Path(folder))
    scores = load_scores(files.scores())
    predictions = read_predictions(predictions_of(files, scores))
    tasks = [
        task
        for task in predictions.tasks
        if isinstance(task, PhonemeTask) and task.config.inventory == "korean" and task.name in scores.tasks
    ]
    if not tasks:
        names = ", ".join(task.name for task in predictions.tasks)
        raise TaskError(f"{names}: no task gives Korean phones, with which recognised text is compared")
    texts = read_predictions(recognised)
    record = texts.header.recogniser
    if record is None:
        raise ManifestError(
            "has no recognised text; write it with `soritune transcribe --predictions`", path=recognised
        )
    language = str(record.get("language") or "ko")
    by_id: dict[str, dict[str, Any]] = {row["id"]: row for row in texts.good}
    of_tasks = dict(scores.tasks)
    for task in tasks:
        counted = CountedPairs.of(task, pairs_of(predictions, task.name), scores.resamples, scores.seed)
        missing = [pair.id for pair in counted.pairs if pair.id not in by_id]
        if missing:
            raise ManifestError(
                f"lacks {len(missing)} of {len(counted.pairs)} clips that were scored, such as '{missing[0]}'; "
                "transcribe the same rows",
                path=recognised,
            )
        answers = {
            pair.id: phones_of_text(
                task, by_id[pair.id].get("text") or "", by_id[pair.id].get("text_confidence"), language
            )
            for pair in counted.pairs
        }
        before = scores.tasks[task.name]
        description = DESCRIPTION.format(texts.header.recogniser_text)
        baseline = baseline_of(description, answers, counted, list(before.groups))
        of_tasks[task.name] = dataclasses.replace(before, baselines={**before.baselines, NAME: baseline})
    scores = dataclasses.replace(scores, tasks=of_tasks)
    scores.save(files.scores())
    write_report(files.path, scores_path=files.scores(), audio=audio, audio_root=root)
    return scores
