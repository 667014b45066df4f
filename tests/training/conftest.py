from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from soritune.audio.augment.settings import AugmentSettings
from soritune.audio.preprocessing import Preprocessing
from soritune.corpus.manifest import Manifest
from soritune.models.build import build_model
from soritune.models.config import ModelConfig
from soritune.recipe import make_task
from soritune.tasks.inputs.input import inputs_of
from soritune.testing import tiny_config
from soritune.training.batches.config import BatchSettings
from soritune.training.config import TrainingSettings
from soritune.training.run import TrainingRun

TASKS = {"emotion": {"labels": ["Anxious", "Kind", "Dry"]}, "phoneme": {}}


@pytest.fixture
def make_run(tones: Manifest, tmp_path: Path) -> Callable[..., TrainingRun]:
    """Builds a run of the tone corpus on a toy encoder; 30 rows train, 6 validate."""

    def make(
        name: str = "run",
        *,
        tasks: dict[str, dict[str, Any]] | None = None,
        batches: dict[str, Any] | None = None,
        augment: dict[str, Any] | None = None,
        model: dict[str, Any] | None = None,
        manifest: Manifest = tones,
        **train: Any,
    ) -> TrainingRun:
        made = tuple(make_task(kind, config) for kind, config in (tasks or TASKS).items())
        outputs = [spec for task in made for spec in task.outputs]
        settings = {
            "encoder": "toy",
            "random_weights": True,
            "architecture": tiny_config(norm="layer", activation_dropout=0.0),
        } | (model or {})
        return TrainingRun(
            folder=tmp_path / name,
            model=build_model(ModelConfig.model_validate(settings), outputs, seed=3, inputs=inputs_of(made)),
            tasks=made,
            manifest=manifest,
            train_rows=np.arange(len(manifest) - 6),
            validation_rows=np.arange(len(manifest) - 6, len(manifest)),
            preprocessing=Preprocessing(),
            batches=BatchSettings.model_validate(
                {"padded_seconds": 6.0, "num_workers": 0, "micro_batches_per_step": 2} | (batches or {})
            ),
            augment=AugmentSettings.model_validate(augment or {}),
            settings=TrainingSettings.model_validate(
                {"epochs": 2, "learning_rate": 1e-3, "device": "cpu", **train}
            ),
            identity={"recipe": "r", "data": "d", "labels": "l"},
        )

    return make
