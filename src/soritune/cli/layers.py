"""`soritune layers`: which layer of an encoder a linear head reads best."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from soritune import progress
from soritune.cli.given_options import refuse_idle
from soritune.cli.terminal import AsJson, announce, print_json, print_line
from soritune.cli.terminal import output as terminal
from soritune.cli.train import Overrides, Preset, RecipeName, overridden

logger = logging.getLogger(__name__)
USED = (
    "batches.evaluation_padded_seconds",
    "batches.num_workers",
    "train.device",
    "train.seed",
    "evaluate.resamples",
)
"""Settings of the sections below that act."""
IDLE = (
    "augment",
    "batches",
    "train",
    "evaluate",
    "model.freeze",
    "model.lora",
    "model.dropout",
    "model.layerdrop",
)
"""Sections that act in a training only."""


def layers(
    context: typer.Context,
    recipe: RecipeName,
    overrides: Overrides = None,
    folds: Annotated[
        int | None, typer.Option(help="Number of outer folds of speakers; one speaker at a time by default.")
    ] = None,
    own_split: Annotated[
        bool, typer.Option("--split", help="The recipe's own split as the only outer fold.")
    ] = False,
    inner_folds: Annotated[
        int, typer.Option(min=2, help="Groups of training speakers on which a layer is chosen.")
    ] = 5,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder; runs/<recipe>-layers by default.")
    ] = None,
    preset: Preset = None,
    as_json: AsJson = False,
) -> None:
    """Find the layer of the frozen encoder that a linear head reads best, without the speakers that are judged."""
    announce("loading the libraries and the model", quiet=as_json)
    from soritune.recipe import load_recipe
    from soritune.run_folder import RunFolder
    from soritune.stages.layer_sweep import sweep_layers

    refuse_idle(context, {"folds": "with --split" if own_split else None})
    settings = load_recipe(recipe, overrides or (), presets=preset or ())
    reason = "has no effect in `layers`, which trains nothing but a linear head per layer"
    for key in overridden(overrides, IDLE):
        if key not in USED:
            logger.warning("%s %s", key, reason)
    if not own_split:
        for key in overridden(overrides, ("split.by", "split.ratios", "split.given")):
            logger.warning("%s has no effect in `layers` without --split, which makes folds", key)
    folder = output or Path("runs") / f"{settings.name}-layers"
    result = sweep_layers(
        settings,
        folder,
        folds=folds,
        own_split=own_split,
        inner_folds=inner_folds,
        console=progress.Console(quiet=as_json),
    )
    files = RunFolder(folder)
    if as_json:
        print_json({"folder": str(folder), **result.to_json()})
        return
    several = len(result.folds) > 1
    table = Table(
        "layer", f"{result.rate}, inner folds", "range of the folds" if several else "95 % interval", "chosen"
    )
    for row in result.rows():
        table.add_row(*row)
    terminal().print(table)
    for line in result.sentences():
        print_line(line)
    print_line(f"figures: {files.layers}, {files.layers_figure}")
