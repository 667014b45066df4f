"""What the card of a trained bundle states about its origin: recipe, data, start, source revision."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc

from soritune.audio.augment.chain import Chain
from soritune.bundles.read import is_bundle, load_bundle
from soritune.corpus.manifest import Manifest
from soritune.corpus.splitting.splits import Splits
from soritune.errors import BundleError
from soritune.inference.header import RECOGNISED_LABELS
from soritune.recipe import Recipe
from soritune.training.phases import resolve_phases


def card_fields(recipe: Recipe, manifest: Manifest, splits: Splits) -> dict[str, Any]:
    """The fields of a card that are known before the training starts."""
    sources = {str(source) for source in manifest.column("source").unique().to_pylist() if source}
    return {
        "name": recipe.name,
        "recipe_name": recipe.name,
        "recipe": recipe.resolved(),
        "data": {
            "manifest_hash": manifest.hash,
            "split": splits.policy,
            "sources": sorted(sources),
            "hours": {name: row["hours"] for name, row in splits.summary(manifest).items()},
            "synthetic": recipe.data.synthetic or "synthetic" in sources,
            **_recordings(recipe),
            **_recognised_labels(recipe, manifest, splits),
        },
        "git_revision": _git_revision(),
        "seed": recipe.train.seed,
        "licence": recipe.data.licence,
        "start": _start_of(recipe),
    }


def _recognised_labels(recipe: Recipe, manifest: Manifest, splits: Splits) -> dict[str, Any]:
    """How many training and validation rows have phones of recognised text as their labels; nothing without any."""
    chosen = np.concatenate([splits.indices(manifest, name) for name in ("train", "val")])
    recognised = pc.fill_null(pc.equal(manifest.column("text_source"), "asr"), False).to_numpy()
    tasks = recipe.make_tasks()
    rows = sum(
        any(task.pronounced_text(row) is not None for task in tasks)
        for row in manifest.utterances(chosen[recognised[chosen]])
    )
    return {RECOGNISED_LABELS: {"rows": rows, "of": len(chosen)}} if rows else {}


def _recordings(recipe: Recipe) -> dict[str, Any]:
    """`recordings`: the folders of sounds that any phase adds to the speech, with their licences; nothing without."""
    phases = resolve_phases(recipe.train, recipe.augment, recipe.model.freeze)
    origins = [origin for phase in phases for origin in Chain.of(phase.augment).origins()]
    unique = [origin for number, origin in enumerate(origins) if origin not in origins[:number]]
    return {"recordings": unique} if unique else {}


def _start_of(recipe: Recipe) -> dict[str, Any] | None:
    """Name, licence and start of the bundle whose weights training begins with; None for other weights."""
    source = recipe.model.starts_from
    try:
        if source is None or not is_bundle(source):
            return None
        card = load_bundle(source).card
    except BundleError:
        return None  # the name of a hub model, or a folder that another error reports
    fields = {key: card.get(key) for key in ("name", "licence", "start")}
    return {key: value for key, value in fields.items() if value is not None}


def _git_revision() -> str | None:
    try:
        process = subprocess.run(
            ["git", "rev-parse", "HEAD"],  # noqa: S607
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
            timeout=5,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return process.stdout.strip()
