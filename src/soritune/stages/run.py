"""The flow from a corpus to a judged model: prepare → check → split → train → evaluate, every arrow a file.

Each stage reads what the one before wrote, so any of them can be repeated alone. Of several processes the first
prepares and judges while the others wait; all of them train. Torch is imported by the stages that need it.
Next: `stages/start.py`, then the stages in the order above.
"""

from __future__ import annotations

import json
import logging
import os
from dataclasses import dataclass
from html import escape
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Literal

import yaml

from soritune.corpus.lists import write_list
from soritune.corpus.manifest import Manifest, load_manifest
from soritune.corpus.splitting.splits import Splits, load_splits
from soritune.errors import OutputError
from soritune.extras import TORCH_STACK, require
from soritune.processes import wait_until_visible
from soritune.progress import SILENT, Console
from soritune.recipe import Recipe, check_recipe
from soritune.reports.evaluation import Evaluation
from soritune.reports.figure_files import Picture
from soritune.reports.history import plot_history, show_history
from soritune.reports.text_report import summary
from soritune.run_folder import RunFolder
from soritune.stages.calibration_rows import calibration_fault
from soritune.stages.evaluate import evaluate_after_training
from soritune.stages.prepare import root_of, with_chosen_source
from soritune.stages.split import corpus_to_splits
from soritune.stages.start import check_start, open_folder
from soritune.stages.train import train_recipe
from soritune.training.end_reason import EndReason
from soritune.training.log import note

if TYPE_CHECKING:
    from soritune.training.loop import TrainingResult

_TABLES = (".csv", ".tsv", ".json", ".jsonl", ".parquet", ".txt")
"""Suffixes of the files that describe a corpus."""
logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, repr=False)
class RunResult:
    """The outcome of `run`."""

    folder: Path
    training: TrainingResult
    scores: Evaluation | None
    """Of the test split, as `evaluate` gives them. None without a test split, and in all processes but the first."""

    def plot_history(self, path: Path | str) -> Path:
        """Draws the training's history into a .svg or .png file, as `plot_history` does."""
        return plot_history(self.folder, path)

    def show_history(self) -> Picture:
        """The training's history, for a notebook, which shows the result of a cell."""
        return show_history(self.folder)

    def __repr__(self) -> str:
        """Folder, steps, and the scores as text."""
        scores = "no test split was judged" if self.scores is None else repr(self.scores)
        return f"{self._headline()}\n{scores}"

    def _repr_html_(self) -> str:
        """Called by notebooks."""
        return f"<p>{escape(self._headline())}</p>{'' if self.scores is None else self.scores._repr_html_()}"

    def _headline(self) -> str:
        return f"Run in {self.folder}: {self.training.steps} steps, {self.training.seconds:.0f} s"


def run(
    recipe: Recipe,
    output: Path | str,
    *,
    data: Manifest | Path | str | None = None,
    resume: bool | Literal["auto"] = False,
    overwrite: bool = False,
    console: Console = SILENT,
) -> RunResult:
    """Runs every stage of a recipe in the folder `output`.

    Args:
        recipe: as `load_recipe` gives it; changes made to it since then count.
        output: the run's folder.
        data: the corpus, instead of `recipe.data.root`; or a `Manifest`, which is written to `output`/data.jsonl and
            read from there by the source `manifest`.
        resume: continue from the newest checkpoint. "auto" does so if the folder holds a run, so that a cell of a
            notebook can be run again, after it was interrupted or finished.
        overwrite: replace the run already in the folder, once the recipe has been checked.
        console: where progress is shown, as `soritune.Console()`; nothing is shown by default.

    Raises:
        OutputError: with `resume="auto"`, the folder holds a run of other rows in memory.
        SorituneError: a stage fails; what earlier stages wrote is kept.
    """
    require("training", *TORCH_STACK)
    from soritune.training.process_group import process_group

    group = process_group()
    folder = Path(output)
    recipe = with_chosen_source(_with_data(recipe, data, folder), console=console)
    given_rows = data if isinstance(data, Manifest) else None
    resumes = group.from_main(lambda: _can_resume(folder, given_rows)) if resume == "auto" else bool(resume)

    def judge() -> Evaluation:
        scores = evaluate_after_training(recipe, folder, console=console)
        note(folder, f"test {summary(scores.all_scores)}")
        return scores

    if overwrite:
        group.on_main(lambda: _remove_earlier_run(recipe, folder, bool(resume)))
    inputs = group.on_main(lambda: _training_inputs(recipe, folder, given_rows, resumes, console))
    manifest, splits = inputs or _inputs_from_main(recipe, folder)
    result = train_recipe(recipe, manifest, splits, folder, resume=resumes, console=console)
    scores = None
    if result.stopped != EndReason.INTERRUPTED and len(splits.indices(manifest, "test")):
        scores = group.on_main(judge)
    return RunResult(folder, result, scores)


