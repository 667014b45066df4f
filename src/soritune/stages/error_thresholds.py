"""Thresholds of error labels by phone for a bundle of a run, chosen on the validation speakers of that run.

They are part of the task's settings in the bundle's card, so that every prediction uses them. Test rows are never read.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from soritune.bundles.read import load_bundle
from soritune.bundles.write import update_card
from soritune.errors import BundleError, TaskError
from soritune.inference.predictor import Predictor
from soritune.progress import SILENT, Console
from soritune.run_folder import RunFolder
from soritune.stages.calibrate import validation_rows
from soritune.stages.judged import JudgedModel
from soritune.tasks.results import Pair
from soritune.tasks.task import Task


def choose_error_thresholds(
    target: Path | str,
    *,
    checkpoint: str | None = None,
    device: str = "auto",
    backend: str = "auto",
    base: str | None = None,
    root: Path | str | None = None,
    console: Console = SILENT,
) -> dict[str, Any]:
    """Chooses thresholds and writes them into the card of the bundle.

    Args:
        target: run folder, or a bundle in one.
        checkpoint: bundle of the run; None or "best" is the best by the first task's primary metric.
        device, backend, base: as for `Predictor.load`.
        root: where relative audio paths start, instead of what the manifest states.
        console: where the progress bar is shown; nothing is shown by default.

    Returns:
        The settings `thresholds` of each task that has them, as JSON.

    Raises:
        BundleError: no model there, or one that is not part of a run.
        SplitError: the run has no validation rows.
        TaskError: no task labels phones of a text, or no validation row is annotated.
    """
    model = JudgedModel.find(target, checkpoint)
    if model.run is None or not model.run.splits.is_file():
        raise BundleError(
            f"{model.bundle} is not part of a run with {RunFolder(Path()).splits.name}, so its validation rows are not "
            "known; give the run folder that trained it"
        )
    bundle = load_bundle(model.bundle)
    if not any(task.has_error_thresholds for task in bundle.tasks):
        names = ", ".join(task.name for task in bundle.tasks)
        raise TaskError(
            f"no task of {bundle.path} labels the phones of a text ({names}), so there is no threshold to choose; "
            "train with tasks.mispronunciation.error_decoding=slots or a segment_head"
        )
    predictor = Predictor.load(
        model.bundle, backend=backend, device=device, base=base, vad="off", calibrated=False
    )
    rows = validation_rows(model.run, root)
    pairs: dict[str, list[Pair]] = {task.name: [] for task in predictor.tasks}
    with console.bar("thresholds", len(rows)) as bar:
        for done in predictor.posteriors(rows, progress=bar.advance):
            for task in predictor.tasks if done.error is None and done.utterance is not None else ():
                reference = task.reference(done.utterance)
                if reference is not None:
                    prediction = task.decode(done.outputs, task.prompt_of(done.utterance))
                    pairs[task.name].append(Pair(done.id, reference, prediction, done.groups))
    changed: list[Task] = [task.with_thresholds(pairs[task.name]) for task in predictor.tasks]
    configs = {task.name: task.config.model_dump(mode="json") for task in changed}
    update_card(model.bundle, tasks=[{"name": name, "config": config} for name, config in configs.items()])
    return {task.name: configs[task.name]["thresholds"] for task in changed if task.has_error_thresholds}
