"""Training a recipe on checked and split rows: train.jsonl, checkpoints and bundles in the run's folder.

Next: `training/loop.py`, which trains; `stages/evaluate.py`, which judges the result.
"""

from __future__ import annotations

import hashlib
import json
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from soritune.bundles.versions import versions
from soritune.corpus.audio_hashes import save_audio_hashes, stored_audio_hashes
from soritune.corpus.checks import Quarantined, write_quarantine
from soritune.corpus.manifest import Manifest, write_manifest
from soritune.corpus.splitting.splits import Splits
from soritune.extras import TORCH_STACK, require
from soritune.progress import SILENT, Console
from soritune.recipe import Recipe
from soritune.run_folder import RunFolder
from soritune.stages.calibrate import calibrate_after_training
from soritune.stages.check import usable_rows
from soritune.stages.origin import card_fields
from soritune.stages.resumed_settings import settings_before
from soritune.stages.split import refuse_parts
from soritune.stages.start import check_extras, open_folder
from soritune.tasks.inputs.input import inputs_of
from soritune.tasks.specs import is_kept
from soritune.training.end_reason import EndReason
from soritune.whole_file import write_text

if TYPE_CHECKING:
    from soritune.training.loop import TrainingResult
    from soritune.training.run import TrainingRun

logger = logging.getLogger(__name__)

FREE_SETTINGS = {
    "batches": ("num_workers",),
    "batches.encoder_states": ("max_gigabytes", "folder"),
    "train": (
        "device",
        "threads",
        "keep_newest",
        "keep_epochs",
        "tensorboard",
        "track",
        "log_every_steps",
        "phase",
        "phases",
    ),
}
"""Settings that change no result; a run may be resumed with others. Phases are compared one by one, and only those
that the run has reached, so that a later phase may still be changed."""


def train_recipe(
    recipe: Recipe,
    manifest: Manifest,
    splits: Splits,
    folder: Path,
    *,
    resume: bool = False,
    console: Console = SILENT,
) -> TrainingResult:
    """Trains into `folder`.

    Args:
        recipe: what is trained.
        manifest: the rows. If they are not those of `folder`/checked.parquet, their labels are checked first and the
            usable rows are written there.
        splits: which rows are trained on.
        folder: of the run.
        resume: continue from the newest checkpoint.
        console: where progress is shown; nothing is shown by default.
    """
    require("training", *TORCH_STACK)
    from soritune.training.loop import train
    from soritune.training.process_group import process_group

    check_extras(recipe)
    group = process_group()
    resumed = group.from_main(lambda: open_folder(folder, resume=resume, phase=recipe.train.phase))
    before = (
        settings_before(recipe, folder, settings_that_affect_results, console=console)
        if resumed and resume
        else None
    )
    unusable: list[Quarantined] | None = None
    if manifest.path is None or not _same_file(manifest.path, RunFolder(folder).checked):
        # Rows from elsewhere: their labels are unchecked, and `evaluate` will look for them in the run's folder.
        manifest, unusable = usable_rows(recipe, manifest, console=console)
        refuse_parts(recipe.make_tasks(), manifest, splits, ("train", "val"))
    if not resumed:
        rows = manifest
        manifest = group.on_main(lambda: _write_inputs(recipe, rows, splits, folder, unusable)) or manifest
    training = build_run(recipe, manifest, splits, folder)
    if before is not None:
        training.identity_before = _identity_of_settings(before)
        group.on_main(lambda: write_text(RunFolder(folder).recipe, _recipe_text(recipe)))
    _warn_without_validation(training, console)
    logger.info("model: %s", training.model.load_report)
    logger.debug("versions: %s", json.dumps(versions()))
    console.message(str(training.model.load_report))
    result = train(training, resume=resume, console=console)
    if recipe.evaluate.calibrate and result.stopped != EndReason.INTERRUPTED:
        group.on_main(lambda: calibrate_after_training(recipe, folder, console=console))
    return result


