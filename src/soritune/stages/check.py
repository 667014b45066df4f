"""manifest.parquet to checked.parquet: every file is decoded and every label is checked. Next: `stages/split.py`.

Rows that cannot be used are added to quarantine.jsonl with their reasons. Nothing here loads torch.
"""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from soritune import __version__
from soritune.audio.augment.chain import Chain
from soritune.corpus.audio_hashes import SAMPLE_RATE_HZ, save_audio_hashes
from soritune.corpus.check_parts import CheckFolder, checked_parts, shard_of
from soritune.corpus.checks import (
    ON_PURPOSE,
    CheckResult,
    Quarantined,
    check_settings,
    join_parts,
    read_quarantine,
    write_quarantine,
)
from soritune.corpus.manifest import (
    AUDIO_HASHES_FILE,
    CHECKED_FILE,
    QUARANTINE_FILE,
    Manifest,
    write_manifest,
)
from soritune.corpus.prepare import source_config
from soritune.corpus.reading.source_config import MAX_MARKED_SHARE
from soritune.corpus.reasons import commonest
from soritune.corpus.row_check import CheckSettings, MadeBy, RowFault, RowProblem, TextOf
from soritune.corpus.transcripts import MarkCount
from soritune.corpus.unread_text import UnreadCount, text_to_pronounce
from soritune.corpus.utterance import Utterance
from soritune.errors import ManifestError, SorituneError, TaskError, TextError, WrongSettingError
from soritune.geometry import Geometry
from soritune.models.config import ModelConfig
from soritune.models.encoders.encoder import geometry_of
from soritune.models.pretrained import architecture_of
from soritune.progress import SILENT, Console
from soritune.recipe import Recipe
from soritune.stages.label_columns import label_values
from soritune.stages.prepare import log_quarantined
from soritune.tasks.inputs.input import encode_inputs, inputs_of, missing_inputs, values_in_row
from soritune.tasks.objectives.objective import check_output, cropping_fault, objective_of
from soritune.tasks.specs import OutputSpec
from soritune.tasks.task import Task
from soritune.training.phases import resolve_phases
from soritune.whole_file import remove_leftovers

logger = logging.getLogger(__name__)

_INVALID = "row-invalid"
"""Kind of a row that a task refuses without naming a kind."""


def check_corpus(recipe: Recipe, manifest: Manifest, folder: Path, *, console: Console = SILENT) -> Manifest:
    """Checks a recipe's corpus; writes checked.parquet into `folder` and adds to its quarantine.jsonl.

    Raises:
        ManifestError: no row can be used, or more are lost than `data.max_lost_share` allows.
        WrongSettingError: a row shows that a setting of a task does not fit the corpus.
    """
    tasks = recipe.make_tasks()
    checked = check_rows(
        manifest,
        folder,
        [row_problem(recipe)],
        min_duration_s=recipe.preprocessing.min_duration_s,
        max_marked_share=_max_marked_share(recipe),
        text_of=pronounced_text(tasks),
        resumes=json.dumps(recipe.model_dump(mode="json"), sort_keys=True),
        console=console,
    )
    lost, on_purpose = by_purpose(checked.quarantined)
    logger.info("check: %d utterances clean, %d left out", len(checked.clean), len(lost))
    _report_left_out("check", on_purpose, console)
    log_quarantined("check", checked.quarantined)
    for remark, count in checked.notes.items():
        console.warning(f"{count} utterances noted: {remark}")
    values = [(task, label_values(task, manifest)) for task in tasks]
    for note in [note for task, labels in values for note in task.leave_out_notes(labels)]:
        console.warning(f"check: {note}")
    advice = [advice for task, labels in values if (advice := task.leave_out_advice(labels))]
    _refuse_losses(checked.clean, folder, recipe.data.max_lost_share, advice)
    return checked.clean


