"""The largest batch that fits on a recipe's device."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from soritune import processes
from soritune.corpus.manifest import Manifest
from soritune.corpus.splitting.splits import Splits
from soritune.errors import TrainingError
from soritune.progress import SILENT, Console
from soritune.recipe import Recipe
from soritune.stages.prepare import (
    check_corpus,
    prepare_corpus,
    split_corpus,
)
from soritune.stages.start import check_start
from soritune.stages.train import build_run

if TYPE_CHECKING:
    from soritune.training.find_batch import FoundBatch


def find_batch(
    recipe: Recipe,
    manifest: Manifest | None = None,
    splits: Splits | None = None,
    *,
    memory_gb: float | None = None,
    console: Console = SILENT,
) -> FoundBatch:
    """The largest padded-seconds budget that fits on the recipe's device; nothing is kept.

    Args:
        recipe: what would be trained.
        manifest, splits: as for `train_recipe`; None prepares, checks and splits the recipe's corpus for the
            purpose alone.
        memory_gb: memory that may be used; None takes all that is free.
        console: where each try is shown; nothing is shown by default.

    Raises:
        TrainingError: not even one clip fits, or several processes were started.
    """
    from soritune.training.find_batch import find_batch as search

    if processes.count() > 1:
        raise TrainingError(
            "--find-batch tries batches on one device; start it in one process, without torchrun or accelerate launch: "
            "the budget it tells is that of each process"
        )
    with tempfile.TemporaryDirectory(prefix="soritune-find-batch-") as scratch:
        folder = Path(scratch)
        if manifest is None or splits is None:
            check_start(recipe)
            manifest = check_corpus(
                recipe, prepare_corpus(recipe, folder, console=console), folder, console=console
            )
            splits = split_corpus(recipe, manifest, folder, console=console)
        return search(
            build_run(recipe, manifest, splits, folder),
            memory_gb=memory_gb,
            progress=console.message,
        )
