"""The flow from a corpus to a judged model: prepare → check → split → train → evaluate, every arrow a file.

Each stage reads what the one before wrote, so any of them can be done again alone. Torch is imported by the stages
that need it.
"""

from __future__ import annotations

import hashlib
import json
import logging
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from numpy.typing import NDArray
from rich.console import Console

from soritune.batches.targets import frames_needed
from soritune.bundle import frames_of, is_bundle, versions
from soritune.corpus.checks import Quarantined, check_manifest, read_quarantine, write_quarantine
from soritune.corpus.folds import make_folds
from soritune.corpus.lists import write_list
from soritune.corpus.manifest import Manifest, load_manifest, write_manifest
from soritune.corpus.prepare import load_source, prepare, source_config
from soritune.corpus.reasons import commonest
from soritune.corpus.splits import Splits, load_splits, make_splits
from soritune.corpus.utterance import Utterance
from soritune.errors import ModelError, OutputError, RecipeError, SorituneError, SplitError, TrainingError
from soritune.inference.predictions import pool_predictions
from soritune.recipe import Recipe, check_recipe
from soritune.reports.evaluate import evaluate, progress_bar
from soritune.reports.evaluation import Evaluation
from soritune.reports.files import write_text
from soritune.reports.history import plot_history
from soritune.reports.report import write_report
from soritune.reports.score import score_predictions
from soritune.reports.text_report import summary
from soritune.tasks.task import OutputSpec
from soritune.training.log import note

if TYPE_CHECKING:
    from soritune.training.find_batch import FoundBatch
    from soritune.training.loop import TrainingResult, TrainingRun

MANIFEST, CHECKED, SPLITS, QUARANTINE, RECIPE = (
    "manifest.parquet",
    "checked.parquet",
    "splits.parquet",
    "quarantine.jsonl",
    "recipe.yaml",
)

CONV_KERNEL, CONV_STRIDE = (10, 3, 3, 3, 3, 2, 2), (5, 2, 2, 2, 2, 2, 2)
"""Of every published wav2vec2, HuBERT and WavLM."""
LIST = "data.jsonl"
"""Rows that were given in Python instead of a corpus."""

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
    """Of the test split, as `evaluate` gives them; None where there is none."""

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
    folder = Path(output)
    recipe = _with_data(recipe, data, folder)
    if isinstance(data, Manifest) and not open_folder(folder, resume=resume, phase=recipe.train.phase):
        write_list(folder / LIST, data)
    check_start(recipe)
    goes_on = open_folder(folder, resume=resume, phase=recipe.train.phase)
    logger.info("run '%s' in %s", recipe.name, folder)
    logger.debug("settings: %s", json.dumps(recipe.resolved(), ensure_ascii=False))
    if goes_on and (folder / SPLITS).exists():
        manifest = load_manifest(folder / CHECKED, root=root_of(recipe))
        splits = load_splits(folder / SPLITS)
    else:
        manifest = prepare_corpus(recipe, folder, quiet=quiet)
        manifest = check_corpus(recipe, manifest, folder, quiet=quiet)
        splits = split_corpus(recipe, manifest, folder, quiet=quiet)
    result = train_recipe(recipe, manifest, splits, folder, resume=resume, quiet=quiet)
    scores = None
    if result.stopped != "interrupted" and len(splits.indices(manifest, "test")):
        scores = evaluate_run(recipe, folder, quiet=quiet)
        note(folder, f"test {summary(scores)}")
    return RunResult(folder, result, scores)


def _with_data(recipe: Recipe, data: Manifest | Path | str | None, folder: Path) -> Recipe:
    """A copy of the recipe that reads `data`; checked as a whole, since dicts and lists in it can be changed without
    anyone noticing."""
    own = recipe.model_copy(deep=True)
    if isinstance(data, Manifest):
        own.data.source, own.data.config, own.data.root = "manifest", {}, str(folder / LIST)
    elif data is not None:
        own.data.root = str(data)
    return check_recipe(own.name, own.model_dump())