def _remove_earlier_run(recipe: Recipe, folder: Path, resume: bool) -> None:
    """Removes the run in `folder`, unless it could not be replaced.

    Raises:
        OutputError: it is to be resumed too, or the corpus is a part of it.
    """
    if resume:
        raise OutputError("--overwrite replaces a run and --resume continues it; give one of them")
    root = recipe.data.root
    if root is not None and RunFolder(folder).given_rows != Path(root):
        check_start(recipe)
        if folder.resolve() in Path(root).resolve().parents:
            raise OutputError(
                f"{root} is a file of the run in {folder}, which would be removed; copy it first"
            )
    open_folder(folder, overwrite=True)


def _training_inputs(
    recipe: Recipe, folder: Path, given_rows: Manifest | None, resume: bool, console: Console
) -> tuple[Manifest, Splits]:
    """Checked rows and their splits: those of a run that is resumed, or newly made ones."""
    files, phase = RunFolder(folder), recipe.train.phase
    if given_rows is not None and not open_folder(folder, resume=resume, phase=phase):
        write_list(files.given_rows, given_rows)
    check_start(recipe)
    resumed = open_folder(folder, resume=resume, phase=phase)
    logger.info("run '%s' in %s", recipe.name, folder)
    logger.debug("settings: %s", json.dumps(recipe.resolved(), ensure_ascii=False))
    if resumed and files.splits.exists():
        report_resumed(recipe, files, console)
        return load_manifest(files.checked, root=root_of(recipe)), load_splits(files.splits)
    checked, splits = corpus_to_splits(recipe, folder, console=console)
    fault = calibration_fault(recipe, checked, splits)
    if fault is not None:
        console.warning(fault)
    return checked, splits


def _can_resume(folder: Path, given_rows: Manifest | None) -> bool:
    """Whether the folder holds a run of these rows, so that it is resumed.

    Raises:
        OutputError: it holds a run of other rows.
    """
    files = RunFolder(folder)
    if not files.has_checkpoint or given_rows is None:
        return files.has_checkpoint
    with TemporaryDirectory() as scratch:
        same = files.given_rows.is_file() and (
            write_list(Path(scratch) / files.given_rows.name, given_rows).read_bytes()
            == files.given_rows.read_bytes()
        )
    if not same:
        raise OutputError(f"{folder} holds a run of other rows", "give another output folder, or remove it")
    return True


def report_resumed(recipe: Recipe, files: RunFolder, console: Console) -> None:
    """Reports that the corpus is not read again, which of its files have changed, and settings without effect."""
    console.message(
        f"resumes with the rows and splits in {files.path}; the corpus is not read again, and changes to it have no "
        "effect"
    )
    changed = _changed_tables(recipe.data.root, files.checked.stat().st_mtime)
    if changed:
        console.warning(
            f"{', '.join(changed[:3])} changed after the run had read the corpus; choose another --output to train "
            "on the corpus as it is now"
        )
    earlier = yaml.safe_load(files.recipe.read_text(encoding="utf-8")) if files.recipe.exists() else None
    stored = (earlier.get("data") if isinstance(earlier, dict) else None) or {}
    for key in ("source", "config"):
        value = stored.get(key)
        if value is not None and value != recipe.resolved()["data"][key]:
            console.warning(f"data.{key} differs from that of the run and has no effect")


def _changed_tables(root: str | None, since: float) -> list[str]:
    """The tables and label files of a corpus that changed after a time, as paths inside it; runs are left out.

    Args:
        root: a file, or a folder with its subfolders; None for a corpus that no path is known of.
        since: seconds since the epoch.
    """
    if root is None:
        return []
    if Path(root).is_file():
        return [Path(root).name] if Path(root).stat().st_mtime > since else []
    changed = []
    for folder, inner, names in os.walk(root):
        inner[:] = [name for name in inner if not RunFolder(Path(folder, name)).checked.exists()]
        for name in names:
            path = Path(folder, name)
            if path.suffix.lower() in _TABLES and path.is_file() and path.stat().st_mtime > since:
                changed.append(path.relative_to(root).as_posix())
    return sorted(changed)


def _inputs_from_main(recipe: Recipe, folder: Path) -> tuple[Manifest, Splits]:
    """The same on the other processes, from the files of the first; each process checks its own machine before."""
    check_start(recipe)
    files = RunFolder(folder)
    manifest = load_manifest(wait_until_visible(files.checked), root=root_of(recipe))
    return manifest, load_splits(wait_until_visible(files.splits))


def _with_data(recipe: Recipe, data: Manifest | Path | str | None, folder: Path) -> Recipe:
    """A copy of the recipe that reads `data`. It is checked as a whole, because changes inside its dicts and lists are
    not checked when they are made."""
    copy = recipe.model_copy(deep=True)
    if isinstance(data, Manifest):
        copy.data.source, copy.data.config, copy.data.root = (
            "manifest",
            {},
            str(RunFolder(folder).given_rows),
        )
    elif data is not None:
        copy.data.root = str(data)
    return check_recipe(copy.name, copy.model_dump())
