"""Temperatures and thresholds of coverage for a bundle of a run, fitted on the validation split of that run.

Test rows are never read. Next: `metrics/calibration.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from soritune.bundles.calibration import KEY, BundleCalibration, OutputCalibration
from soritune.bundles.card import Bundle
from soritune.bundles.read import load_bundle
from soritune.bundles.write import update_card
from soritune.corpus.manifest import Manifest, load_manifest
from soritune.corpus.splitting.splits import load_splits
from soritune.errors import BundleError, SplitError, TaskError
from soritune.inference.clip_outputs import Posteriors
from soritune.inference.posteriors import tempered
from soritune.inference.predictor import Predictor
from soritune.metrics.calibration import (
    HIGHEST,
    LOWEST,
    calibration_of,
    coverage_thresholds,
    fit_temperature,
)
from soritune.progress import SILENT, Console
from soritune.recipe import Recipe
from soritune.run_folder import RunFolder
from soritune.stages.judged import JudgedModel
from soritune.stages.prepare import root_of
from soritune.tasks.objectives.objective import objective_of
from soritune.tasks.specs import OutputSpec
from soritune.tasks.task import Task

FEW_ROWS = 100
"""With fewer validation clips, a warning states that the temperature is uncertain."""
VALIDATION = "val"


def calibrate(
    target: Path | str,
    *,
    checkpoint: str | None = None,
    device: str = "auto",
    backend: str = "pytorch",
    base: str | None = None,
    root: Path | str | None = None,
    console: Console = SILENT,
) -> BundleCalibration:
    """Fits the temperatures of a bundle's outputs and its thresholds of coverage, and writes them into its card.

    Args:
        target: run folder, or a bundle in one.
        checkpoint: bundle of the run; None or "best" is the best by the first task's primary metric.
        device, backend, base: as for `Predictor.load`.
        root: where relative audio paths start, instead of what the manifest states.
        console: where the progress bar and warnings are shown; nothing is shown by default.

    Raises:
        BundleError: no model there, or one that is not part of a run.
        SplitError: the run has no validation rows.
        TaskError: no output with one label per utterance, or no row with such a label.
    """
    model = JudgedModel.find(target, checkpoint)
    if model.run is None or not model.run.splits.is_file():
        raise BundleError(
            f"{model.bundle} is not part of a run with {RunFolder(Path()).splits.name}, so its validation rows are not "
            "known; give the run folder that trained it"
        )
    bundle = load_bundle(model.bundle)
    outputs_to_fit(bundle)
    rows = validation_rows(model.run, root)
    predictor = Predictor.load(
        model.bundle, backend=backend, device=device, base=base, vad="off", calibrated=False
    )
    with console.bar("calibrate", len(rows)) as bar:
        posteriors = [done for done in predictor.posteriors(rows, progress=bar.advance) if done.error is None]
    fitted = fit(predictor.tasks, posteriors)
    for warning in fitted.warnings:
        console.warning(warning)
    update_card(model.bundle, **{KEY: fitted.to_json()})
    return fitted


def calibrate_after_training(recipe: Recipe, folder: Path, *, console: Console = SILENT) -> None:
    """Calibrates the bundle that the recipe's run is judged by; only reports why if that cannot be done."""
    name = recipe.evaluate.checkpoint
    try:
        calibrate(
            folder,
            checkpoint=None if name == "best" else name,
            device=recipe.train.device,
            root=root_of(recipe),
            console=console,
        )
    except (SplitError, TaskError) as error:
        console.warning(f"the probabilities are not calibrated: {error}")


def validation_rows(run: RunFolder, root: Path | str | None) -> Manifest:
    """The rows of the validation split.

    Raises:
        SplitError: there is none.
    """
    rows = load_manifest(run.checked, root=root)
    chosen = rows.select(load_splits(run.splits).indices(rows, VALIDATION))
    if not len(chosen):
        raise SplitError(f"the validation split of {run.path} is empty; set split.ratios.val and train again")
    return chosen


def outputs_to_fit(bundle: Bundle) -> list[OutputSpec]:
    """The outputs with one label per utterance.

    Raises:
        TaskError: there is none.
    """
    chosen = [spec for spec in bundle.outputs if objective_of(spec).is_choice(spec)]
    if not chosen:
        names = ", ".join(task.name for task in bundle.tasks)
        raise TaskError(
            f"no task of {bundle.path} has an output with one label per utterance ({names}), so there is nothing to "
            "calibrate"
        )
    return chosen


