"""Training a recipe on prepared rows: train.jsonl, checkpoints and bundles in the run's folder."""

from __future__ import annotations

import hashlib
import json
import logging
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from soritune.bundles.read import is_bundle, load_bundle
from soritune.bundles.versions import versions
from soritune.corpus.checks import Quarantined, write_quarantine
from soritune.corpus.manifest import Manifest, write_manifest
from soritune.corpus.splitting.splits import Splits
from soritune.errors import BundleError
from soritune.progress import SILENT, Console
from soritune.recipe import Recipe
from soritune.run_folder import RunFolder
from soritune.stages.prepare import (
    usable_rows,
)
from soritune.stages.start import open_folder
from soritune.tasks.inputs.input import inputs_of
from soritune.whole_file import write_text

if TYPE_CHECKING:
    from soritune.training.loop import TrainingResult
    from soritune.training.run import TrainingRun

logger = logging.getLogger(__name__)


FREE_SETTINGS = {
    "batches": ("num_workers",),
    "train": (
        "device",
        "threads",
        "keep_newest",
        "keep_epochs",
        "tensorboard",
        "log_every_steps",
        "phase",
        "phases",
    ),
}
"""Settings that change no result; a run may be resumed with others. Phases are compared one by one, as far as a run
has come, so that one that has not begun may still be changed."""


def build_run(recipe: Recipe, manifest: Manifest, splits: Splits, folder: Path) -> TrainingRun:
    """The model and everything else a training needs; touches nothing in the folder."""
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
            "recipe": _digest(settings_that_affect_results(recipe.resolved())),
            "data": _digest(
                [manifest.hash, *(hashlib.sha256(own.tobytes()).hexdigest() for own in rows.values())]
            ),
            "labels": _digest([list(spec.labels) for spec in outputs]),
            "base": frozen_digest(model),
        },
        card=card_fields(recipe, manifest, splits),
        can_predict=model.load_report.is_complete,
    )


def train_recipe(
    recipe: Recipe,
    manifest: Manifest,
    splits: Splits,
    folder: Path,
    *,
    resume: bool = False,
    console: Console = SILENT,
) -> TrainingResult:
    """Trains into `folder`: train.jsonl, checkpoints/, bundles/."""
    from soritune.training.loop import train
    from soritune.training.process_group import process_group

    group = process_group()
    goes_on = group.from_main(lambda: open_folder(folder, resume=resume, phase=recipe.train.phase))
    useless: list[Quarantined] | None = None
    if manifest.path is None or not _same_file(manifest.path, RunFolder(folder).checked):
        # Given from elsewhere; `evaluate` looks for it in the run's folder, and nobody has looked at its labels.
        manifest, useless = usable_rows(recipe, manifest, console=console)
    if not goes_on:
        given = manifest
        manifest = group.on_main(lambda: _write_inputs(recipe, given, splits, folder, useless)) or manifest
    training = build_run(recipe, manifest, splits, folder)
    logger.info("model: %s", training.model.load_report)
    logger.debug("versions: %s", json.dumps(versions()))
    console.message(str(training.model.load_report))
    return train(training, resume=resume, console=console)


def _same_file(one: Path, other: Path) -> bool:
    return one.exists() and other.exists() and one.samefile(other)


def _write_inputs(
    recipe: Recipe, manifest: Manifest, splits: Splits, folder: Path, useless: list[Quarantined] | None
) -> Manifest:
    """Writes what a training begins with; a manifest from elsewhere comes with its useless rows."""
    if useless is not None:
        write_quarantine(RunFolder(folder).quarantine, useless)
        manifest = write_manifest(RunFolder(folder).checked, manifest, root=manifest.root)
    splits.save(RunFolder(folder).splits)
    write_text(
        RunFolder(folder).recipe, yaml.safe_dump(recipe.resolved(), allow_unicode=True, sort_keys=False)
    )
    return manifest


def card_fields(recipe: Recipe, manifest: Manifest, splits: Splits) -> dict[str, Any]:
    """What a bundle says of where it comes from."""
    return {
        "name": recipe.name,
        "recipe_name": recipe.name,
        "recipe": recipe.resolved(),
        "data": {
            "manifest_hash": manifest.hash,
            "split": splits.policy,
            "sources": sorted(
                {str(source) for source in manifest.column("source").unique().to_pylist() if source}
            ),
            "hours": {name: row["hours"] for name, row in splits.summary(manifest).items()},
            "synthetic": recipe.data.synthetic,
        },
        "git_revision": _git_revision(),
        "seed": recipe.train.seed,
        "licence": recipe.data.licence,
        "start": _start_of(recipe),
    }


def _start_of(recipe: Recipe) -> dict[str, Any] | None:
    """The bundle whose weights training begins with, by name, and what it owes to whom; None for other weights."""
    source = recipe.model.starts_from
    try:
        if source is None or not is_bundle(source):
            return None
        card = load_bundle(source).card
    except BundleError:
        return None  # a hub's name, or said elsewhere
    own = {"name": card.get("name"), "licence": card.get("licence"), "start": card.get("start")}
    return {key: value for key, value in own.items() if value is not None}


def _git_revision() -> str | None:
    try:
        shown = subprocess.run(
            ["git", "rev-parse", "HEAD"],  # noqa: S607
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
            timeout=5,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return shown.stdout.strip()


def settings_that_affect_results(resolved: dict[str, Any]) -> dict[str, Any]:
    """The settings that a result hangs on."""
    kept = {
        key: value
        for key, value in resolved.items()
        if key not in ("evaluate", "data", "name", "description")
    }
    for part, names in FREE_SETTINGS.items():
        kept[part] = {key: value for key, value in kept[part].items() if key not in names}
    # A digest sorts keys, but augmentations in another order give other samples.
    kept["augment"] = [[key, value] for key, value in kept["augment"].items() if value is not None]
    return kept


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()[:16]
