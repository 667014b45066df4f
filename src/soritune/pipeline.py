"""The flow from a corpus to a judged model: prepare → check → split → train → evaluate, every arrow a file.

Each stage reads what the one before wrote, so any of them can be done again alone; those before training are in
`preparing.py`. Of several processes the first prepares and judges while the others wait; all of them train. Torch is
imported by the stages that need it.
"""

from __future__ import annotations

import hashlib
import json
import logging
import re
import shutil
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import yaml
from rich.console import Console

from soritune import processes
from soritune.bundle import is_bundle, load_bundle, versions
from soritune.corpus.checks import Quarantined, read_quarantine, write_quarantine
from soritune.corpus.lists import write_list
from soritune.corpus.manifest import Manifest, load_manifest, write_manifest
from soritune.corpus.prepare import source_config
from soritune.corpus.splits import Splits, load_splits
from soritune.errors import BundleError, ModelError, OutputError, RecipeError, TrainingError
from soritune.preparing import (
    CHECKED,
    QUARANTINE,
    SPLITS,
    check_corpus,
    prepare_corpus,
    root_of,
    split_corpus,
    usable_rows,
)
from soritune.recipe import Recipe, check_recipe
from soritune.reports.evaluate import evaluate
from soritune.reports.evaluation import Evaluation
from soritune.reports.history import plot_history
from soritune.reports.text_report import summary
from soritune.tasks.inputs.input import inputs_of
from soritune.tasks.task import label_fields
from soritune.training.log import note
from soritune.whole_file import write_text

if TYPE_CHECKING:
    from soritune.training.find_batch import FoundBatch
    from soritune.training.loop import TrainingResult, TrainingRun

RECIPE = "recipe.yaml"
LIST = "data.jsonl"
"""Rows that were given in Python instead of a corpus."""
SEEN_WITHIN_S = 60.0
"""How long a file of the first process may take to be seen on another machine: network file systems keep what they
have looked up for a while."""

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


@dataclass(frozen=True, slots=True)
class RunResult:
    """What `run` reached."""

    folder: Path
    training: TrainingResult
    scores: Evaluation | None
    """Of the test split, as `evaluate` gives them; None where there is none, and in all processes but the first."""

    def plot_history(self, path: Path | str) -> Path:
        """Draws the training's history into a .svg or .png file, as `plot_history` does."""
        return plot_history(self.folder, path)


def run(
    recipe: Recipe,
    output: Path | str,
    *,
    data: Manifest | Path | str | None = None,
    resume: bool = False,
    quiet: bool = False,
) -> RunResult:
    """Does everything a recipe says, in `output`.

    Args:
        recipe: `load_recipe` gives one; whatever was changed in it since then counts.
        output: the run's folder.
        data: the corpus, instead of `recipe.data.root`; or a `Manifest`, which is written to `output`/data.jsonl and
            read from there as the source `manifest` does.
        resume: go on from the newest checkpoint.
        quiet: nothing on the terminal.

    Raises:
        SorituneError: any stage cannot be done; what earlier stages wrote stays.
    """
    from soritune.training.process_group import process_group

    group = process_group()
    folder = Path(output)
    recipe = _with_data(recipe, data, folder)

    def begin() -> tuple[Manifest, Splits]:
        if isinstance(data, Manifest) and not open_folder(folder, resume=resume, phase=recipe.train.phase):
            write_list(folder / LIST, data)
        check_start(recipe)
        goes_on = open_folder(folder, resume=resume, phase=recipe.train.phase)
        logger.info("run '%s' in %s", recipe.name, folder)
        logger.debug("settings: %s", json.dumps(recipe.resolved(), ensure_ascii=False))
        if goes_on and (folder / SPLITS).exists():
            return load_manifest(folder / CHECKED, root=root_of(recipe)), load_splits(folder / SPLITS)
        checked = check_corpus(recipe, prepare_corpus(recipe, folder, quiet=quiet), folder, quiet=quiet)
        return checked, split_corpus(recipe, checked, folder, quiet=quiet)

    def judge() -> Evaluation:
        scores = evaluate_run(recipe, folder, quiet=quiet)
        note(folder, f"test {summary(scores)}")
        return scores

    manifest, splits = group.by_main(begin) or _begun_by_main(recipe, folder)
    result = train_recipe(recipe, manifest, splits, folder, resume=resume, quiet=quiet)
    scores = None
    if result.stopped != "interrupted" and len(splits.indices(manifest, "test")):
        scores = group.by_main(judge)
    return RunResult(folder, result, scores)


