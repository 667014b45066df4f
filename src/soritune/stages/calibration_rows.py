"""Whether a validation split has the clips and speakers that `calibrate` needs, and ratios that would give them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from soritune.corpus.audio_hashes import stored_audio_hashes
from soritune.corpus.manifest import Manifest
from soritune.corpus.splitting.splits import Splits, SplitSettings, make_splits, ratios_text
from soritune.errors import SplitError
from soritune.identities import identity
from soritune.recipe import Recipe
from soritune.stages.label_columns import with_labels
from soritune.tasks.objectives.objective import objective_of
from soritune.tasks.task import Task

LEAST_ROWS, LEAST_SPEAKERS = 20, 2
"""With fewer labelled validation clips, or clips of fewer speakers, there is no temperature: that of two clips may be
20, which makes all probabilities alike. Clips whose speakers are not known are not refused."""
_SHARES = (0.2, 0.34, 0.5)
"""Shares of validation that are tried, smallest first."""


def calibration_fault(recipe: Recipe, manifest: Manifest, splits: Splits) -> str | None:
    """Why `calibrate` will refuse a model that is trained on these splits, with the ratios that prevent it.

    Args:
        recipe: what is trained.
        manifest: the checked rows.
        splits: of these rows, made by the recipe's settings.

    Returns:
        A sentence. None if `calibrate` has enough validation clips, if no task has one label per utterance, and if
        there is no validation split.
    """
    tasks = recipe.make_tasks()
    judged = [task for task in tasks if task.single_label and _chooses(task)]
    if not judged or not len(splits.indices(manifest, "val")):
        return None
    counts = [_counts(task, manifest, splits) for task in judged]
    if any(is_enough(*count) for count in counts):
        return None  # `calibrate` fits what it can and warns of the others
    rows, speakers = max(counts, key=lambda count: count[0])
    known = "" if speakers is None else f" of {speakers} speaker{'' if speakers == 1 else 's'}"
    return (
        f"the validation split has {rows} labelled clip{'' if rows == 1 else 's'}{known}, so `calibrate` will refuse "
        f"this run: it needs {LEAST_ROWS} clips of {LEAST_SPEAKERS} speakers; "
        f"{_advice(recipe, judged, manifest, splits)}"
    )


def is_enough(num_rows: int, num_speakers: int | None) -> bool:
    """Whether labelled validation rows give a temperature; None stands for speakers that are not all known."""
    return num_rows >= LEAST_ROWS and (num_speakers is None or num_speakers >= LEAST_SPEAKERS)


def _chooses(task: Task) -> bool:
    return any(objective_of(spec).is_choice(spec) for spec in task.outputs)


def _counts(task: Task, manifest: Manifest, splits: Splits) -> tuple[int, int | None]:
    """Labelled validation rows of a task and their speakers, None if some are not known; counting ends at enough."""
    rows, speakers = 0, set[str | None]()
    for utterance in manifest.utterances(splits.indices(manifest, "val")):
        if (task.reference(utterance) or {}).get("label") is not None:
            rows += 1
            speakers.add(identity(utterance.speaker))
        if rows >= LEAST_ROWS and len(speakers - {None}) >= LEAST_SPEAKERS:
            break
    return rows, None if None in speakers else len(speakers)


def _advice(recipe: Recipe, tasks: Sequence[Task], manifest: Manifest, splits: Splits) -> str:
    settings = recipe.split
    if settings.given is not None:
        return f"give more rows to val in the column '{settings.given}', or set split.given=null"
    known = {identity(speaker) for speaker in manifest.column("speaker").unique().to_pylist()} - {None}
    if "speaker" in settings.by and len(known) < LEAST_SPEAKERS + len(set(settings.requested) - {"val"}):
        return f"with {len(known)} speakers no ratios give that"
    labelled = with_labels(tasks, manifest)  # strata are read from it
    stored = stored_audio_hashes(manifest)
    hashes = None if stored is None else stored.hashes
    train_labels = _labels(tasks, manifest, splits, "train")
    for ratios in _larger(settings):
        tried = settings.model_copy(update={"ratios": ratios})
        try:
            other = make_splits(labelled, tried, audio_hashes=hashes)
        except SplitError:
            continue
        enough = any(is_enough(*_counts(task, manifest, other)) for task in tasks)
        if enough and _labels(tasks, manifest, other, "train") == train_labels:
            return f"with {ratios_text(ratios)} it has them"
    return "none of the larger shares tried gives them; add clips or speakers"


def _larger(settings: SplitSettings) -> Iterator[dict[str, float]]:
    """Ratios with a larger share of validation; the test split keeps its share."""
    test = settings.ratios.get("test", 0)
    for val in _SHARES:
        train = round(1 - val - test, 4)
        if val > settings.ratios.get("val", 0) and train > 0:
            yield {"train": train, "val": val, "test": test}


def _labels(tasks: Sequence[Task], manifest: Manifest, splits: Splits, split: str) -> set[tuple[str, str]]:
    """Task and label of every label that a split has."""
    rows = splits.indices(manifest, split)
    if not len(rows):
        return set()
    found = set[tuple[str, str]]()
    known = {(task.name, label) for task in tasks for label in task.outputs[0].labels}
    for utterance in manifest.utterances(np.sort(rows)):
        for task in tasks:
            label = (task.reference(utterance) or {}).get("label")
            if label is not None:
                found.add((task.name, label))
        if found == known:
            break
    return found
