"""Temperatures and thresholds of coverage for a bundle of a run, fitted on the validation split of that run.

Test rows are never read. Next: `metrics/calibration.py`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from soritune.bundles.calibration import KEY, BundleCalibration, OutputCalibration
from soritune.bundles.card import Bundle
from soritune.bundles.read import load_bundle
from soritune.bundles.speaker_norm import KEY as SPEAKER_NORM
from soritune.bundles.speaker_norm import FeatureStatistics, TrainingFeatures
from soritune.bundles.write import update_card
from soritune.corpus.manifest import Manifest, load_manifest
from soritune.corpus.splitting.splits import load_splits
from soritune.errors import BundleError, SplitError, TaskError
from soritune.identities import identity
from soritune.inference.backends.backend import PoolingBackend
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
from soritune.run_folder import RunFolder, choose_bundle
from soritune.stages.calibration_rows import LEAST_ROWS, LEAST_SPEAKERS, is_enough
from soritune.stages.enrolment import hash_of
from soritune.stages.judged import JudgedModel
from soritune.stages.prepare import root_of
from soritune.tasks.labels import one_hot
from soritune.tasks.objectives.objective import objective_of
from soritune.tasks.specs import OutputSpec
from soritune.tasks.task import Task

FEW_ROWS = 100
"""With fewer validation clips, a warning states that the temperature is uncertain."""
VALIDATION = "val"
MOST_TRAINING_ROWS = 1000
"""Training clips whose features normalisation per speaker uses: enough for a mean and a deviation per channel."""


def calibrate(
    target: Path | str,
    *,
    checkpoint: str | None = None,
    device: str = "auto",
    backend: str = "auto",
    base: str | None = None,
    root: Path | str | None = None,
    speaker_norm: bool = False,
    console: Console = SILENT,
) -> BundleCalibration:
    """Fits the temperatures of a bundle's outputs and its thresholds of coverage, and writes them into its card.

    Args:
        target: run folder, or a bundle in one.
        checkpoint: bundle of the run; None or "best" is the best by the first task's primary metric.
        device, backend, base: as for `Predictor.load`.
        root: where relative audio paths start, instead of what the manifest states.
        speaker_norm: also store the statistics of features of training clips that normalisation per speaker needs.
        console: where the progress bar and warnings are shown; nothing is shown by default.

    Returns:
        What was fitted. With `speaker_norm` it is without outputs, and the card keeps what it has, where validation
        rows are too few.

    Raises:
        BundleError: no model there, or one that is not part of a run.
        SplitError: the run has no validation rows.
        TaskError: no output with one label per utterance, or too few validation rows with such a label
            (`LEAST_ROWS`, `LEAST_SPEAKERS`).
    """
    model = JudgedModel.find(target, checkpoint)
    if model.run is None or not model.run.splits.is_file():
        raise BundleError(
            f"{model.bundle} is not part of a run with {RunFolder(Path()).splits.name}, so its validation rows are not "
            "known; give the run folder that trained it"
        )
    bundle = load_bundle(model.bundle)
    outputs_to_fit(bundle)
    predictor = Predictor.load(
        model.bundle, backend=backend, device=device, base=base, vad="off", calibrated=False
    )
    fields: dict[str, Any] = {}
    try:
        fitted = _fitted(predictor, validation_rows(model.run, root), console)
        fields[KEY] = fitted.to_json()
    except (SplitError, TaskError) as error:
        if not speaker_norm:  # which needs training rows alone
            raise
        fitted = BundleCalibration({}, warnings=(f"the probabilities are not calibrated: {error}",))
    for warning in fitted.warnings:
        console.warning(warning)
    if speaker_norm:
        fields[SPEAKER_NORM] = _training_features(predictor, model.run, root, console).to_json()
    update_card(model.bundle, **fields)
    return fitted


def _fitted(predictor: Predictor, rows: Manifest, console: Console) -> BundleCalibration:
    with console.bar("calibrate", len(rows)) as bar:
        posteriors = [done for done in predictor.posteriors(rows, progress=bar.advance) if done.error is None]
    return fit(predictor.tasks, posteriors)


def calibrate_after_training(recipe: Recipe, folder: Path, *, console: Console = SILENT) -> None:
    """Calibrates the bundle that the recipe's run is judged by, and the best one, which is used if only the run is
    named; only reports why if that cannot be done."""
    judged, best = choose_bundle(folder, recipe.evaluate.checkpoint), choose_bundle(folder)
    try:
        for bundle in dict.fromkeys((judged, best)):
            calibrate(bundle, device=recipe.train.device, root=root_of(recipe), console=console)
    except (SplitError, TaskError) as error:
        console.warning(f"the probabilities are not calibrated: {error}")


def _training_features(
    predictor: Predictor, run: RunFolder, root: Path | str | None, console: Console
) -> TrainingFeatures:
    """Statistics of the features of training rows, at most `MOST_TRAINING_ROWS`, drawn by the hash of their ids."""
    if not isinstance(predictor.members[0].backend, PoolingBackend):
        raise BundleError("the backend gives no features, which normalisation per speaker needs")
    rows = _rows_of(run, "train", root)
    ids = rows.column("id").to_pylist()
    chosen = sorted(sorted(range(len(ids)), key=lambda index: hash_of(ids[index]))[:MOST_TRAINING_ROWS])
    rows = rows.select(chosen)
    outputs: dict[str, list[NDArray[np.float32]]] = defaultdict(list)
    with console.bar("features of training clips", len(rows)) as bar:
        for features in predictor.features(rows):
            bar.advance()
            for name, values in features.items():
                outputs[name].append(values)
    return TrainingFeatures(
        len(rows),
        len(set(rows.column("speaker").to_pylist()) - {None}),
        {name: FeatureStatistics.of(np.concatenate(values)) for name, values in outputs.items()},
    )


def validation_rows(run: RunFolder, root: Path | str | None) -> Manifest:
    """The rows of the validation split.

    Raises:
        SplitError: the split is empty.
    """
    chosen = _rows_of(run, VALIDATION, root)
    if not len(chosen):
        raise SplitError(f"the validation split of {run.path} is empty; set split.ratios.val and train again")
    return chosen


def _rows_of(run: RunFolder, split: str, root: Path | str | None) -> Manifest:
    rows = load_manifest(run.checked, root=root)
    return rows.select(load_splits(run.splits).indices(rows, split))


def outputs_to_fit(bundle: Bundle) -> list[OutputSpec]:
    """The outputs with one label per utterance.

    Raises:
        TaskError: no output is of this kind.
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
        TaskError: no output has `LEAST_ROWS` rows with a label, of `LEAST_SPEAKERS` speakers.
    """
    outputs: dict[str, OutputCalibration] = {}
    thresholds: dict[str, tuple[float, ...]] = {}
    warnings: list[str] = []
    refused: list[str] = []
    for task in tasks:
        for spec in task.outputs:
            if objective_of(spec).is_choice(spec):
                kept, targets = _labelled(task, spec, posteriors)
                too_few = _too_few(spec.name, kept)
                if too_few is None:
                    outputs[spec.name] = fitted = _fitted_output(spec, kept, targets)
                    warnings += _warnings(spec.name, fitted)
                else:
                    refused.append(too_few)
        if task.single_label and task.outputs[0].name in outputs:
            confidences = _confidences(task, posteriors, outputs)
            thresholds[task.name] = coverage_thresholds(confidences)
    if not outputs:
        raise TaskError("; ".join(refused) or "no output has one label per utterance")
    warnings += refused
    speakers = len(_speakers(posteriors) - {None})
    return BundleCalibration(outputs, thresholds, len(posteriors), speakers, tuple(warnings))


def _speakers(rows: Sequence[Posteriors]) -> set[str | None]:
    """The different speakers of rows, in one spelling of each; None stands for those that are not known."""
    return {identity(done.groups.get("speaker")) for done in rows}


def _too_few(name: str, kept: Sequence[Posteriors]) -> str | None:
    """Why the labelled rows of an output give no temperature; None if they do."""
    speakers = _speakers(kept)
    if is_enough(len(kept), None if None in speakers else len(speakers)):
        return None
    few_speakers = None not in speakers and len(speakers) < LEAST_SPEAKERS
    have = f"{len(kept)} of its validation clips {'has' if len(kept) == 1 else 'have'} a label"
    same = ", all of one speaker" if kept and few_speakers else ""
    return (
        f"'{name}' has no temperature: {have}{same}; {LEAST_ROWS} clips of {LEAST_SPEAKERS} speakers are the least "
        "(train again with a larger share of val in split.ratios, which `run --dry-run` names, or with a higher "
        "--val-share of crossval)"
    )


def _fitted_output(
    spec: OutputSpec, kept: Sequence[Posteriors], targets: NDArray[np.float64]
) -> OutputCalibration:
    """The temperature of one output.

    Args:
        spec: the output.
        kept: the rows with a label.
        targets: (rows, labels), the probability of each label in them.
    """
    logs = np.stack([done.outputs[spec.name] for done in kept]).astype(np.float64)
    fit = fit_temperature(logs, targets)
    return OutputCalibration(
        temperature=fit.temperature,
        rows=len(kept),
        speakers=len(_speakers(kept) - {None}),
        nll_before=fit.nll_before,
        nll_after=fit.nll_after,
        ece_before=calibration_of(logs, targets).ece,
        ece_after=calibration_of(logs / fit.temperature, targets).ece,
        limit=fit.limit,
    )


def _labelled(
    task: Task, spec: OutputSpec, posteriors: Sequence[Posteriors]
) -> tuple[list[Posteriors], NDArray[np.float64]]:
    """The rows with this output and a label, and the probability of each label in them, (rows, labels).

    The label is the one that rates judge by: the majority where there are several ratings, also if training has their
    shares as targets, so that a confidence is the chance of being right. Tied rows are left out.
    """
    with_output = [done for done in posteriors if spec.name in done.outputs]
    if task.single_label:
        targets = [_judged_target(task, spec, done) for done in with_output]
    else:
        targets = [task.targets(done.utterance)[spec.name] for done in with_output]
    padded = objective_of(spec).pad(spec, targets, np.ones(len(targets), np.int64))
    mass = np.asarray(padded.values, np.float64)
    has_label = mass.sum(axis=1) > 0
    kept = [done for done, labelled in zip(with_output, has_label, strict=True) if labelled]
    return kept, mass[has_label] / mass[has_label].sum(axis=1, keepdims=True)


def _judged_target(task: Task, spec: OutputSpec, done: Posteriors) -> NDArray[np.float32] | None:
    """The reference label as a target, (labels,); None without one."""
    label = (task.reference(done.utterance) or {}).get("label")
    return None if label is None else one_hot(spec.labels.index(label), len(spec.labels))


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
    if fitted.speakers < LEAST_SPEAKERS:
        warnings.append(
            f"the temperature of '{name}' is fitted on clips of unknown speakers; others may differ"
        )
    return warnings