def build_run(recipe: Recipe, manifest: Manifest, splits: Splits, folder: Path) -> TrainingRun:
    """The model and everything else that a training needs; writes nothing."""
    from soritune.models.build import build_model
    from soritune.training.checkpoint import frozen_digest
    from soritune.training.run import TrainingRun

    rows = {split: splits.indices(manifest, split) for split in ("train", "val", "test")}
    tasks = tuple(task.prepare(manifest.utterances(rows["train"])) for task in recipe.make_tasks())
    outputs = [spec for task in tasks for spec in task.outputs]
    model = build_model(
        recipe.model,
        outputs,
        seed=recipe.train.seed,
        inputs=inputs_of(tasks),
        sample_rate_hz=recipe.preprocessing.sample_rate_hz,
    )
    row_digests = [hashlib.sha256(indices.tobytes()).hexdigest() for indices in rows.values()]
    return TrainingRun(
        folder=folder,
        model=model,
        tasks=tasks,
        manifest=manifest,
        train_rows=rows["train"],
        validation_rows=rows["val"],
        preprocessing=recipe.preprocessing,
        batches=recipe.batches,
        augment=recipe.augment,
        settings=recipe.train,
        identity={
            **_identity_of_settings(recipe, phases=False),
            "data": _digest([manifest.hash, *row_digests]),
            "labels": _digest([list(spec.labels) for spec in outputs]),
            "base": frozen_digest(model),
        },
        card=card_fields(recipe, manifest, splits),
        can_predict=model.load_report.is_complete,
        keeps_start=any(is_kept(task.outputs, task.inputs, model.load_report.new_parts) for task in tasks),
    )


def _identity_of_settings(recipe: Recipe, *, phases: bool = True) -> dict[str, str]:
    """Hashes of a recipe's settings, and of its phases, that a checkpoint must share to be resumed."""
    from soritune.training.phase_start import identity_of
    from soritune.training.phases import resolve_phases

    hashes = {"recipe": _digest(settings_that_affect_results(recipe.resolved()))}
    if phases:
        hashes |= identity_of(resolve_phases(recipe.train, recipe.augment, recipe.model.freeze))
    return hashes


def settings_that_affect_results(resolved: dict[str, Any]) -> dict[str, Any]:
    """The part of a recipe's settings that its results depend on."""
    kept = {
        key: value
        for key, value in resolved.items()
        if key not in ("evaluate", "data", "name", "description")
    }
    for section, names in FREE_SETTINGS.items():
        *path, last = section.split(".")
        holder = kept
        for part in path:
            holder[part] = dict(holder[part])
            holder = holder[part]
        if holder.get(last) is None:
            # A setting that is new and not used: runs of before are resumed.
            del holder[last]
        else:
            holder[last] = {key: value for key, value in holder[last].items() if key not in names}
    # A digest sorts keys, but augmentations in another order give other samples.
    kept["augment"] = [[key, value] for key, value in kept["augment"].items() if value is not None]
    return kept


def _warn_without_validation(training: TrainingRun, console: Console) -> None:
    """Reports settings that choose by validation if there are no validation rows."""
    if len(training.validation_rows):
        return
    names = ("early_stopping", "validation_sample", "best", "evaluate_every_steps")
    idle = [f"train.{name}" for name in names if getattr(training.settings, name) not in (None, (), {})]
    if idle:
        console.warning(
            f"the validation split is empty, so {', '.join(idle)} cannot act and the last weights are kept"
        )


def _write_inputs(
    recipe: Recipe, manifest: Manifest, splits: Splits, folder: Path, unusable: list[Quarantined] | None
) -> Manifest:
    """Writes what a training starts from. `unusable` is given for rows from elsewhere, which are written too."""
    run = RunFolder(folder)
    if unusable is not None:
        write_quarantine(run.quarantine, unusable)
        hashes = stored_audio_hashes(manifest)
        manifest = write_manifest(run.checked, manifest, root=manifest.root)
        if hashes is not None:
            save_audio_hashes(run.path, manifest, hashes)
    splits.save(run.splits)
    write_text(run.recipe, _recipe_text(recipe))
    return manifest


def _recipe_text(recipe: Recipe) -> str:
    return yaml.safe_dump(recipe.resolved(), allow_unicode=True, sort_keys=False)


def _same_file(first: Path, second: Path) -> bool:
    return first.exists() and second.exists() and first.samefile(second)


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()[:16]
