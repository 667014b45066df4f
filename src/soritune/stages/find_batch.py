"""The largest batch that fits on a recipe's device. The search itself is `training/find_batch.py`."""

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
from soritune.stages.prepare import with_chosen_source
from soritune.stages.split import corpus_to_splits
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
    """The largest padded-seconds budget that fits on the recipe's device; no file is kept.

    Args:
        recipe: what would be trained.
        manifest, splits: as for `train_recipe`; without them the recipe's corpus is prepared, checked and split in a
            temporary folder.
        memory_gb: memory that may be used; None takes all that is free.
        console: where each try is shown; nothing is shown by default.

    Raises:
        TrainingError: not even one clip fits, or there are several processes.
    """
    from soritune.training.find_batch import find_batch as search

    if processes.count() > 1:
        raise TrainingError(
            "--find-batch tries batches on one device; start it in one process, without torchrun or accelerate launch: "
            "the budget that it finds is that of each process"
        )
    with tempfile.TemporaryDirectory(prefix="soritune-find-batch-") as scratch:
        folder = Path(scratch)
        if manifest is None or splits is None:
            recipe = with_chosen_source(recipe, console=console)
            check_start(recipe)
            manifest, splits = corpus_to_splits(recipe, folder, console=console)
        return search(
            build_run(recipe, manifest, splits, folder),
            memory_gb=memory_gb,
            progress=console.message,
        )
