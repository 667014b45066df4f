"""A recipe trained and judged once per fold of its corpus, and all folds scored together."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from soritune.corpus.manifest import Manifest, load_manifest
from soritune.corpus.splitting.folds import make_folds
from soritune.corpus.splitting.splits import Splits
from soritune.errors import OutputError, reason_of
from soritune.inference.predictions import pool_predictions, read_predictions
from soritune.processes import wait_until_visible
from soritune.progress import SILENT, Console
from soritune.recipe import Recipe
from soritune.reports.before import with_before
from soritune.reports.evaluation import Evaluation
from soritune.reports.report import write_report
from soritune.reports.score import score_predictions
from soritune.reports.scores import load_scores
from soritune.run_folder import START, RunFolder
from soritune.stages.check import check_corpus
from soritune.stages.compared_audio import compare_audio
from soritune.stages.evaluate import evaluate_after_training
from soritune.stages.label_columns import with_labels
from soritune.stages.prepare import prepare_corpus, root_of, with_chosen_source
from soritune.stages.split import refuse_parts
from soritune.stages.start import check_start, open_folder
from soritune.stages.train import settings_that_affect_results, train_recipe
from soritune.stages.trained_baselines import Fold, refuse_without_label, with_trained_baselines
from soritune.strict_json import read_json
from soritune.tasks.task import label_fields
from soritune.training.batches.config import BatchSettings
from soritune.training.end_reason import EndReason
from soritune.whole_file import write_text

if TYPE_CHECKING:
    from soritune.training.process_group import ProcessGroup


def crossval(
    recipe: Recipe,
    output: Path | str,
    *,
    folds: int | None = None,
    group_by: tuple[str, ...] = ("speaker",),
    val_share: float = 0.1,
    baselines: bool = False,
    console: Console = SILENT,
) -> Evaluation | None:
    """Trains once per fold and scores all held-out utterances together. Finished folds are not repeated.

    Args:
        recipe: trained in every fold.
        output: folder of the cross-validation, with a run folder for each fold.
        folds: number of folds; None leaves one speaker out at a time.
        group_by: what train and test must not share: speaker, or speaker and script.
        val_share: share of each fold's training hours that chooses the weights.
        baselines: also train simple classifiers on the same folds (`stages/trained_baselines.py`).
        console: where progress is shown; nothing is shown by default.

    Returns:
        Content of scores.json over the pooled predictions, and under "folds" that of each fold. Of several processes,
        all of which train, only the first has them; the others return None.

    Raises:
        OutputError: the folder holds a cross-validation with other settings.
        TaskError: baselines of a recipe without a task that gives an utterance one label.
    """
    from soritune.training.process_group import process_group

    group = process_group()
    if baselines:
        refuse_without_label(recipe.make_tasks())
    files = RunFolder(Path(output))
    recipe = with_chosen_source(recipe, console=console)
    manifest = _checked_rows(recipe, files, group, console)
    audio = compare_audio(manifest, recipe.split.copies, console=console)
    all_splits = make_folds(
        with_labels(recipe.make_tasks(), manifest),
        group_by=group_by,
        folds=folds,
        val_share=val_share,
        seed=recipe.split.seed,
        stratify=recipe.split.stratify,
        label_fields=label_fields(recipe.make_tasks()),
        audio_hashes=audio.hashes,
        copies=recipe.split.copies,
    )
    for splits in all_splits:
        audio.warn(splits, manifest)
        refuse_parts(recipe.make_tasks(), manifest, splits, ("train",))
    group.on_main(partial(_report_warnings, all_splits, console))
    settings = settings_that_affect_results(recipe.resolved()) | {
        "by": list(group_by),
        "folds": folds,
        "val_share": val_share,
        "corpus": manifest.hash,
        "evaluate.calibrate": recipe.evaluate.calibrate,
    }
    group.on_main(partial(_refuse_other_settings, files, settings))
    for number, splits in enumerate(all_splits, start=1):
        _train_fold(recipe, files, number, manifest, splits, group, console)
    parts = [Fold.of(splits, manifest) for splits in all_splits] if baselines else []
    return group.on_main(partial(_score_together, recipe, files, manifest, len(all_splits), parts, console))


def _checked_rows(recipe: Recipe, files: RunFolder, group: ProcessGroup, console: Console) -> Manifest:
    """The usable rows of the corpus. The first process writes them, the others read them."""

    def prepare_and_check() -> Manifest:
        check_start(recipe)
        open_folder(files.path)
        manifest = prepare_corpus(recipe, files.path, console=console)
        return check_corpus(recipe, manifest, files.path, console=console)

    manifest = group.on_main(prepare_and_check)
    if manifest is None:
        check_start(recipe)
        manifest = load_manifest(wait_until_visible(files.checked), root=root_of(recipe))
    return manifest


def _report_warnings(all_splits: Iterable[Splits], console: Console) -> None:
    for warning in dict.fromkeys(warning for splits in all_splits for warning in splits.policy["warnings"]):
        console.warning(f"folds: {warning}")


def _train_fold(
    recipe: Recipe,
    files: RunFolder,
    number: int,
    manifest: Manifest,
    splits: Splits,
    group: ProcessGroup,
    console: Console,
) -> None:
    """Trains and judges one fold, unless that was done before.

    Raises:
        KeyboardInterrupt: the training was interrupted; its checkpoint is kept.
    """
    fold = files.fold(number)
    fold_recipe = recipe.model_copy(
        update={"name": f"{recipe.name}-fold-{number:02d}", "batches": _with_shared_states(recipe, files)}
    )
    if group.from_main(fold.scores().exists):
        return
    resume = group.from_main(partial(_begin_fold, files, fold, splits))
    result = train_recipe(fold_recipe, manifest, splits, fold.path, resume=resume, console=console)
    if result.stopped == EndReason.INTERRUPTED:
        console.message(f"interrupted in fold {number}; the same command resumes there")
        raise KeyboardInterrupt
    group.on_main(partial(evaluate_after_training, fold_recipe, fold.path, console=console))


def _with_shared_states(recipe: Recipe, files: RunFolder) -> BatchSettings:
    """The recipe's batches; stored states of an encoder are those of all folds."""
    stored = recipe.batches.encoder_states
    if stored is None or stored.folder is not None:
        return recipe.batches
    shared = stored.model_copy(update={"folder": str(files.encoder_states)})
    return recipe.batches.model_copy(update={"encoder_states": shared})


