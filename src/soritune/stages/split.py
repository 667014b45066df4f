"""checked.parquet to splits.parquet, and with it all that comes before a training. Next: `stages/train.py`."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from pathlib import Path

from soritune.corpus.checks import read_quarantine
from soritune.corpus.manifest import Manifest
from soritune.corpus.reasons import commonest
from soritune.corpus.splitting.splits import Splits, make_splits, refuse_without_speakers
from soritune.errors import SplitError
from soritune.progress import SILENT, Console
from soritune.recipe import Recipe
from soritune.run_folder import RunFolder
from soritune.stages.check import by_purpose, check_corpus
from soritune.stages.compared_audio import compare_audio
from soritune.stages.label_columns import label_values, with_labels
from soritune.stages.prepare import prepare_corpus
from soritune.tasks.task import Task, label_fields

logger = logging.getLogger(__name__)


def corpus_to_splits(recipe: Recipe, folder: Path, *, console: Console = SILENT) -> tuple[Manifest, Splits]:
    """Prepares, checks and splits the recipe's corpus: every file that a training in `folder` starts from.

    Raises:
        SplitError: no row has a speaker by which it is to be split; this is known before recordings are decoded.
    """
    manifest = prepare_corpus(recipe, folder, console=console)
    refuse_without_speakers(manifest, recipe.split)
    checked = check_corpus(recipe, manifest, folder, console=console)
    return checked, split_corpus(recipe, checked, folder, console=console)


def split_corpus(recipe: Recipe, manifest: Manifest, folder: Path, *, console: Console = SILENT) -> Splits:
    """Writes splits.parquet into `folder`.

    Rows left out by earlier stages are reported among the splits' warnings, and so in scores and report, because they
    are seldom a random sample: labels in an unexpected format, for example, leave out exactly the rows with errors.

    Raises:
        SplitError: a split is empty; the message also reports the rows that were left out.
    """
    tasks = recipe.make_tasks()
    left_out, labels = _left_out(manifest, folder), label_fields(tasks)
    audio = compare_audio(manifest, recipe.split.copies, console=console)
    try:
        labelled = with_labels(tasks, manifest)
        splits = make_splits(labelled, recipe.split, label_fields=labels, audio_hashes=audio.hashes)
        refuse_parts(tasks, manifest, splits)
    except SplitError as error:
        raise SplitError(f"{error}; {left_out}" if left_out else str(error)) from error
    splits.policy["warnings"][:0] = [*([left_out] if left_out else []), *label_notes(tasks, manifest)]
    audio.warn(splits, manifest)
    splits.save(RunFolder(folder).splits)
    for name, row in splits.summary(labelled, labels).items():
        logger.info("split: %s %s", name, json.dumps(row, ensure_ascii=False))
    for warning in splits.policy["warnings"]:
        console.warning(f"split: {warning}")
    return splits


def refuse_parts(
    tasks: Sequence[Task], manifest: Manifest, splits: Splits, names: Sequence[str] = ("train", "val", "test")
) -> None:
    """Refuses splits of which a part is useless for a task, such as one without a single mispronunciation.

    Raises:
        SplitError: a part that has rows is useless; the message has the way out.
    """
    for name in names:
        rows = splits.indices(manifest, name)
        for task in tasks:
            fault = task.part_fault(manifest.utterances(rows)) if len(rows) else None
            if fault is not None:
                raise SplitError(f"split '{name}' with {len(rows):,} utterances {fault}")


def label_notes(tasks: Sequence[Task], manifest: Manifest) -> list[str]:
    """Warnings of the tasks about the labels that a manifest has."""
    with_label = [task for task in tasks if task.label_field is not None]
    return [note for task in with_label for note in task.label_notes(label_values(task, manifest))]


def _left_out(manifest: Manifest, folder: Path) -> str | None:
    """How much of the corpus is in quarantine.jsonl, and the commonest reasons, as a sentence."""
    file = RunFolder(folder).quarantine
    rows, _ = by_purpose(read_quarantine(file))
    if not rows:
        return None
    return f"of {len(manifest) + len(rows):,} utterances {commonest(rows)} (all reasons: {file})"