def _begun_by_main(recipe: Recipe, folder: Path) -> tuple[Manifest, Splits]:
    """What the first process prepared, for the others, which look at their own machine first."""
    check_start(recipe)
    return load_manifest(seen(folder / CHECKED), root=root_of(recipe)), load_splits(seen(folder / SPLITS))


def seen(path: Path) -> Path:
    """A path that another process wrote, once this one sees it.

    Raises:
        OutputError: it does not come.
    """
    began = time.monotonic()
    while not path.exists():
        if time.monotonic() - began > SEEN_WITHIN_S:
            raise OutputError(
                f"{path} is not here, though the first process wrote it; the run's folder must be on a file system "
                "that all machines share, at the same path"
            )
        time.sleep(0.2)
    return path


def _with_data(recipe: Recipe, data: Manifest | Path | str | None, folder: Path) -> Recipe:
    """A copy of the recipe that reads `data`; checked as a whole, since dicts and lists in it can be changed without
    anyone noticing."""
    own = recipe.model_copy(deep=True)
    if isinstance(data, Manifest):
        own.data.source, own.data.config, own.data.root = "manifest", {}, str(folder / LIST)
    elif data is not None:
        own.data.root = str(data)
    return check_recipe(own.name, own.model_dump())


def check_start(recipe: Recipe) -> None:
    """Looks for corpus, device and encoder before hours of preparing, not after.

    Raises:
        SorituneError: no corpus there; no such device; neither a folder nor a reachable hub name; steps that the
            processes cannot share.
    """
    from soritune.models.checkpoint import open_checkpoint
    from soritune.training.devices import pick_device
    from soritune.training.phases import chosen_phases, resolve_phases
    from soritune.training.selection import Selection

    per_step, several = recipe.batches.micro_batches_per_step, processes.count()
    if per_step % several:
        raise TrainingError(
            f"batches.micro_batches_per_step={per_step} cannot be shared evenly by {several} processes; choose a "
            f"multiple of {several}"
        )
    if recipe.data.root is None:
        raise RecipeError(recipe.name, ["data.root: missing; give the corpus folder as data=ROOT"])
    if not recipe.data.synthetic and not Path(recipe.data.root).exists():
        raise RecipeError(recipe.name, [f"data.root: there is no file or folder {recipe.data.root}"])
    source_config(recipe.data.source, recipe.data.config)
    pick_device(recipe.train.device)
    phases = resolve_phases(recipe.train, recipe.augment, recipe.model.freeze)
    chosen_phases(phases, recipe.train.phase)
    kept = ["best"]
    for phase in phases:
        kept += [
            bundle for bundle in Selection(recipe.make_tasks(), phase.settings).bundles if bundle not in kept
        ]
    kept += (
        ["last", "last_raw", "start"] if any(phase.settings.ema for phase in phases) else ["last", "start"]
    )
    wanted = re.sub(r"^phase\d+_|_step\d+$", "", recipe.evaluate.checkpoint)
    most = max(phase.settings.epochs for phase in phases)
    epochs = [f"epoch_{number}" for number in range(1, most + 1)]
    if wanted not in kept and not (recipe.train.keep_epochs and wanted in epochs):
        known = ", ".join([*kept, f"epoch_1 … {epochs[-1]}"] if recipe.train.keep_epochs else kept)
        hint = " (train.keep_epochs=true keeps every epoch)" if wanted in epochs else ""
        raise RecipeError(
            recipe.name, [f"evaluate.checkpoint: is '{wanted}', which is not kept{hint}; give one of {known}"]
        )
    source = recipe.model.starts_from
    if source is None:
        return
    try:
        if not is_bundle(source):
            open_checkpoint(source)
    except (ModelError, BundleError) as error:
        key = "model.init_from" if recipe.model.init_from else "model.encoder"
        raise ModelError(f"{key}: {error}") from error


