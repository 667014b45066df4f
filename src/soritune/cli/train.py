"""Verbs that train: run, train, crossval, demo; and `recipes`."""

from __future__ import annotations

import dataclasses
import json
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from soritune import processes, progress
from soritune.cli.given_options import refuse_idle
from soritune.cli.manifest_options import FieldOption
from soritune.cli.report import show_scores
from soritune.cli.source_options import pairs
from soritune.cli.terminal import AsJson, announce, print_json, print_line
from soritune.cli.terminal import output as terminal
from soritune.errors import RecipeError

if TYPE_CHECKING:
    from soritune.recipe import Recipe
    from soritune.reports.evaluation import Evaluation
    from soritune.tasks.task import Task
    from soritune.training.find_batch import FoundBatch
    from soritune.training.loop import TrainingResult

logger = logging.getLogger(__name__)
RecipeName = Annotated[
    str, typer.Argument(help="Name of a recipe (`soritune recipes`) or path of a YAML file.")
]
Overrides = Annotated[
    list[str] | None,
    typer.Argument(help="data=ROOT and dotted.key=value, e.g. train.epochs=20 train.device=cpu."),
]
Output = Annotated[
    Path | None, typer.Option("--output", "-o", help="Folder of the run; runs/<recipe> by default.")
]
Preset = Annotated[
    list[str] | None, typer.Option("--preset", help="A preset of the recipe; may be given again.")
]
Resume = Annotated[bool, typer.Option("--resume", help="Continue from the newest checkpoint of the folder.")]
Phase = Annotated[
    list[str] | None,
    typer.Option(
        "--phase", help="Train this phase only, by number or name; may be given again. Same as train.phase."
    ),
]
FindBatch = Annotated[
    bool,
    typer.Option(
        "--find-batch", help="Only find the largest batches.padded_seconds that fits in memory, and print it."
    ),
]
MemoryGb = Annotated[
    float | None,
    typer.Option(
        "--memory-gb",
        min=0.1,
        help="With --find-batch: gigabytes that may be used; all free ones by default.",
    ),
]


def run(
    context: typer.Context,
    recipe: RecipeName,
    overrides: Overrides = None,
    field: FieldOption = None,
    output: Output = None,
    preset: Preset = None,
    phase: Phase = None,
    resume: Resume = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the run already in the folder.")
    ] = False,
    dry: Annotated[
        bool,
        typer.Option(
            "--dry-run", help="Decode everything, one forward pass on the longest batch, no weights."
        ),
    ] = False,
    find: FindBatch = False,
    memory_gb: MemoryGb = None,
    as_json: AsJson = False,
) -> None:
    """Do everything: prepare, check, split, train, evaluate. Keeps every file."""
    announce("loading the libraries", quiet=as_json)
    from soritune.stages.dry_run import dry_run
    from soritune.stages.find_batch import find_batch
    from soritune.stages.run import run as run_recipe
    from soritune.training.end_reason import EndReason

    only = "with --dry-run" if dry else "with --find-batch" if find else None
    refuse_idle(
        context,
        {
            "memory_gb": _without_search(dry or not find),
            "find": "with --dry-run" if dry else None,
            "resume": only,
            "overwrite": only,
            "output": "with --find-batch, which writes nothing" if find else None,
        },
    )
    with joined_processes():
        settings = _recipe_of(recipe, [*(overrides or ()), *_field_overrides(field)], preset, phase)
        folder = output or Path("runs") / settings.name
        console = progress.Console(quiet=as_json)
        if dry:
            _print_dry_run(dry_run(settings, folder / "dry-run", console=console), as_json)
            return
        if find:
            _print_found(find_batch(settings, memory_gb=memory_gb, console=console), as_json)
            return
        result = run_recipe(settings, folder, resume=resume, overwrite=overwrite, console=console)
        _print_result(result.folder, result.training, result.scores, as_json, settings.make_tasks())
    if result.training.stopped == EndReason.INTERRUPTED:
        raise typer.Exit(130)


