"""manifest.parquet to checked.parquet: every file is decoded and every label is checked. Next: `stages/split.py`.

Rows that cannot be used are added to quarantine.jsonl with their reasons. Nothing here loads torch.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from soritune.bundles.versions import versions
from soritune.corpus.audio_hashes import save_audio_hashes
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
from soritune.corpus.file_names import AUDIO_HASHES_FILE, CHECKED_FILE, QUARANTINE_FILE
from soritune.corpus.manifest import Manifest, write_manifest
from soritune.corpus.prepare import source_config
from soritune.corpus.reading.source_config import MAX_MARKED_SHARE
from soritune.corpus.reasons import commonest
from soritune.corpus.row_check import CheckSettings, RowProblem
from soritune.corpus.source_choice import AUTO
from soritune.corpus.transcripts import MarkCount
from soritune.corpus.unread_text import UnreadCount
from soritune.errors import ManifestError
from soritune.progress import SILENT, Console
from soritune.ray_engine import RayEngine
from soritune.recipe import Recipe
from soritune.stages.label_columns import label_values
from soritune.stages.prepare import log_quarantined
from soritune.stages.row_problems import pronounced_text, row_problem
from soritune.whole_file import remove_leftovers

logger = logging.getLogger(__name__)


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
    engine: RayEngine | None = None,
    reports: Callable[[CheckResult, CheckSettings], None] | None = None,
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
        engine: checks on a cluster, which needs `folder` and `resumes`; None uses `workers` of this machine.
        reports: called with the result when its files are written, before an interrupted check would start anew.
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
        tables = checked_parts(manifest, chosen, parts, workers=workers, progress=bar.update, engine=engine)
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
        if parts is not None:
            parts.remove()
        first = f"; the first: {result.quarantined[0].reason}" if result.quarantined else ""
        raise ManifestError(
            f"none of its {len(manifest):,} utterances can be used{first}{all_reasons}", path=manifest.path
        )
    _report_marks(result.marks, max_marked_share, manifest, console)
    if folder is not None:
        written = write_manifest(folder / CHECKED_FILE, result.clean, root=manifest.root)
        if result.audio_hashes is not None:
            save_audio_hashes(folder, written, result.audio_hashes)
        result = replace(result, clean=written)
    if reports is not None:
        reports(result, chosen)
    if parts is not None:
        parts.remove()
    return result


def open_parts(manifest: Manifest, folder: Path, settings: CheckSettings, resumes: str) -> CheckFolder:
    """The parts of a check in its folder; `resumes` is what the problems of rows depend on."""
    fields = {
        name: getattr(settings, name)
        for name in CheckSettings.__dataclass_fields__
        if name not in ("problems", "text_of")
    }
    fingerprint = json.dumps(
        {"version": versions().get("soritune"), "given": resumes, **fields},
        sort_keys=True,
        ensure_ascii=False,
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
    """As the recipe's source has it; prepared rows are read as a manifest where it is still `auto`."""
    if recipe.data.source == AUTO:
        given = {name: share for name, share in recipe.data.config.items() if name == "max_marked_share"}
        return source_config("manifest", given).max_marked_share
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
