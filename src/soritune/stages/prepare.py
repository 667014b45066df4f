"""A recipe's corpus as manifest.parquet and quarantine.jsonl in the run's folder. Next: `stages/check.py`."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from soritune.corpus.checks import Quarantined
from soritune.corpus.manifest import Manifest
from soritune.corpus.prepare import load_source, prepare, source_config
from soritune.corpus.source_choice import AUTO, choose
from soritune.errors import RecipeError
from soritune.progress import SILENT, Console
from soritune.recipe import Recipe

logger = logging.getLogger(__name__)


def existing_root(recipe: Recipe) -> Path:
    """The corpus of a recipe: a file or a folder.

    Raises:
        RecipeError: it is not given, or it does not exist.
    """
    if recipe.data.root is None:
        raise RecipeError(recipe.name, ["data.root: missing; give the corpus folder as data=ROOT"])
    root = Path(recipe.data.root)
    if not root.exists():
        raise RecipeError(recipe.name, [f"data.root: there is no file or folder {root}"])
    return root


def with_chosen_source(recipe: Recipe, *, console: Console = SILENT) -> Recipe:
    """The recipe itself, or with `data.source: auto` a copy that names the source of its corpus.

    Raises:
        ManifestError: no source fits, or several do.
    """
    if recipe.data.source != AUTO or recipe.data.root is None:
        return recipe
    labels = {field for task in recipe.make_tasks() if (field := task.label_field) is not None}
    choice = choose(existing_root(recipe), recipe.data.config, labels)
    console.message(choice.text)
    copy = recipe.model_copy(deep=True)
    copy.data.source, copy.data.config = choice.source, choice.config
    return copy


def prepare_corpus(recipe: Recipe, folder: Path, *, console: Console = SILENT) -> Manifest:
    """Reads the recipe's corpus and writes both files into `folder`.

    Raises:
        ManifestError: the corpus cannot be read, or nothing in it can be used.
    """
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
    for reason in prepared.warnings:
        console.warning(f"prepare: {reason}")
    for reason in prepared.idle_settings:
        console.warning(f"prepare: data.config.{reason}")
    log_quarantined("prepare", prepared.quarantined)
    return prepared.manifest


def log_quarantined(stage: str, rows: Sequence[Quarantined]) -> None:
    """One line of the debug log for every row that a stage left out."""
    for row in rows:
        logger.debug("%s: %s left out: %s", stage, row.id or row.audio, row.reason)


def root_of(recipe: Recipe) -> Path | None:
    """Where the audio paths of the recipe's corpus begin; None without `data.root` (then as the manifest states)."""
    if recipe.data.root is None:
        return None
    source = load_source(recipe.data.source)
    return source.base(Path(recipe.data.root), source_config(recipe.data.source, recipe.data.config))