def by_purpose(rows: Iterable[Quarantined]) -> tuple[list[Quarantined], list[Quarantined]]:
    """Rows that were lost, and those that the settings leave out on purpose."""
    lost, on_purpose = list[Quarantined](), list[Quarantined]()
    for row in rows:
        (on_purpose if row.kind == ON_PURPOSE else lost).append(row)
    return lost, on_purpose


def _report_left_out(stage: str, rows: Sequence[Quarantined], console: Console) -> None:
    if rows:
        console.message(
            f"{stage}: {len(rows):,} utterances have labels that the settings leave out on purpose"
        )


def _refuse_losses(clean: Manifest, folder: Path, most: float, advice: Sequence[str]) -> None:
    """Refuses a corpus that lost more than the share `most` of its rows to quarantine.

    Rows that are left out on purpose do not count. `advice` has settings that may leave out others.

    Raises:
        ManifestError: more are lost; the message has the main reason and the setting.
    """
    file = folder / QUARANTINE_FILE
    lost, _ = by_purpose(row for row in read_quarantine(file) if row.stage != "training")
    total = len(clean) + len(lost)
    if lost and len(lost) / total > most:
        raise ManifestError(
            f"{len(lost) / total:.0%} of {total:,} utterances cannot be used, more than data.max_lost_share={most:g} "
            f"allows: {commonest(lost)}; all reasons are in {file}; correct the settings of the data or of the task, "
            + "".join(f"{sentence}, " for sentence in advice)
            + "or raise data.max_lost_share"
        )


def check_rows(
    manifest: Manifest,
    folder: Path | None,
    row_problems: Sequence[RowProblem],
    *,
    label_fields: Sequence[str] = (),
    max_marked_share: float = MAX_MARKED_SHARE,
    resumes: str | None = None,
    anew: bool = False,
    workers: int | None = None,
    console: Console = SILENT,
    **settings: Any,
) -> CheckResult:
    """Checks a manifest; its clean rows, hashes of their audio and the quarantined rows go into `folder`, if any.

    A quarantine.jsonl that is beside the manifest keeps the rows that `prepare` left out, and earlier rows that are
    not part of this manifest.

    Args:
        manifest: what to check.
        folder: where checked.parquet and quarantine.jsonl go.
        row_problems: as `CheckSettings.problems`.
        label_fields: columns with the label of an utterance, which get a table too.
        max_marked_share: a manifest of which more texts than this share have transcript marks is refused.
        resumes: what the problems depend on, as text. With it, an interrupted check resumes in `folder`.
        anew: do not use what an interrupted check left.
        workers: processes; None takes one per core.
        console: where the progress bar and warnings are shown.
        settings: the other fields of `CheckSettings`.

    Raises:
        ManifestError: no row can be used, or too many texts have transcript marks.
    """
    chosen = check_settings(manifest, problems=tuple(row_problems), **settings)
    parts = None if folder is None or resumes is None else open_parts(manifest, folder, chosen, resumes)
    if parts is not None:
        parts.begin(anew=anew)
        report_resumed(parts, console)
    with console.bar("check", len(manifest)) as bar:
        tables = checked_parts(manifest, chosen, parts, workers=workers, progress=bar.update)
        result = join_parts(manifest, chosen, tables, label_fields=label_fields)
    all_reasons = ""
    if folder is not None:
        for name in (QUARANTINE_FILE, CHECKED_FILE, AUDIO_HASHES_FILE):
            remove_leftovers(folder / name)
        file = folder / QUARANTINE_FILE
        is_beside = manifest.path is not None and manifest.path.parent.resolve() == folder.resolve()
        earlier = read_quarantine(file) if is_beside else []
        ids = pc.is_in(pa.array([row.id for row in earlier], pa.string()), value_set=manifest.column("id"))
        kept = [
            row
            for row, is_checked in zip(earlier, ids.to_pylist(), strict=True)
            if row.stage == "prepare" or not is_checked
        ]
        write_quarantine(file, chain(kept, result.quarantined))
        all_reasons = f"; all reasons are in {file}"
    if not len(result.clean):
        first = f"; the first: {result.quarantined[0].reason}" if result.quarantined else ""
        raise ManifestError(
            f"none of its {len(manifest):,} utterances can be used{first}{all_reasons}", path=manifest.path
        )
    _report_marks(result.marks, max_marked_share, manifest, console)
    if folder is None:
        return result
    written = write_manifest(folder / CHECKED_FILE, result.clean, root=manifest.root)
    if result.audio_hashes is not None:
        save_audio_hashes(folder, written, result.audio_hashes)
    if parts is not None:
        parts.remove()
    return replace(result, clean=written)