def _begin_fold(files: RunFolder, fold: RunFolder, splits: Splits) -> bool:
    """Makes the folder of a fold; returns whether a training in it is resumed."""
    fold.path.mkdir(exist_ok=True)
    if not fold.checked.exists():
        try:  # the folds share one file instead of copies
            fold.checked.symlink_to(Path("..") / files.checked.name)
        except OSError:  # not every file system, and not every user of Windows, can make links
            shutil.copyfile(files.checked, fold.checked)
    splits.save(fold.splits)
    return fold.events.exists() and fold.has_checkpoint


def _score_together(
    recipe: Recipe,
    files: RunFolder,
    manifest: Manifest,
    num_folds: int,
    baseline_folds: Sequence[Fold],
    console: Console,
) -> Evaluation:
    folds = [files.fold(number) for number in range(1, num_folds + 1)]
    rows = [
        {"fold": number, **load_scores(fold.scores()).to_json()["tasks"]}
        for number, fold in enumerate(folds, start=1)
    ]
    pooled = pool_predictions([fold.predictions() for fold in folds], files.predictions())
    scores = score_predictions(
        pooled, group_by=recipe.evaluate.requested_groups, resamples=recipe.evaluate.resamples
    )
    if baseline_folds:
        scores = with_trained_baselines(
            scores, read_predictions(pooled), manifest, baseline_folds, console=console
        )
    before = _score_before(recipe, files, folds)
    scores = with_before(scores, before)
    scores.save(files.scores())
    write_report(
        files.path,
        scores_path=files.scores(),
        audio=recipe.evaluate.audio,
        language=recipe.evaluate.language,
        phones=recipe.evaluate.phones,
    )
    return Evaluation(scores, folds=rows)


def _score_before(recipe: Recipe, files: RunFolder, folds: Sequence[RunFolder]) -> Path | None:
    """Scores of the weights that all folds were given; None if some fold did not judge them."""
    predictions = [fold.predictions(f"test-{START}") for fold in folds]
    if not all(path.is_file() for path in predictions):
        return None
    pooled = pool_predictions(predictions, files.predictions(f"test-{START}"))
    scores = score_predictions(
        pooled, group_by=recipe.evaluate.requested_groups, resamples=recipe.evaluate.resamples
    )
    return scores.save(files.scores(f"-{START}"))


def _stored_settings(file: Path) -> dict[str, Any]:
    try:
        stored = read_json(file)
    except (OSError, ValueError) as error:
        raise OutputError(
            f"{file} cannot be read ({reason_of(error)})", "choose another --output, or remove it"
        ) from error
    return stored if isinstance(stored, dict) else {}


def _refuse_other_settings(files: RunFolder, settings: dict[str, Any]) -> None:
    """Writes the settings of a new cross-validation; one in the folder is resumed only with the same settings."""
    settings = json.loads(json.dumps(settings, default=str))
    if files.crossval.exists():
        earlier = _stored_settings(files.crossval)
        differing = [key for key in settings if earlier.get(key) != settings[key]]
        if differing:
            raise OutputError(
                f"{files.path} was begun with other settings under {', '.join(differing)}; choose another --output, "
                "or remove it"
            )
    write_text(files.crossval, json.dumps(settings, ensure_ascii=False, indent=1) + "\n")