def root_of(recipe: Recipe) -> Path | None:
    """Where the audio paths of the recipe's corpus begin; None without `data.root` (then as the manifest says)."""
    if recipe.data.root is None:
        return None
    source = load_source(recipe.data.source)
    return source.base(Path(recipe.data.root), source_config(recipe.data.source, recipe.data.config))


def check_start(recipe: Recipe) -> None:
    """Looks for corpus, device and encoder before hours of preparing, not after.

    Raises:
        SorituneError: no corpus there; no such device; neither a folder nor a reachable hub name.
    """
    from soritune.models.encoder import open_checkpoint
    from soritune.training.devices import pick_device
    from soritune.training.phases import chosen_phases, resolve_phases
    from soritune.training.selection import Selection

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
    source = recipe.model.init_from or recipe.model.encoder
    if (recipe.model.random_weights and recipe.model.init_from is None) or is_bundle(source):
        return
    try:
        open_checkpoint(source)
    except ModelError as error:
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


def prepare_corpus(recipe: Recipe, folder: Path, *, quiet: bool = False) -> Manifest:
    """Corpus folder → manifest.parquet and quarantine.jsonl."""
    assert recipe.data.root is not None, "check_start comes first"
    with progress_bar("prepare", None, quiet=quiet) as advance:
        prepared = prepare(
            recipe.data.source, recipe.data.root, recipe.data.config, folder, progress=lambda _: advance(1)
        )
    logger.info(
        "prepare: source %s, %d utterances, %d rejected",
        recipe.data.source,
        len(prepared.manifest),
        len(prepared.quarantined),
    )
    for reason, count in prepared.skipped.items():
        logger.info("prepare: %d skipped: %s", count, reason)
    for reason, count in prepared.notes.items():
        logger.info("prepare: %d noted: %s", count, reason)
    _log_quarantined("prepare", prepared.quarantined)
    return prepared.manifest


def _log_quarantined(stage: str, rows: Sequence[Quarantined]) -> None:
    for row in rows:
        logger.debug("%s: %s left out: %s", stage, row.id or row.audio, row.reason)


def check_corpus(recipe: Recipe, manifest: Manifest, folder: Path, *, quiet: bool = False) -> Manifest:
    """Decodes every file, checks every label; writes checked.parquet and adds to quarantine.jsonl.

    Raises:
        SorituneError: nothing is left.
    """
    with progress_bar("check", len(manifest), quiet=quiet) as advance:
        result = check_manifest(
            manifest,
            [row_problem(recipe)],
            min_duration_s=recipe.preprocessing.min_duration_s,
            progress=lambda *_: advance(1),
        )
    write_quarantine(folder / QUARANTINE, [*read_quarantine(folder / QUARANTINE), *result.quarantined])
    logger.info("check: %d utterances clean, %d left out", len(result.clean), len(result.quarantined))
    _log_quarantined("check", result.quarantined)
    if len(result.clean) == 0:
        raise SorituneError(
            f"none of the {len(manifest)} utterances can be used; the first: {result.quarantined[0].reason}; "
            f"all reasons are in {folder / QUARANTINE}"
        )
    return write_manifest(folder / CHECKED, result.clean, root=manifest.root)


