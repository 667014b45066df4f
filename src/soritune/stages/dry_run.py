"""A run without training: prepare, check, split, and one forward pass on the longest batch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from soritune.corpus.checks import read_quarantine
from soritune.progress import SILENT, Console
from soritune.recipe import Recipe
from soritune.run_folder import RunFolder
from soritune.stages.prepare import (
    check_corpus,
    prepare_corpus,
    split_corpus,
)
from soritune.stages.start import check_start, open_folder
from soritune.stages.train import build_run
from soritune.tasks.task import label_fields

if TYPE_CHECKING:
    pass


def dry_run(recipe: Recipe, folder: Path, *, console: Console = SILENT) -> dict[str, Any]:
    """Prepares, checks and splits, then takes one forward pass on the longest batch; no weights are written.

    Returns:
        `{"splits": summary, "quarantined": n, "longest_batch": {...}, "model": report}`; of several processes the
        first does it all, and it is empty on the others.
    """
    from soritune.training.process_group import process_group

    return process_group().on_main(lambda: _dry_run(recipe, folder, console=console)) or {}


def _dry_run(recipe: Recipe, folder: Path, *, console: Console) -> dict[str, Any]:
    import torch

    from soritune.draws import Draws
    from soritune.training.batches.collate import Collator
    from soritune.training.batches.plan import plan_epoch
    from soritune.training.epochs import Epochs
    from soritune.training.phases import chosen_phases, resolve_phases

    check_start(recipe)
    open_folder(folder)
    manifest = check_corpus(recipe, prepare_corpus(recipe, folder, console=console), folder, console=console)
    splits = split_corpus(recipe, manifest, folder, console=console)
    training = build_run(recipe, manifest, splits, folder)
    model = training.model
    phases = resolve_phases(training.settings, training.augment, model.config.freeze)
    epochs = [Epochs(training, phase) for phase in chosen_phases(phases, training.settings.phase)]
    rows = np.unique(np.concatenate([each.trained_rows for each in epochs]))
    longest_first = plan_epoch(
        rows,
        manifest.durations_s[rows],
        recipe.batches.model_copy(update={"order": "descending", "first_epoch_ascending": False}),
        seed=recipe.train.seed,
    )
    collator = Collator(
        manifest,
        training.tasks,
        recipe.preprocessing,
        num_frames=model.geometry.num_frames,
        hidden_size=model.hidden_size,
        augment=recipe.augment,
    )
    batch = collator(longest_first.micro_batch(0), Draws(recipe.train.seed, 0, 0), 0)
    with torch.no_grad():
        output = model.eval()(**batch.inputs)
    return {
        "splits": splits.summary(manifest, label_fields(training.tasks)),
        "policy": splits.policy,
        "quarantined": len(read_quarantine(RunFolder(folder).quarantine)),
        "steps_per_epoch": max(each.plan(0).num_steps for each in epochs),
        "padding_share": longest_first.padding_share,
        "longest_batch": {
            "utterances": len(batch.rows),
            "samples": batch.longest_samples,
            "outputs": {name: list(logits.shape) for name, logits in output.logits.items()},
        },
        "model": str(model.load_report),
    }