def train(
    context: typer.Context,
    recipe: RecipeName,
    overrides: Overrides = None,
    manifest: Annotated[
        Path | None, typer.Option(help="Checked manifest; the run folder's by default.")
    ] = None,
    splits: Annotated[Path | None, typer.Option(help="Splits file; the run folder's by default.")] = None,
    output: Output = None,
    preset: Preset = None,
    phase: Phase = None,
    resume: Resume = False,
    find: FindBatch = False,
    memory_gb: MemoryGb = None,
    as_json: AsJson = False,
) -> None:
    """Train only, from a manifest and its splits."""
    announce("loading the libraries", quiet=as_json)
    from soritune.corpus.manifest import load_manifest
    from soritune.corpus.splitting.splits import load_splits
    from soritune.run_folder import RunFolder
    from soritune.stages.find_batch import find_batch
    from soritune.stages.prepare import root_of, with_chosen_source
    from soritune.stages.start import warn_of_other_preprocessing
    from soritune.stages.train import train_recipe
    from soritune.training.end_reason import EndReason

    refuse_idle(
        context,
        {"memory_gb": _without_search(not find), "resume": "with --find-batch" if find else None},
    )
    with joined_processes():
        settings = _recipe_of(recipe, overrides, preset, phase)
        for key in overridden(overrides, ("split", "data.max_lost_share")):
            logger.warning(
                "%s has no effect in `train`, which reads ready splits; --splits names others", key
            )
        folder = output or Path("runs") / settings.name
        console = progress.Console(quiet=as_json)
        warn_of_other_preprocessing(settings)
        settings = with_chosen_source(settings, console=console)
        rows = load_manifest(manifest or RunFolder(folder).checked, root=root_of(settings))
        chosen = load_splits(splits or RunFolder(folder).splits)
        if find:
            _print_found(find_batch(settings, rows, chosen, memory_gb=memory_gb, console=console), as_json)
            return
        result = train_recipe(settings, rows, chosen, folder, resume=resume, console=console)
        _print_result(folder, result, None, as_json, settings.make_tasks())
    if result.stopped == EndReason.INTERRUPTED:
        raise typer.Exit(130)


def crossval(
    recipe: RecipeName,
    overrides: Overrides = None,
    field: FieldOption = None,
    folds: Annotated[
        int | None, typer.Option(help="Number of folds; one speaker at a time by default.")
    ] = None,
    by: Annotated[
        str, typer.Option(help="What training and test must not share: speaker, or speaker,script.")
    ] = "speaker",
    val_share: Annotated[
        float, typer.Option(min=0.0, max=0.9, help="Share of each training part that chooses the weights.")
    ] = 0.1,
    baselines: Annotated[
        bool,
        typer.Option("--baselines", help="Also train simple classifiers on the same folds, as `baselines`."),
    ] = False,
    output: Output = None,
    preset: Preset = None,
    as_json: AsJson = False,
) -> None:
    """Train once per fold and judge all held-out utterances together. Finished folds are not repeated."""
    announce("loading the libraries", quiet=as_json)
    from soritune.recipe import load_recipe
    from soritune.stages.crossval import crossval as train_folds

    with joined_processes():
        overrides = [*(overrides or ()), *_field_overrides(field)]
        settings = load_recipe(recipe, overrides, presets=preset or ())
        _warn_of_architecture(settings, overrides)
        reason = "in `crossval`, which makes folds; use --by, --folds and --val-share"
        _refuse_overrides(overrides, ("split.by", "split.ratios", "split.given"), reason)
        folder = output or Path("runs") / f"{settings.name}-crossval"
        scores = train_folds(
            settings,
            folder,
            folds=folds,
            group_by=tuple(by.replace("+", ",").split(",")),
            val_share=val_share,
            baselines=baselines,
            console=progress.Console(quiet=as_json),
        )
        _print_result(folder, None, scores, as_json)


def recipes(as_json: AsJson = False) -> None:
    """List the built-in recipes and their presets."""
    from soritune.recipe import load_recipe, recipe_names

    builtin = [load_recipe(name) for name in recipe_names()]
    if as_json:
        print_json(
            [
                {
                    "name": recipe.name,
                    "description": recipe.description,
                    "presets": list(recipe.presets),
                    "aliases": {name: alias.key for name, alias in recipe.aliases.items()},
                }
                for recipe in builtin
            ]
        )
        return
    table = Table("recipe", "what it trains", "presets")
    table.columns[0].no_wrap = True
    for recipe in builtin:
        table.add_row(recipe.name, recipe.description, ", ".join(recipe.presets))
    terminal().print(table)


def demo(
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder for everything the demo makes.")
    ] = Path("demo"),
    as_json: AsJson = False,
) -> None:
    """Train phones, style and mispronunciations on synthetic Korean speech, and judge them on unseen voices."""
    announce("loading the libraries", quiet=as_json)
    from soritune.stages.demo import run_demo

    result = run_demo(output, console=progress.Console(quiet=as_json))
    if as_json:
        print_json(result)


def _field_overrides(fields: list[str] | None) -> list[str]:
    """`--field FIELD=NAME` as overrides of the source's settings."""
    named = pairs(fields, "--field")
    return [
        f"data.config.fields.{field}={json.dumps(name, ensure_ascii=False)}" for field, name in named.items()
    ]


def _recipe_of(
    name: str, overrides: list[str] | None, presets: list[str] | None, phases: list[str] | None
) -> Recipe:
    """The recipe that the options name.

    Raises:
        RecipeError: faults of the recipe, or phases that are given in two ways.
    """
    from soritune.recipe import load_recipe

    recipe = load_recipe(name, overrides or (), presets=presets or ())
    if phases:
        if any(override.startswith("train.phase=") for override in overrides or ()):
            raise RecipeError(name, ["--phase and train.phase are both given; give one of them"])
        recipe.train.phase = tuple(phases)
    _warn_of_architecture(recipe, overrides)
    return recipe