def row_problem(recipe: Recipe) -> Callable[[Utterance], str | None]:
    """A function that says why a row cannot be learnt from, or None.

    A row that serves one of several tasks is no problem. For CTC a row must have symbols, frames enough to spell them
    at the fastest speed, and must not be cropped, since its symbols would go on where its sound does not.
    """
    tasks = recipe.make_tasks()
    names = " or ".join(task.name for task in tasks)
    frames_at = _frame_counter(recipe)

    def unusable(spec: OutputSpec, target: NDArray[Any], utterance: Utterance) -> str | None:
        if spec.objective != "ctc":
            return None
        limit = recipe.preprocessing.max_duration_s
        if limit is not None and utterance.duration_s > limit:
            return f"lasts {utterance.duration_s:.1f} s, but preprocessing.max_duration_s keeps only {limit} s of it"
        needed, there = frames_needed(target), frames_at(utterance.duration_s)
        if len(target) == 0:
            return f"its {spec.name} label has no symbol"
        return (
            f"{len(target)} {spec.name} symbols need {needed} frames, there are {there}"
            if needed > there
            else None
        )

    def problem(utterance: Utterance) -> str | None:
        reasons = []
        try:
            targets = {name: target for task in tasks for name, target in task.targets(utterance).items()}
        except SorituneError as error:
            return str(error)
        for spec in (spec for task in tasks for spec in task.outputs):
            target = targets[spec.name]
            if target is not None:
                reason = unusable(spec, target, utterance)
                if reason is None:
                    return None
                reasons.append(reason)
        return reasons[0] if reasons else f"has no label for {names}"

    return problem


def _frame_counter(recipe: Recipe) -> Callable[[float], int]:
    """Encoder frames of so many seconds at the fastest speed; wav2vec2's own geometry unless the recipe has another."""
    kernel = recipe.model.architecture.get("conv_kernel", CONV_KERNEL)
    stride = recipe.model.architecture.get("conv_stride", CONV_STRIDE)
    speed = recipe.augment.speed
    fastest = max(speed.factors, default=1.0) if speed else 1.0

    def frames(seconds: float) -> int:
        return frames_of(
            int(seconds / max(fastest, 1.0) * recipe.preprocessing.sample_rate_hz), kernel, stride
        )

    return frames


def split_corpus(recipe: Recipe, manifest: Manifest, folder: Path, *, quiet: bool = False) -> Splits:
    """checked.parquet → splits.parquet.

    What was left out before is among the splits' warnings, and so in scores and report: rows are seldom left out by
    chance. Labels read the wrong way, for one, leave out just the rows with errors.

    Raises:
        SplitError: a split is empty; where rows were left out the message says so.
    """
    left_out = _left_out(manifest, folder)
    try:
        splits = make_splits(manifest, recipe.split)
    except SplitError as error:
        raise SplitError(f"{error}; {left_out}" if left_out else str(error)) from error
    if left_out:
        splits.policy["warnings"].insert(0, left_out)
    splits.save(folder / SPLITS)
    for name, row in splits.summary(manifest).items():
        logger.info("split: %s %s", name, json.dumps(row, ensure_ascii=False))
    if not quiet:
        console = Console(stderr=True)
        for warning in splits.policy["warnings"]:
            console.print(f"split: {warning}", style="yellow", markup=False, highlight=False, soft_wrap=True)
    return splits


def _left_out(manifest: Manifest, folder: Path) -> str | None:
    """How much of the corpus is in quarantine.jsonl and why most of it, as a sentence."""
    rows = read_quarantine(folder / QUARANTINE)
    if not rows:
        return None
    return (
        f"of {len(manifest) + len(rows):,} utterances {commonest(rows)} (all reasons: {folder / QUARANTINE})"
    )


def build_run(recipe: Recipe, manifest: Manifest, splits: Splits, folder: Path) -> TrainingRun:
    """The model and everything else a training needs; touches nothing in the folder."""
    from soritune.models.model import build_model
    from soritune.training.checkpoint import frozen_digest
    from soritune.training.loop import TrainingRun

    rows = {split: splits.indices(manifest, split) for split in ("train", "val", "test")}
    tasks = tuple(task.prepare(manifest.utterances(rows["train"])) for task in recipe.make_tasks())
    outputs = [spec for task in tasks for spec in task.outputs]
    model = build_model(recipe.model, outputs, seed=recipe.train.seed)
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
            "recipe": _digest(_what_matters(recipe.resolved())),
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

    goes_on = open_folder(folder, resume=resume, phase=recipe.train.phase)
    if manifest.path is None or not _same_file(manifest.path, folder / CHECKED):
        # Given from elsewhere; `evaluate` looks for it in the run's folder, and nobody has looked at its labels.
        manifest, useless = _usable_rows(recipe, manifest, quiet=quiet)
        if not goes_on:
            write_quarantine(folder / QUARANTINE, useless)
            manifest = write_manifest(folder / CHECKED, manifest, root=manifest.root)
    if not goes_on:
        splits.save(folder / SPLITS)
        write_text(folder / RECIPE, yaml.safe_dump(recipe.resolved(), allow_unicode=True, sort_keys=False))
    training = build_run(recipe, manifest, splits, folder)
    logger.info("model: %s", training.model.load_report)
    logger.debug("versions: %s", json.dumps(versions()))
    if not quiet:
        Console(stderr=True).print(
            str(training.model.load_report), markup=False, highlight=False, soft_wrap=True
        )
    return train(training, resume=resume, quiet=quiet)


