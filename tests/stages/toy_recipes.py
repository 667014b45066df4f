"""Built-in recipes with toy encoders of random weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from soritune.recipe import Recipe, load_recipe
from soritune.testing import tiny_config

MANIFEST = ("data.source=manifest", "split.given=null")
"""For recipes that read a corpus with splits of its own."""


def emotion(tree: Path, *overrides: str) -> Recipe:
    recipe = load_recipe("emotion-3class", [f"data={tree}", "train.device=cpu", *overrides])
    recipe.model.random_weights = True
    recipe.model.architecture = tiny_config(norm="layer")
    return recipe


def toy_encoder(name: str) -> dict[str, Any]:
    """24 thin layers for the recipes that choose among layers; the norm of each recipe's own encoder."""
    norm = "group" if name == "l2-multitask" else "layer"
    return tiny_config(
        norm=norm,
        layers={"child-phoneme": 24, "child-phoneme-full": 24, "ko-base": 6, "quickstart": 6}.get(name, 2),
    )