def open_parts(manifest: Manifest, folder: Path, settings: CheckSettings, resumes: str) -> CheckFolder:
    """The parts of a check in its folder; `resumes` is what the problems of rows depend on."""
    fields = {
        name: getattr(settings, name)
        for name in CheckSettings.__dataclass_fields__
        if name not in ("problems", "text_of")
    }
    fingerprint = json.dumps(
        {"version": __version__, "given": resumes, **fields}, sort_keys=True, ensure_ascii=False
    )
    return CheckFolder.of(folder, manifest, settings, fingerprint)


def report_resumed(parts: CheckFolder, console: Console) -> None:
    """Shows how much of a check was already done."""
    done = parts.num_parts - len(parts.missing(range(parts.num_parts)))
    if done:
        rows = sum(parts.num_rows(number) for number in range(done))
        console.message(f"check: resumes; about {rows:,} of {len(parts.manifest):,} rows were done")


def check_shard(
    manifest: Manifest,
    folder: Path,
    row_problems: Sequence[RowProblem],
    shard: str,
    *,
    resumes: str,
    workers: int | None = None,
    console: Console = SILENT,
    **settings: Any,
) -> tuple[int, int]:
    """Checks the parts of one machine of several, which share the folder; `check_rows` then joins all parts.

    Args:
        manifest, folder, row_problems, resumes, workers, console, settings: as for `check_rows`.
        shard: `2/8` for the second of eight machines.

    Returns:
        How many parts are done, by all machines, and their total.

    Raises:
        OutputError: the folder has the parts of another check.
    """
    chosen = check_settings(manifest, problems=tuple(row_problems), **settings)
    parts = open_parts(manifest, folder, chosen, resumes)
    numbers = shard_of(shard, parts.num_parts)
    parts.begin(shared=True)
    with console.bar(f"check {shard}") as bar:
        checked_parts(manifest, chosen, parts, numbers=numbers, workers=workers, progress=bar.update)
    return parts.num_parts - len(parts.missing(range(parts.num_parts))), parts.num_parts


def _report_marks(count: MarkCount, most: float, manifest: Manifest, console: Console) -> None:
    """Warns of transcript marks in texts, and refuses a manifest with too many of them."""
    count.refuse_above(most, manifest.path)
    if count.marked:
        console.warning(count.sentence)


def _max_marked_share(recipe: Recipe) -> float:
    return source_config(recipe.data.source, recipe.data.config).max_marked_share


def usable_rows(
    recipe: Recipe, manifest: Manifest, *, console: Console = SILENT
) -> tuple[Manifest, list[Quarantined]]:
    """The rows that can be learnt from, and the others with their reasons. Opens no audio.

    Raises:
        ManifestError: no row can be used.
    """
    problem, unusable, kept = row_problem(recipe), list[Quarantined](), list[int]()
    marks, unread, text_of = MarkCount(), UnreadCount(), pronounced_text(recipe.make_tasks())
    with console.bar("labels", len(manifest)) as bar:
        for row, utterance in enumerate(manifest):
            fault = problem(utterance)
            if fault is None:
                kept.append(row)
                marks.add(utterance.text)
                unread.add(text_of(utterance))
            else:
                unusable.append(Quarantined(utterance.id, utterance.audio, fault.reason, "check", fault.kind))
            bar.advance()
    if not kept:
        raise ManifestError(
            f"none of its {len(manifest):,} utterances can be used; the first: {unusable[0].reason}",
            path=manifest.path,
        )
    _report_marks(marks, _max_marked_share(recipe), manifest, console)
    if unread.affected:
        console.warning(unread.sentence)
    lost, on_purpose = by_purpose(unusable)
    logger.info("labels: %d utterances can be learnt from, %d left out", len(kept), len(lost))
    _report_left_out("labels", on_purpose, console)
    if lost:
        console.warning(
            f"{len(lost)} of {len(manifest)} utterances are left out, reasons in {QUARANTINE_FILE}; the first: "
            f"{lost[0].id}: {lost[0].reason}"
        )
    return (manifest.select(kept) if unusable else manifest), unusable


