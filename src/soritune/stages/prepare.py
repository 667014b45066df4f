"""From a recipe's corpus to its splits: prepare → check → split, every arrow a file in the run's folder.

Each stage reads what the one before wrote, so any of them can be done again alone. Nothing here loads torch.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from soritune.audio.augment.chain import Chain
from soritune.corpus.checks import Quarantined, check_manifest, read_quarantine, write_quarantine
from soritune.corpus.manifest import Manifest, write_manifest
from soritune.corpus.prepare import load_source, prepare, source_config
from soritune.corpus.reasons import commonest
from soritune.corpus.splitting.splits import Splits, make_splits
from soritune.corpus.utterance import Utterance
from soritune.errors import SorituneError, SplitError
from soritune.geometry import Geometry
from soritune.models.encoders.encoder import geometry_of
from soritune.models.pretrained import architecture_of
from soritune.progress import SILENT, Console
from soritune.recipe import Recipe
from soritune.run_folder import RunFolder
from soritune.tasks.inputs.input import encode_inputs, inputs_of, missing_inputs, values_in_row
from soritune.tasks.objectives.objective import check_output, cropping_fault, objective_of
from soritune.tasks.specs import OutputSpec
from soritune.tasks.task import label_fields
from soritune.training.phases import resolve_phases

logger = logging.getLogger(__name__)


def root_of(recipe: Recipe) -> Path | None:
    """Where the audio paths of the recipe's corpus begin; None without `data.root` (then as the manifest says)."""
    if recipe.data.root is None:
        return None
    source = load_source(recipe.data.source)
    return source.base(Path(recipe.data.root), source_config(recipe.data.source, recipe.data.config))


