"""The flow from a corpus to a judged model: prepare → check → split → train → evaluate, every arrow a file.

Each stage reads what the one before wrote, so any of them can be done again alone; those before training are in
`stages/prepare.py`. Of several processes the first prepares and judges while the others wait; all of them train.
Torch is imported by the stages that need it.
"""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from soritune.corpus.lists import write_list
from soritune.corpus.manifest import Manifest, load_manifest
from soritune.corpus.splitting.splits import Splits, load_splits
from soritune.processes import wait_until_visible
from soritune.progress import SILENT, Console
from soritune.recipe import Recipe, check_recipe
from soritune.reports.evaluation import Evaluation
from soritune.reports.history import plot_history
from soritune.reports.text_report import summary
from soritune.run_folder import RunFolder
from soritune.stages.evaluate import evaluate_run
from soritune.stages.prepare import (
    check_corpus,
    prepare_corpus,
    root_of,
    split_corpus,
)
from soritune.stages.start import check_start, open_folder
from soritune.stages.train import train_recipe
from soritune.training.log import note

if TYPE_CHECKING:
    from soritune.training.loop import TrainingResult

logger = logging.getLogger(__name__)


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
    console: Console = SILENT,
) -> RunResult:
    """Does everything a recipe says, in `output`.

    Args:
        recipe: `load_recipe` gives one; whatever was changed in it since then counts.
        output: the run's folder.
        data: the corpus, instead of `recipe.data.root`; or a `Manifest`, which is written to `output`/data.jsonl and
            read from there as the source `manifest` does.
        resume: go on from the newest checkpoint.
        console: where progress is shown; nothing is shown by default.

    Raises:
        SorituneError: any stage cannot be done; what earlier stages wrote stays.
    """
    from soritune.training.process_group import process_group

    group = process_group()
    folder = Path(output)
    recipe = _with_data(recipe, data, folder)

    def begin() -> tuple[Manifest, Splits]:
        if isinstance(data, Manifest) and not open_folder(folder, resume=resume, phase=recipe.train.phase):
            write_list(RunFolder(folder).given_rows, data)
        check_start(recipe)
        goes_on = open_folder(folder, resume=resume, phase=recipe.train.phase)
        logger.info("run '%s' in %s", recipe.name, folder)
        logger.debug("settings: %s", json.dumps(recipe.resolved(), ensure_ascii=False))
        if goes_on and (RunFolder(folder).splits).exists():
            return load_manifest(RunFolder(folder).checked, root=root_of(recipe)), load_splits(
                RunFolder(folder).splits
            )
        checked = check_corpus(
            recipe, prepare_corpus(recipe, folder, console=console), folder, console=console
        )
        return checked, split_corpus(recipe, checked, folder, console=console)

    def judge() -> Evaluation:
        scores = evaluate_run(recipe, folder, console=console)
        note(folder, f"test {summary(scores.all_scores)}")
        return scores

    manifest, splits = group.on_main(begin) or _begun_by_main(recipe, folder)
    result = train_recipe(recipe, manifest, splits, folder, resume=resume, console=console)
    scores = None
    if result.stopped != "interrupted" and len(splits.indices(manifest, "test")):
        scores = group.on_main(judge)
    return RunResult(folder, result, scores)


def _begun_by_main(recipe: Recipe, folder: Path) -> tuple[Manifest, Splits]:
    """What the first process prepared, for the others, which look at their own machine first."""
    check_start(recipe)
    return load_manifest(wait_until_visible(RunFolder(folder).checked), root=root_of(recipe)), load_splits(
        wait_until_visible(RunFolder(folder).splits)
    )


def _with_data(recipe: Recipe, data: Manifest | Path | str | None, folder: Path) -> Recipe:
    """A copy of the recipe that reads `data`; checked as a whole, since dicts and lists in it can be changed without
    anyone noticing."""
    own = recipe.model_copy(deep=True)
    if isinstance(data, Manifest):
        own.data.source, own.data.config, own.data.root = "manifest", {}, str(RunFolder(folder).given_rows)
    elif data is not None:
        own.data.root = str(data)
    return check_recipe(own.name, own.model_dump())