def _usable_rows(recipe: Recipe, manifest: Manifest, *, quiet: bool) -> tuple[Manifest, list[Quarantined]]:
    """The rows that can be learnt from, and the others with their reasons. Opens no audio."""
    problem, useless, kept = row_problem(recipe), list[Quarantined](), list[int]()
    with progress_bar("labels", len(manifest), quiet=quiet) as advance:
        for row, utterance in enumerate(manifest):
            reason = problem(utterance)
            if reason is None:
                kept.append(row)
            else:
                useless.append(Quarantined(utterance.id, utterance.audio, reason, "check"))
            advance(1)
    if not kept:
        raise SorituneError(
            f"none of the {len(manifest)} utterances can be used; the first: {useless[0].reason}"
        )
    logger.info("labels: %d utterances can be learnt from, %d left out", len(kept), len(useless))
    if useless and not quiet:
        Console(stderr=True).print(
            f"{len(useless)} of {len(manifest)} utterances are left out, reasons in {QUARANTINE}; the first: "
            f"{useless[0].id}: {useless[0].reason}",
            style="yellow",
            markup=False,
            highlight=False,
            soft_wrap=True,
        )
    return (manifest.select(kept) if useless else manifest), useless


def dry_run(recipe: Recipe, folder: Path, *, quiet: bool = False) -> dict[str, Any]:
    """Prepares, checks and splits, then takes one forward pass on the longest batch; no weights are written.

    Returns:
        `{"splits": summary, "quarantined": n, "longest_batch": {...}, "model": report}`.
    """
    import torch

    from soritune.batches.collate import Collator, Draws
    from soritune.batches.plan import plan_epoch

    check_start(recipe)
    open_folder(folder)
    manifest = check_corpus(recipe, prepare_corpus(recipe, folder, quiet=quiet), folder, quiet=quiet)
    splits = split_corpus(recipe, manifest, folder, quiet=quiet)
    training = build_run(recipe, manifest, splits, folder)
    model = training.model
    plan = plan_epoch(
        training.train_rows,
        manifest.durations_s[training.train_rows],
        recipe.batches.model_copy(update={"order": "descending"}),
        seed=recipe.train.seed,
    )
    collator = Collator(
        manifest,
        training.tasks,
        recipe.preprocessing,
        num_frames=model.num_frames_for,
        hidden_size=model.hidden_size,
        augment=recipe.augment,
    )
    batch = collator(plan.micro_batch(0), Draws(recipe.train.seed, 0, 0), 0)
    with torch.no_grad():
        output = model.eval()(batch.waveform, batch.num_samples)
    return {
        "splits": splits.summary(manifest),
        "policy": splits.policy,
        "quarantined": len(read_quarantine(folder / QUARANTINE)),
        "steps_per_epoch": plan.num_steps,
        "padding_share": plan.padding_share,
        "longest_batch": {
            "utterances": len(batch.rows),
            "samples": batch.waveform.shape[1],
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
        TrainingError: not even one clip fits.
    """
    from soritune.training.find_batch import find_batch as search

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
        root=root_of(recipe),
        quiet=quiet,
    )


def crossval(
    recipe: Recipe,
    output: Path | str,
    *,
    folds: int | None = None,
    group_by: tuple[str, ...] = ("speaker",),
    val_share: float = 0.1,
    quiet: bool = False,
) -> dict[str, Any]:
    """Trains once per fold and scores all held-out utterances together.

    Args:
        folds: number of folds; None leaves one speaker out at a time.
        group_by: what train and test must not share: speaker, or speaker and script.
        val_share: share of each fold's training hours that chooses the weights.

    Returns:
        Content of scores.json over the pooled predictions; per fold under "folds".
    """
    folder = Path(output)
    check_start(recipe)
    open_folder(folder)
    manifest = check_corpus(recipe, prepare_corpus(recipe, folder, quiet=quiet), folder, quiet=quiet)
    all_splits = make_folds(
        manifest,
        group_by=group_by,
        folds=folds,
        val_share=val_share,
        seed=recipe.split.seed,
        stratify=recipe.split.stratify,
    )
    folding = {"by": list(group_by), "folds": folds, "val_share": val_share, "corpus": manifest.hash}
    _refuse_other_folds(folder, _what_matters(recipe.resolved()) | folding)
    parts, rows = [], []
    for number, splits in enumerate(all_splits, start=1):
        part = folder / f"fold-{number:02d}"
        scores_file = part / "scores.json"
        own = recipe.model_copy(update={"name": f"{recipe.name}-fold-{number:02d}"})
        if not scores_file.exists():  # a fold that was finished is not done again
            part.mkdir(exist_ok=True)
            _link_manifest(folder, part)
            splits.save(part / SPLITS)
            unfinished = (part / "train.jsonl").exists() and any((part / "checkpoints").glob("step-*"))
            if (
                train_recipe(own, manifest, splits, part, resume=unfinished, quiet=quiet).stopped
                == "interrupted"
            ):
                Console(stderr=True).print(
                    f"interrupted in fold {number}; the same command again goes on there"
                )
                raise KeyboardInterrupt
            evaluate_run(own, part, quiet=quiet)
        parts.append(part / "predictions" / "test.jsonl")
        rows.append({"fold": number, **json.loads(scores_file.read_text(encoding="utf-8"))["tasks"]})
    pooled = pool_predictions(parts, folder / "predictions" / "test.jsonl")
    scores = score_predictions(pooled, group_by=recipe.evaluate.group_by, resamples=recipe.evaluate.resamples)
    scores.save(folder / "scores.json")
    write_report(folder, scores_path=folder / "scores.json", audio=recipe.evaluate.audio)
    return scores.to_json() | {"folds": rows}


def _refuse_other_folds(folder: Path, plan: dict[str, Any]) -> None:
    """A folder is only gone on with by the recipe, the corpus and the folds that began it; writes crossval.json."""
    begun = folder / "crossval.json"
    plan = json.loads(json.dumps(plan, default=str))
    if begun.exists():
        found = json.loads(begun.read_text(encoding="utf-8"))
        differing = [key for key in plan if found.get(key) != plan[key]]
        if differing:
            raise OutputError(
                f"{folder} was begun with other settings under {', '.join(differing)}; choose another --output, "
                "or remove it"
            )
    write_text(begun, json.dumps(plan, ensure_ascii=False, indent=1) + "\n")


def _same_file(one: Path, other: Path) -> bool:
    return one.exists() and other.exists() and one.samefile(other)


def _link_manifest(folder: Path, part: Path) -> None:
    """A fold reads the corpus's own manifest; a copy would be one more thing to keep in step."""
    link = part / CHECKED
    if not link.exists():
        link.symlink_to(Path("..") / CHECKED)


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
    }


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


def _what_matters(resolved: dict[str, Any]) -> dict[str, Any]:
    """The settings that a result hangs on."""
    kept = {
        key: value
        for key, value in resolved.items()
        if key not in ("evaluate", "data", "name", "description")
    }
    for part, names in FREE_SETTINGS.items():
        kept[part] = {key: value for key, value in kept[part].items() if key not in names}
    return kept


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()[:16]
