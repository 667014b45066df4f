"""A bundle of a few numbers for the tests of this folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from soritune.bundles.card import Bundle
from soritune.bundles.write import write_bundle
from soritune.geometry import Geometry

GEOMETRY = Geometry((10, 3, 3, 3, 3, 2, 2), (5, 2, 2, 2, 2, 2, 2))
CARD: dict[str, Any] = {
    "kind": "full",
    "tasks": [{"name": "emotion", "config": {"labels": ["Anxious", "Kind", "Dry"]}}],
    "outputs": [
        {
            "name": "emotion", "labels": ["Anxious", "Kind", "Dry"], "resolution": "utterance",
            "objective": "cross_entropy", "weight": 1.0, "layer": "last", "reads": None, "options": {},
        }
    ],
    "encoder": {"model_type": "wav2vec2", "geometry": GEOMETRY.to_json()},
    "preprocessing": {"sample_rate_hz": 16000},
    "model": {},
}  # fmt: skip
WEIGHTS = {"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.ones(2, np.float32)}


def write(path: Path, **card: object) -> Bundle:
    return write_bundle(
        path, weights=WEIGHTS, card={**CARD, **card}, json_files={"config.json": {"x": "한글"}}
    )