def open_folder(
    folder: Path, *, resume: bool = False, phase: int | str | tuple[int | str, ...] | None = None
) -> bool:
    """Makes the run's folder.

    Args:
        folder: of the run.
        resume: the run in it is to be gone on with.
        phase: phases asked for by name; they may follow those that were trained in the folder before.

    Returns:
        Whether a run in the folder is gone on with.

    Raises:
        OutputError: it cannot be written to, or holds another run that would be mixed up with this one.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".writable"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise OutputError(
            f"{folder} cannot be written to ({error.strerror}); choose another --output"
        ) from None
    begun = any((folder / "checkpoints").glob("step-*"))
    if resume and not begun:
        raise TrainingError(f"{folder} has no whole checkpoint to resume from; start without --resume")
    if not begun and (folder / "bundles").exists():
        shutil.rmtree(folder / "bundles")  # of a start that failed before its first checkpoint
    if not resume and begun and phase is None:
        raise OutputError(
            f"{folder} already holds a run; continue it with --resume, or choose another --output"
        )
    return begun


def build_run(recipe: Recipe, manifest: Manifest, splits: Splits, folder: Path) -> TrainingRun:
    """The model and everything else a training needs; touches nothing in the folder."""
    from soritune.models.model import build_model
    from soritune.training.checkpoint import frozen_digest
    from soritune.training.loop import TrainingRun

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
            "recipe": _digest(what_matters(recipe.resolved())),
            "data": _digest(
                [manifest.hash, *(hashlib.sha256(own.tobytes()).hexdigest() for own in rows.values())]
            ),
            "labels": _digest([list(spec.labels) for spec in outputs]),
            "base": frozen_digest(model),
        },
        card=card_fields(recipe, manifest, splits),
        can_predict=model.load_report.keeps_heads,
    )


def train_recipe(
    recipe: Recipe,
    manifest: Manifest,
    splits: Splits,
    folder: Path,
    *,
    resume: bool = False,
    quiet: bool = False,
) -> TrainingResult:
    """Trains into `folder`: train.jsonl, checkpoints/, bundles/."""
    from soritune.training.loop import train
    from soritune.training.process_group import process_group

    group = process_group()
    quiet_here = quiet or group.rank > 0
    goes_on = group.from_main(lambda: open_folder(folder, resume=resume, phase=recipe.train.phase))
    useless: list[Quarantined] | None = None
    if manifest.path is None or not _same_file(manifest.path, folder / CHECKED):
        # Given from elsewhere; `evaluate` looks for it in the run's folder, and nobody has looked at its labels.
        manifest, useless = usable_rows(recipe, manifest, quiet=quiet_here)
    if not goes_on:
        given = manifest
        manifest = group.by_main(lambda: _write_inputs(recipe, given, splits, folder, useless)) or manifest
    training = build_run(recipe, manifest, splits, folder)
    logger.info("model: %s", training.model.load_report)
    logger.debug("versions: %s", json.dumps(versions()))
    if not quiet_here:
        Console(stderr=True).print(
            str(training.model.load_report), markup=False, highlight=False, soft_wrap=True
        )
    return train(training, resume=resume, quiet=quiet)


def _same_file(one: Path, other: Path) -> bool:
    return one.exists() and other.exists() and one.samefile(other)


def _write_inputs(
    recipe: Recipe, manifest: Manifest, splits: Splits, folder: Path, useless: list[Quarantined] | None
) -> Manifest:
    """Writes what a training begins with; a manifest from elsewhere comes with its useless rows."""
    if useless is not None:
        write_quarantine(folder / QUARANTINE, useless)
        manifest = write_manifest(folder / CHECKED, manifest, root=manifest.root)
    splits.save(folder / SPLITS)
    write_text(folder / RECIPE, yaml.safe_dump(recipe.resolved(), allow_unicode=True, sort_keys=False))
    return manifest


def dry_run(recipe: Recipe, folder: Path, *, quiet: bool = False) -> dict[str, Any]:
    """Prepares, checks and splits, then takes one forward pass on the longest batch; no weights are written.

    Returns:
        `{"splits": summary, "quarantined": n, "longest_batch": {...}, "model": report}`; of several processes the
        first does it all, and it is empty on the others.
    """
    from soritune.training.process_group import process_group

    return process_group().by_main(lambda: _dry_run(recipe, folder, quiet=quiet)) or {}


def _dry_run(recipe: Recipe, folder: Path, *, quiet: bool) -> dict[str, Any]:
    import torch

    from soritune.batches.collate import Collator
    from soritune.batches.plan import plan_epoch
    from soritune.draws import Draws
    from soritune.training.epochs import Epochs
    from soritune.training.phases import chosen_phases, resolve_phases

    check_start(recipe)
    open_folder(folder)
    manifest = check_corpus(recipe, prepare_corpus(recipe, folder, quiet=quiet), folder, quiet=quiet)
    splits = split_corpus(recipe, manifest, folder, quiet=quiet)
    training = build_run(recipe, manifest, splits, folder)
    model = training.model
    phases = resolve_phases(training.settings, training.augment, model.config.freeze)
    epochs = [Epochs(training, phase) for phase in chosen_phases(phases, training.settings.phase)]
    rows = np.unique(np.concatenate([each.trained_rows for each in epochs]))
    longest_first = plan_epoch(
        rows,
        manifest.durations_s[rows],
        recipe.batches.model_copy(update={"order": "descending", "first_epoch_ascending": False}),
        seed=recipe.train.seed,
    )
    collator = Collator(
        manifest,
        training.tasks,
        recipe.preprocessing,
        num_frames=model.geometry.num_frames,
        hidden_size=model.hidden_size,
        augment=recipe.augment,
    )
    batch = collator(longest_first.micro_batch(0), Draws(recipe.train.seed, 0, 0), 0)
    with torch.no_grad():
        output = model.eval()(**batch.inputs)
    return {
        "splits": splits.summary(manifest, label_fields(training.tasks)),
        "policy": splits.policy,
        "quarantined": len(read_quarantine(folder / QUARANTINE)),
        "steps_per_epoch": max(each.plan(0).num_steps for each in epochs),
        "padding_share": longest_first.padding_share,
        "longest_batch": {
            "utterances": len(batch.rows),
            "samples": batch.longest_samples,
            "outputs": {name: list(logits.shape) for name, logits in output.logits.items()},
        },
        "model": str(model.load_report),
    }


def find_batch(
    recipe: Recipe,
    manifest: Manifest | None = None,
    splits: Splits | None = None,
    *,
    memory_gb: float | None = None,
    quiet: bool = False,
) -> FoundBatch:
    """The largest padded-seconds budget that fits on the recipe's device; nothing is kept.

    Args:
        recipe: what would be trained.
        manifest, splits: as for `train_recipe`; None prepares, checks and splits the recipe's corpus for the
            purpose alone.
        memory_gb: memory that may be used; None takes all that is free.
        quiet: tries are not told on standard error.

    Raises:
        TrainingError: not even one clip fits, or several processes were started.
    """
    from soritune.training.find_batch import find_batch as search

    if processes.count() > 1:
        raise TrainingError(
            "--find-batch tries batches on one device; start it in one process, without torchrun or accelerate launch: "
            "the budget it tells is that of each process"
        )
    console = Console(stderr=True, quiet=quiet)
    with tempfile.TemporaryDirectory(prefix="soritune-find-batch-") as scratch:
        folder = Path(scratch)
        if manifest is None or splits is None:
            check_start(recipe)
            manifest = check_corpus(recipe, prepare_corpus(recipe, folder, quiet=quiet), folder, quiet=quiet)
            splits = split_corpus(recipe, manifest, folder, quiet=quiet)
        return search(
            build_run(recipe, manifest, splits, folder),
            memory_gb=memory_gb,
            progress=lambda told: console.print(told, markup=False, highlight=False, soft_wrap=True),
        )


def evaluate_run(
    recipe: Recipe, folder: Path, *, split: str = "test", checkpoint: str | None = None, quiet: bool = False
) -> Evaluation:
    """Predicts, scores and reports one split of a run."""
    chosen = checkpoint or recipe.evaluate.checkpoint
    return evaluate(
        folder,
        split=split,
        checkpoint=None if chosen == "best" else chosen,
        group_by=recipe.evaluate.group_by,
        resamples=recipe.evaluate.resamples,
        audio=recipe.evaluate.audio,
        device=recipe.train.device,
        decoder=recipe.evaluate.decoder,
        root=root_of(recipe),
        quiet=quiet,
    )


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


def what_matters(resolved: dict[str, Any]) -> dict[str, Any]:
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