def fit(tasks: Sequence[Task], posteriors: Sequence[Posteriors]) -> BundleCalibration:
    """The calibration of a model, from its own log-probabilities of rows with labels.

    Raises:
        TaskError: no row has a label.
    """
    outputs: dict[str, OutputCalibration] = {}
    thresholds: dict[str, tuple[float, ...]] = {}
    warnings: list[str] = []
    for task in tasks:
        for spec in task.outputs:
            if objective_of(spec).is_choice(spec):
                fitted = _fitted_output(task, spec, posteriors)
                if fitted is not None:
                    outputs[spec.name] = fitted
                    warnings += _warnings(spec.name, fitted)
        if task.single_label and task.outputs[0].name in outputs:
            confidences = _confidences(task, posteriors, outputs)
            thresholds[task.name] = coverage_thresholds(confidences)
    if not outputs:
        raise TaskError("no validation row has a label, so no temperature can be fitted; label some of them")
    speakers = len({done.groups.get("speaker") for done in posteriors} - {None})
    return BundleCalibration(outputs, thresholds, len(posteriors), speakers, tuple(warnings))


def _fitted_output(
    task: Task, spec: OutputSpec, posteriors: Sequence[Posteriors]
) -> OutputCalibration | None:
    """The temperature of one output; None if no row has a label for it."""
    kept, targets = _labelled(task, spec, posteriors)
    if not kept:
        return None
    logs = np.stack([done.outputs[spec.name] for done in kept]).astype(np.float64)
    fit = fit_temperature(logs, targets)
    return OutputCalibration(
        temperature=fit.temperature,
        rows=len(kept),
        speakers=len({done.groups.get("speaker") for done in kept} - {None}),
        nll_before=fit.nll_before,
        nll_after=fit.nll_after,
        ece_before=calibration_of(logs, targets).ece,
        ece_after=calibration_of(logs / fit.temperature, targets).ece,
        limit=fit.limit,
    )


def _labelled(
    task: Task, spec: OutputSpec, posteriors: Sequence[Posteriors]
) -> tuple[list[Posteriors], NDArray[np.float64]]:
    """The rows with this output and a label, and the probability of each label in them, (rows, labels)."""
    with_output = [done for done in posteriors if spec.name in done.outputs]
    targets = [task.targets(done.utterance)[spec.name] for done in with_output]
    padded = objective_of(spec).pad(spec, targets, np.ones(len(targets), np.int64))
    mass = np.asarray(padded.values, np.float64)
    has_label = mass.sum(axis=1) > 0
    kept = [done for done, labelled in zip(with_output, has_label, strict=True) if labelled]
    return kept, mass[has_label] / mass[has_label].sum(axis=1, keepdims=True)


def _confidences(
    task: Task, posteriors: Sequence[Posteriors], outputs: dict[str, OutputCalibration]
) -> list[float]:
    """The confidence of each prediction, as `predict` gives it at these temperatures."""
    confidences = []
    for done in posteriors:
        if task.name not in done.left_out:
            logs = {
                name: tempered(values, outputs[name].temperature) if name in outputs else values
                for name, values in done.outputs.items()
            }
            confidences.append(float(task.decode(logs, done.prompt).fields["confidence"]))
    return confidences


def _warnings(name: str, fitted: OutputCalibration) -> list[str]:
    reasons = {
        "all_right": f"every validation clip is right, so the temperature of '{name}' stays 1",
        "lowest": f"the temperature of '{name}' is at its lower bound, {LOWEST:g}",
        "highest": f"the temperature of '{name}' is at its upper bound, {HIGHEST:g}: the model knows hardly more than "
        "the shares of the labels",
    }
    warnings = [reasons[fitted.limit]] if fitted.limit in reasons else []
    if fitted.rows < FEW_ROWS:
        warnings.append(
            f"the temperature of '{name}' is fitted on {fitted.rows} validation clips; fewer than {FEW_ROWS} make it "
            "uncertain"
        )
    if fitted.speakers <= 1:
        known = "one speaker" if fitted.speakers else "no known speaker"
        warnings.append(f"the temperature of '{name}' is fitted on clips of {known}; others may differ")
    return warnings