def pronounced_text(tasks: Sequence[Task]) -> TextOf:
    """A function that gives the text from which one of the tasks derives the phones of a row, or None."""
    return MadeBy(_pronounced_text, tuple(tasks))


def _pronounced_text(tasks: Sequence[Task]) -> TextOf:
    def text_of(utterance: Utterance) -> str | None:
        return next((text for task in tasks if (text := task.pronounced_text(utterance)) is not None), None)

    return text_of


def task_problem(task: Task, geometry: Geometry | None = None) -> RowProblem:
    """A function that states why a row is unusable for a task: a missing field, an unknown label, or no target.

    With the geometry of an encoder, also a target that its frames cannot spell.
    """
    return MadeBy(_task_problem, task, geometry)


def _task_problem(task: Task, geometry: Geometry | None) -> RowProblem:
    specs = {spec.name: spec for spec in task.outputs}

    def problem(utterance: Utterance) -> RowFault | None:
        """The first fault of a row."""
        missing = [
            field
            for field in task.needed_fields
            if getattr(utterance, field, utterance.extra.get(field)) is None
        ]
        if missing:
            reason = f"has no {', '.join(missing)}, which the task {task.name} needs"
            return RowFault(reason, f"field-missing:{', '.join(missing)}")
        try:
            targets = task.targets(utterance)
        except WrongSettingError as error:
            raise WrongSettingError(f"utterance '{utterance.id}': {error}") from error
        except (TaskError, TextError) as error:
            return RowFault(str(error), error.kind or _INVALID)
        known = {name: target for name, target in targets.items() if target is not None}
        if known and geometry is None:
            return None
        if known and geometry is not None:
            frames = geometry.num_frames(int(utterance.duration_s * geometry.sample_rate_hz))
            faults = {
                name: objective_of(specs[name]).row_fault(specs[name], target, frames)
                for name, target in known.items()
            }
            name, reason = next(iter(faults.items()))
            return None if None in faults.values() else RowFault(str(reason), f"target-unlearnable:{name}")
        if task.leaves_out(utterance):
            return _left_out_on_purpose([task], utterance)
        absence = task.missing_label_reason(utterance)
        reasons = [f"has no target for the task {task.name}", *([absence] if absence else [])]
        return RowFault("; ".join(reasons), "label-missing")

    return problem


def _left_out_on_purpose(tasks: Sequence[Task], utterance: Utterance) -> RowFault:
    """The fault of a row that settings leave out."""
    named = next(task for task in tasks if task.leaves_out(utterance))
    if (reason := named.missing_label_reason(utterance)) is not None:
        return RowFault(f"{reason}, which tasks.{named.name} leaves out on purpose", ON_PURPOSE)
    label = getattr(utterance, named.label_field or "", None)
    return RowFault(f"has the label '{label}', which tasks.{named.name} leaves out on purpose", ON_PURPOSE)


def geometry_of_encoder(name: str) -> Geometry:
    """How samples at 16 kHz become frames in a model, by its name as in `model.encoder`.

    Raises:
        ModelError, BundleError: it cannot be found.
    """
    return geometry_of(architecture_of(ModelConfig(encoder=name)), SAMPLE_RATE_HZ, name)


