"""A run without training: prepare, check, split, and one forward pass on the longest batch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from soritune.corpus.checks import read_quarantine
from soritune.draws import Draws
from soritune.errors import TrainingError
from soritune.progress import SILENT, Console
from soritune.recipe import Recipe
from soritune.run_folder import RunFolder
from soritune.stages.calibration_rows import calibration_fault
from soritune.stages.check import by_purpose
from soritune.stages.label_columns import with_labels
from soritune.stages.prepare import with_chosen_source
from soritune.stages.split import corpus_to_splits
from soritune.stages.start import check_start, open_folder
from soritune.stages.train import build_run
from soritune.tasks.objectives.probabilities import non_finite_output
from soritune.tasks.task import label_fields

if TYPE_CHECKING:
    from soritune.models.model import ModelOutput
    from soritune.training.batches.batch import Batch
    from soritune.training.batches.plan import EpochPlan
    from soritune.training.epochs import Epochs
    from soritune.training.run import TrainingRun


def dry_run(recipe: Recipe, folder: Path, *, console: Console = SILENT) -> dict[str, Any]:
    """Prepares, checks and splits, then takes one forward pass on the longest batch; no weights are written.

    Returns:
        `{"splits": summary, "calibration_fault": sentence or None, "quarantined": n, "longest_batch": {...},
        "model": report}`. Of several processes the first does the work; on the others the result is empty.

    Raises:
        SorituneError: a stage fails; settings of a phase contradict each other; a row of the longest batch cannot be
            read; the model's outputs are not finite.
    """
    from soritune.training.process_group import process_group

    named = with_chosen_source(recipe, console=console)
    return process_group().on_main(lambda: _dry_run(named, folder, console)) or {}


def _dry_run(recipe: Recipe, folder: Path, console: Console) -> dict[str, Any]:
    from soritune.training.phase_check import check_phases
    from soritune.training.phases import resolve_phases

    check_start(recipe)
    open_folder(folder)
    manifest, splits = corpus_to_splits(recipe, folder, console=console)
    uncalibrated = calibration_fault(recipe, manifest, splits)
    if uncalibrated is not None:
        console.warning(uncalibrated)
    run = build_run(recipe, manifest, splits, folder)
    check_phases(
        run.model,
        run.tasks,
        resolve_phases(run.settings, run.augment, run.model.config.freeze),
        keeps_states=run.batches.encoder_states is not None,
    )
    epochs = _epochs_of_phases(run)
    longest_first = _longest_first(recipe, run, epochs)
    return {
        "splits": splits.summary(with_labels(run.tasks, manifest), label_fields(run.tasks)),
        "policy": splits.policy,
        "calibration_fault": uncalibrated,
        "quarantined": len(by_purpose(read_quarantine(RunFolder(folder).quarantine))[0]),
        "steps_per_epoch": max(each.plan(0).num_steps for each in epochs),
        "padding_share": longest_first.padding_share,
        "longest_batch": _forward(recipe, run, longest_first),
        "model": str(run.model.load_report),
    }


def _epochs_of_phases(run: TrainingRun) -> list[Epochs]:
    """The plans of the phases that would be trained."""
    from soritune.training.epochs import Epochs
    from soritune.training.phases import chosen_phases, resolve_phases

    phases = resolve_phases(run.settings, run.augment, run.model.config.freeze)
    return [Epochs(run, phase) for phase in chosen_phases(phases, run.settings.phase)]


def _longest_first(recipe: Recipe, run: TrainingRun, epochs: list[Epochs]) -> EpochPlan:
    """All rows of these plans in one epoch, whose first batch has the longest clips."""
    from soritune.training.batches.plan import plan_epoch

    rows = np.unique(np.concatenate([each.trained_rows for each in epochs]))
    return plan_epoch(
        rows,
        run.manifest.durations_s[rows],
        recipe.batches.model_copy(update={"order": "descending", "first_epoch_ascending": False}),
        seed=recipe.train.seed,
    )


def _refuse_unread(run: TrainingRun, batch: Batch) -> None:
    reasons = {row: reason for row, reason in batch.failed if row in batch.unread}
    if reasons:
        row = min(reasons)
        raise TrainingError(
            f"{len(reasons)} of the {len(batch.rows)} rows of the longest batch cannot be read, first "
            f"{run.manifest.column('id')[row].as_py()}: {reasons[row]}"
        )


def _refuse_non_finite(run: TrainingRun, batch: Batch, output: ModelOutput) -> None:
    frames = output.num_frames.tolist()
    for spec in run.model.outputs:
        logits = output.logits[spec.name].numpy()
        for position, row in enumerate(batch.rows.tolist()):
            values = logits[position, : frames[position]] if spec.per_frame else logits[position]
            if non_finite_output({spec.name: values}) is not None:
                raise TrainingError(
                    f"the model's output '{spec.name}' is not finite on {run.manifest.column('id')[row].as_py()}; "
                    "use another encoder or other weights, nothing can be learnt from these"
                )


def _forward(recipe: Recipe, run: TrainingRun, plan: EpochPlan) -> dict[str, Any]:
    """Runs the model on the first batch of a plan; gives the sizes of what went in and came out."""
    import torch

    from soritune.training.batches.collate import Collator

    collator = Collator(
        run.manifest,
        run.tasks,
        recipe.preprocessing,
        num_frames=run.model.geometry.num_frames,
        hidden_size=run.model.hidden_size,
        augment=recipe.augment,
    )
    batch = collator(plan.micro_batch(0), Draws(recipe.train.seed, 0, 0), 0)
    _refuse_unread(run, batch)
    with torch.no_grad():
        output = run.model.eval()(**batch.inputs)
    _refuse_non_finite(run, batch, output)
    return {
        "utterances": len(batch.rows),
        "samples": batch.longest_samples,
        "outputs": {name: list(logits.shape) for name, logits in output.logits.items()},
    }
