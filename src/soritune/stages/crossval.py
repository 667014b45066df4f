"""A recipe trained and judged once per fold of its corpus, and all folds scored together."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

from soritune.corpus.manifest import Manifest, load_manifest
from soritune.corpus.splitting.folds import make_folds
from soritune.corpus.splitting.splits import Splits
from soritune.errors import OutputError
from soritune.inference.predictions import pool_predictions
from soritune.processes import wait_until_visible
from soritune.progress import SILENT, Console
from soritune.recipe import Recipe
from soritune.reports.evaluation import Evaluation
from soritune.reports.report import write_report
from soritune.reports.score import score_predictions
from soritune.reports.scores import load_scores
from soritune.run_folder import RunFolder
from soritune.stages.evaluate import evaluate_run
from soritune.stages.prepare import check_corpus, prepare_corpus, root_of
from soritune.stages.start import check_start, open_folder
from soritune.stages.train import settings_that_affect_results, train_recipe
from soritune.tasks.task import label_fields
from soritune.whole_file import write_text


def crossval(
    recipe: Recipe,
    output: Path | str,
    *,
    folds: int | None = None,
    group_by: tuple[str, ...] = ("speaker",),
    val_share: float = 0.1,
    console: Console = SILENT,
) -> Evaluation | None:
    """Trains once per fold and scores all held-out utterances together.

    Args:
        folds: number of folds; None leaves one speaker out at a time.
        group_by: what train and test must not share: speaker, or speaker and script.
        val_share: share of each fold's training hours that chooses the weights.

    Returns:
        Content of scores.json over the pooled predictions; per fold under "folds". Of several processes only the
        first has them, the others return None; all of them train.
    """
    from soritune.training.process_group import process_group

    group = process_group()
    folder = Path(output)

    def begin() -> Manifest:
        check_start(recipe)
        open_folder(folder)
        return check_corpus(recipe, prepare_corpus(recipe, folder, console=console), folder, console=console)

    manifest = group.on_main(begin)
    if manifest is None:
        check_start(recipe)
        manifest = load_manifest(wait_until_visible(RunFolder(folder).checked), root=root_of(recipe))
    all_splits = make_folds(
        manifest,
        group_by=group_by,
        folds=folds,
        val_share=val_share,
        seed=recipe.split.seed,
        stratify=recipe.split.stratify,
        label_fields=label_fields(recipe.make_tasks()),
    )
    folding = {"by": list(group_by), "folds": folds, "val_share": val_share, "corpus": manifest.hash}
    group.on_main(
        lambda: _refuse_other_folds(folder, settings_that_affect_results(recipe.resolved()) | folding)
    )
    for number, splits in enumerate(all_splits, start=1):
        part = _fold(folder, number)
        own = recipe.model_copy(update={"name": f"{recipe.name}-fold-{number:02d}"})
        if group.from_main((part / "scores.json").exists):  # a fold that was finished is not done again
            continue
        unfinished = group.from_main(partial(_begin_fold, folder, part, splits))
        ended = train_recipe(own, manifest, splits, part, resume=unfinished, console=console).stopped
        if ended == "interrupted":
            console.message(f"interrupted in fold {number}; the same command resumes there")
            raise KeyboardInterrupt
        group.on_main(partial(evaluate_run, own, part, console=console))
    return group.on_main(lambda: _score_all(recipe, folder, len(all_splits)))


def _fold(folder: Path, number: int) -> Path:
    return folder / f"fold-{number:02d}"


def _begin_fold(folder: Path, part: Path, splits: Splits) -> bool:
    """Makes the folder of a fold; gives whether a training in it goes on."""
    part.mkdir(exist_ok=True)
    _link_manifest(folder, part)
    splits.save(RunFolder(part).splits)
    return RunFolder(part).events.exists() and RunFolder(part).has_checkpoint


def _score_all(recipe: Recipe, folder: Path, folds: int) -> Evaluation:
    parts, rows = [], []
    for number in range(1, folds + 1):
        part = _fold(folder, number)
        parts.append(part / "predictions" / "test.jsonl")
        rows.append({"fold": number, **load_scores(part).to_json()["tasks"]})
    pooled = pool_predictions(parts, folder / "predictions" / "test.jsonl")
    scored = score_predictions(pooled, group_by=recipe.evaluate.group_by, resamples=recipe.evaluate.resamples)
    scored.save(folder / "scores.json")
    write_report(folder, scores_path=folder / "scores.json", audio=recipe.evaluate.audio)
    return Evaluation(scored, folds=rows)


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


def _link_manifest(folder: Path, part: Path) -> None:
    """A fold reads the corpus's own manifest; a copy would be one more thing to keep in step."""
    link = RunFolder(part).checked
    if not link.exists():
        link.symlink_to(Path("..") / link.name)