def _warn_of_architecture(recipe: Recipe, overrides: list[str] | None) -> None:
    """Reports an override of the architecture if that of the loaded weights counts."""
    source = recipe.model.starts_from
    keys = [override.partition("=")[0] for override in overrides or () if not override.endswith("={}")]
    key = next((key for key in keys if key.startswith("model.architecture")), None)
    if source is not None and key is not None:
        logger.warning("%s has no effect in training, because the weights of %s have their own", key, source)


def _without_search(is_idle: bool) -> str | None:
    return "without --find-batch" if is_idle else None


def _refuse_overrides(overrides: list[str] | None, keys: tuple[str, ...], reason: str) -> None:
    """Refuses overrides of settings that a verb does not use.

    Raises:
        RecipeError: there is such an override.
    """
    for key in overridden(overrides, keys):
        raise RecipeError("overrides", [f"{key}: has no effect {reason}, or leave it out"])


def overridden(overrides: list[str] | None, names: tuple[str, ...]) -> list[str]:
    """The keys of overrides that are one of `names` or inside one."""
    keys = [override.partition("=")[0] for override in overrides or ()]
    return [key for key in keys if any(key == name or key.startswith(f"{name}.") for name in names)]


@contextmanager
def joined_processes() -> Iterator[None]:
    """Several processes meet before anything can fail on one of them, and leave together."""
    if processes.count() == 1:
        yield
        return
    from soritune.training.process_group import process_group

    group = process_group()
    yield
    group.leave()


def _print_result(
    folder: Path,
    training: TrainingResult | None,
    scores: Evaluation | None,
    as_json: bool,
    tasks: Sequence[Task] = (),
) -> None:
    if not processes.is_main():
        return
    if as_json:
        print_json({"folder": str(folder), "training": _training_json(training), "scores": scores})
        return
    if training is not None:
        _print_training(training, tasks)
    if scores is not None:
        from soritune.reports.text_report import headlines
        from soritune.run_folder import RunFolder

        show_scores(scores.all_scores)
        print_line(f"\ntest {headlines(scores.all_scores)}")
        print_line(f"report: {RunFolder(folder).report()}")


def _training_json(training: TrainingResult | None) -> dict[str, Any] | None:
    if training is None:
        return None
    return {
        "steps": training.steps,
        "best": training.best,
        "best_epochs": training.best_epochs,
        "stopped": training.stopped,
        "phases": list(training.phases),
    }


def _print_training(training: TrainingResult, tasks: Sequence[Task]) -> None:
    from soritune.reports.numbers import duration_text
    from soritune.tasks.headline import headline
    from soritune.terminal_text import counted

    console = terminal()
    for phase in training.phases if len(training.phases) > 1 else ():
        best = headline(tasks, phase["best"], phase.get("best_epochs"))
        console.print(
            f"phase {phase['index'] + 1}: {counted(phase['steps'], 'step')}; best: {best}", highlight=False
        )
    best = headline(tasks, training.best, training.best_epochs)
    console.print(
        f"{training.stopped.text} after {counted(training.steps, 'step')} in {duration_text(training.seconds)}"
        + (f"; best: {best}" if best else ""),
        highlight=False,
    )


def _print_found(found: FoundBatch, as_json: bool) -> None:
    if as_json:
        print_json({**dataclasses.asdict(found), "setting": found.setting})
    else:
        print_line(str(found))


def _print_dry_run(result: dict[str, Any], as_json: bool) -> None:
    if not processes.is_main():
        return
    if as_json:
        print_json(result)
        return
    from soritune.terminal_text import counted

    console = terminal()
    known = sorted({label for row in result["splits"].values() for label in _labels_of(row)})
    fields = {field for field, _ in known}
    titles = [label if len(fields) == 1 else f"{field}: {label}" for field, label in known]
    table = Table("split", "hours", "utterances", "speakers", *titles)
    for name, row in result["splits"].items():
        counts = [str(_labels_of(row).get(label, 0)) for label in known]
        table.add_row(name, f"{row['hours']:.3f}", str(row["utterances"]), str(row["speakers"]), *counts)
    console.print(table)
    longest = result["longest_batch"]
    console.print(
        f"{counted(result['quarantined'], 'recording')} left out; {counted(result['steps_per_epoch'], 'step')} per "
        f"epoch; the longest batch has {counted(longest['utterances'], 'utterance')}",
        highlight=False,
    )
    console.print(result["model"], markup=False, highlight=False)
    console.print("dry run: no weights were written")


def _labels_of(row: dict[str, Any]) -> dict[tuple[str, str], int]:
    """(column, label) to utterances, of a split's summary."""
    return {
        (field, label): count
        for field, counts in row.get("labels", {}).items()
        for label, count in counts.items()
    }