def prepare_corpus(recipe: Recipe, folder: Path, *, console: Console = SILENT) -> Manifest:
    """Corpus folder → manifest.parquet and quarantine.jsonl."""
    assert recipe.data.root is not None, "check_start comes first"
    with console.bar("prepare") as bar:
        prepared = prepare(
            recipe.data.source, recipe.data.root, recipe.data.config, folder, progress=lambda _: bar.advance()
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


def check_corpus(recipe: Recipe, manifest: Manifest, folder: Path, *, console: Console = SILENT) -> Manifest:
    """Decodes every file, checks every label; writes checked.parquet and adds to quarantine.jsonl.

    Raises:
        SorituneError: nothing is left.
    """
    with console.bar("check", len(manifest)) as bar:
        result = check_manifest(
            manifest,
            [row_problem(recipe)],
            min_duration_s=recipe.preprocessing.min_duration_s,
            progress=lambda *_: bar.advance(),
        )
    write_quarantine(
        RunFolder(folder).quarantine, [*read_quarantine(RunFolder(folder).quarantine), *result.quarantined]
    )
    logger.info("check: %d utterances clean, %d left out", len(result.clean), len(result.quarantined))
    _log_quarantined("check", result.quarantined)
    if len(result.clean) == 0:
        raise SorituneError(
            f"none of the {len(manifest)} utterances can be used; the first: {result.quarantined[0].reason}; "
            f"all reasons are in {RunFolder(folder).quarantine}"
        )
    return write_manifest(RunFolder(folder).checked, result.clean, root=manifest.root)


def row_problem(recipe: Recipe) -> Callable[[Utterance], str | None]:
    """A function that says why a row cannot be learnt from, or None.

    A row that serves one of several outputs is no problem. Its target must be one that the output's objective can learn
    in the frames there are at the fastest speed; a row with a target that lies in time must not be cropped.

    Raises:
        SorituneError: a task's output is declared in a way that its objective does not take.
    """
    tasks = recipe.make_tasks()
    outputs = [spec for task in tasks for spec in task.outputs]
    for spec in outputs:
        check_output(spec)
    inputs = inputs_of(tasks)
    names = " or ".join(task.name for task in tasks)
    frames_at = _frame_counter(recipe)

    def unusable(spec: OutputSpec, target: NDArray[Any], utterance: Utterance) -> str | None:
        limit = recipe.preprocessing.max_duration_s
        if limit is not None and recipe.preprocessing.crops(utterance.duration_s):
            reason = cropping_fault(spec, utterance.duration_s, limit)
            if reason is not None:
                return reason
        return objective_of(spec).row_fault(spec, target, frames_at(utterance.duration_s))

    def problem(utterance: Utterance) -> str | None:
        reasons, targets, absences = [], dict[str, NDArray[Any] | None](), list[str]()
        values = values_in_row(inputs, utterance)
        try:
            encode_inputs(inputs, values)
            for task in tasks:
                missing = missing_inputs(task, values)
                if missing:
                    columns = {spec.name: spec.column for spec in task.inputs}
                    absences += [
                        f"{task.name} needs the input '{name}' (column {columns[name]})" for name in missing
                    ]
                else:
                    targets |= task.targets(utterance)
        except SorituneError as error:
            return str(error)
        for spec in outputs:
            target = targets.get(spec.name)
            if target is not None:
                reason = unusable(spec, target, utterance)
                if reason is None:
                    return None
                reasons.append(reason)
        absences += [f"{task.name}: {why}" for task in tasks if (why := task.missing_label_reason(utterance))]
        return reasons[0] if reasons else "; ".join([f"has no label for {names}", *absences])

    return problem


def geometry_of_recipe(recipe: Recipe) -> Geometry:
    """How samples become frames in the model that the recipe trains; loads no torch and no weights.

    Raises:
        ModelError, BundleError: the encoder cannot be found, or cannot work at the recipe's sample rate.
    """
    architecture = architecture_of(recipe.model)
    source = recipe.model.starts_from or "model.architecture"
    return geometry_of(architecture, recipe.preprocessing.sample_rate_hz, source)


def _frame_counter(recipe: Recipe) -> Callable[[float], int]:
    """Encoder frames of so many seconds at the fastest speed of any phase."""
    geometry = geometry_of_recipe(recipe)
    phases = resolve_phases(recipe.train, recipe.augment, recipe.model.freeze)
    fastest = max(1.0, *(Chain.of(phase.augment).fastest for phase in phases))

    def frames(seconds: float) -> int:
        return geometry.num_frames(int(seconds / fastest * geometry.sample_rate_hz))

    return frames


def split_corpus(recipe: Recipe, manifest: Manifest, folder: Path, *, console: Console = SILENT) -> Splits:
    """checked.parquet → splits.parquet.

    What was left out before is among the splits' warnings, and so in scores and report: rows are seldom left out by
    chance. Labels read the wrong way, for one, leave out just the rows with errors.

    Raises:
        SplitError: a split is empty; where rows were left out the message says so.
    """
    left_out, labels = _left_out(manifest, folder), label_fields(recipe.make_tasks())
    try:
        splits = make_splits(manifest, recipe.split, label_fields=labels)
    except SplitError as error:
        raise SplitError(f"{error}; {left_out}" if left_out else str(error)) from error
    if left_out:
        splits.policy["warnings"].insert(0, left_out)
    splits.save(RunFolder(folder).splits)
    for name, row in splits.summary(manifest, labels).items():
        logger.info("split: %s %s", name, json.dumps(row, ensure_ascii=False))
    for warning in splits.policy["warnings"]:
        console.warning(f"split: {warning}")
    return splits


def _left_out(manifest: Manifest, folder: Path) -> str | None:
    """How much of the corpus is in quarantine.jsonl and why most of it, as a sentence."""
    file = RunFolder(folder).quarantine
    rows = read_quarantine(file)
    if not rows:
        return None
    return f"of {len(manifest) + len(rows):,} utterances {commonest(rows)} (all reasons: {file})"


def usable_rows(
    recipe: Recipe, manifest: Manifest, *, console: Console = SILENT
) -> tuple[Manifest, list[Quarantined]]:
    """The rows that can be learnt from, and the others with their reasons. Opens no audio."""
    problem, useless, kept = row_problem(recipe), list[Quarantined](), list[int]()
    with console.bar("labels", len(manifest)) as bar:
        for row, utterance in enumerate(manifest):
            reason = problem(utterance)
            if reason is None:
                kept.append(row)
            else:
                useless.append(Quarantined(utterance.id, utterance.audio, reason, "check"))
            bar.advance()
    if not kept:
        raise SorituneError(
            f"none of the {len(manifest)} utterances can be used; the first: {useless[0].reason}"
        )
    logger.info("labels: %d utterances can be learnt from, %d left out", len(kept), len(useless))
    if useless:
        console.warning(
            f"{len(useless)} of {len(manifest)} utterances are left out, reasons in quarantine.jsonl; the first: "
            f"{useless[0].id}: {useless[0].reason}"
        )
    return (manifest.select(kept) if useless else manifest), useless