def row_problem(recipe: Recipe) -> RowProblem:
    """A function that states why a row cannot be learnt from, or gives None.

    A row needs a target for one of the outputs. The target must be one that the output's objective can learn in the
    number of frames at the fastest speed; a row with a target that follows time must not be cropped.

    Raises:
        SorituneError: a task declares an output in a way that its objective refuses.
    """
    return MadeBy(_row_problem, recipe)


def _row_problem(recipe: Recipe) -> RowProblem:
    tasks = recipe.make_tasks()
    outputs = [spec for task in tasks for spec in task.outputs]
    for spec in outputs:
        check_output(spec)
    inputs = inputs_of(tasks)
    names = " or ".join(task.name for task in tasks)
    count_frames = _frame_counter(recipe)
    excess = _excess(recipe)

    def target_fault(spec: OutputSpec, target: NDArray[Any], utterance: Utterance) -> RowFault | None:
        limit = recipe.preprocessing.max_duration_s
        if limit is not None and recipe.preprocessing.crops(utterance.duration_s):
            reason = cropping_fault(spec, utterance.duration_s, limit)
            if reason is not None:
                return RowFault(reason, f"target-cropped:{spec.name}")
        reason = objective_of(spec).row_fault(spec, target, count_frames(utterance.duration_s))
        return None if reason is None else RowFault(reason, f"target-unlearnable:{spec.name}")

    def problem(utterance: Utterance) -> RowFault | None:
        """The first fault of a row."""
        too_long = excess(utterance.duration_s)
        if too_long is not None:
            return RowFault(too_long, "too-long-for-encoder")
        faults, targets, absences = [], dict[str, NDArray[Any] | None](), list[str]()
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
        except WrongSettingError as error:
            raise WrongSettingError(f"utterance '{utterance.id}': {error}") from error
        except SorituneError as error:
            return RowFault(str(error), error.kind or _INVALID)
        for spec in outputs:
            target = targets.get(spec.name)
            if target is not None:
                fault = target_fault(spec, target, utterance)
                if fault is None:
                    return None
                faults.append(fault)
        absences += [f"{task.name}: {why}" for task in tasks if (why := task.missing_label_reason(utterance))]
        if faults:
            return faults[0]
        if any(task.leaves_out(utterance) for task in tasks):
            return _left_out_on_purpose(tasks, utterance)
        return RowFault("; ".join([f"has no label for {names}", *absences]), "label-missing")

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
    """Seconds to encoder frames at the fastest speed of any phase."""
    geometry = geometry_of_recipe(recipe)
    phases = resolve_phases(recipe.train, recipe.augment, recipe.model.freeze)
    fastest = max(1.0, *(Chain.of(phase.augment).fastest for phase in phases))

    def frames(seconds: float) -> int:
        return geometry.num_frames(int(seconds / fastest * geometry.sample_rate_hz))

    return frames


def _excess(recipe: Recipe) -> Callable[[float], str | None]:
    """Seconds of a clip to the reason why the encoder cannot take it at the slowest speed of any phase, or None."""
    geometry, limit = geometry_of_recipe(recipe), recipe.preprocessing.max_duration_s
    phases = resolve_phases(recipe.train, recipe.augment, recipe.model.freeze)
    slowest = min(1.0, *(Chain.of(phase.augment).slowest for phase in phases))
    longest_s = slowest * geometry.longest_samples / geometry.sample_rate_hz

    def reason(seconds: float) -> str | None:
        if seconds <= longest_s or (
            limit is not None and recipe.preprocessing.crops(seconds) and limit <= longest_s
        ):
            return None
        slowed = "" if slowest == 1 else " when it is slowed down by the augmentations"
        return (
            f"lasts {seconds:.1f} s, and the encoder takes {longest_s:.1f} s at most{slowed}; cut the recording, or "
            f"set preprocessing.max_duration_s={math.floor(longest_s)}"
        )

    return reason
