"""Parts of a training, made as `train` makes them, for tests that take single steps."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from soritune.audio.augment.settings import AugmentSettings
from soritune.audio.preprocessing import Preprocessing
from soritune.corpus.manifest import Manifest
from soritune.models.build import build_model
from soritune.models.config import ModelConfig
from soritune.models.freezing import apply_freezing
from soritune.recipe import make_task
from soritune.tasks.inputs.input import inputs_of
from soritune.testing import tiny_config
from soritune.training.batches.batch import Batch
from soritune.training.batches.config import BatchSettings
from soritune.training.config import TrainingSettings
from soritune.training.devices import make_accelerator
from soritune.training.epochs import Epochs
from soritune.training.log import RunLog
from soritune.training.phase_start import begin_phase
from soritune.training.phase_trainer import PhaseTrainer
from soritune.training.phases import Phase, resolve_phases
from soritune.training.process_group import process_group
from soritune.training.run import TrainingRun
from soritune.training.run_progress import Progress
from soritune.training.step import Stepper

TASKS = {"emotion": {"labels": ["Anxious", "Kind", "Dry"]}, "phoneme": {}}
STRONG = {
    "speed": {"factors": [0.9, 1.0, 1.1], "probability": 0.5},
    "spec_augment": {"probability": 1.0, "time_width_frames": 8},
}
"""Augmentations that change most utterances of the toy corpus."""


def build_run(
    folder: Path,
    manifest: Manifest,
    *,
    tasks: dict[str, dict[str, Any]] | None = None,
    batches: dict[str, Any] | None = None,
    augment: dict[str, Any] | None = None,
    model: dict[str, Any] | None = None,
    **train: Any,
) -> TrainingRun:
    """A run of the tone corpus on a toy encoder: the last 6 rows validate, the others train."""
    made = tuple(make_task(kind, config) for kind, config in (tasks or TASKS).items())
    outputs = [spec for task in made for spec in task.outputs]
    settings = {
        "encoder": "toy",
        "random_weights": True,
        "architecture": tiny_config(norm="layer", activation_dropout=0.0),
    } | (model or {})
    return TrainingRun(
        folder=folder,
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


def phases_of(run: TrainingRun) -> tuple[Phase, ...]:
    return resolve_phases(run.settings, run.augment, run.model.config.freeze)


def stepper_of(run: TrainingRun) -> tuple[Epochs, Stepper]:
    """The data and the optimizer of the run's first phase."""
    phase = phases_of(run)[0]
    apply_freezing(run.model)
    accelerator = make_accelerator(run.settings)
    return Epochs(run, phase), Stepper(run.model, phase.settings, accelerator, sample_rate_hz=16000)


def trainer_of(run: TrainingRun, log: RunLog) -> PhaseTrainer:
    """What trains the run's first phase."""
    phases = phases_of(run)
    accelerator = make_accelerator(run.settings)
    return begin_phase(
        run, phases, phases[0], progress=Progress(), accelerator=accelerator, group=process_group(), log=log
    )


def batches_of(epochs: Epochs, rows_by_batch: list[list[int]]) -> list[Batch]:
    """Micro-batches of these manifest rows, with the random numbers of the first epoch."""
    return [
        epochs.collator(np.array(rows), epochs.draws(0), index) for index, rows in enumerate(rows_by_batch)
    ]


def counts_of(run: TrainingRun, micro: list[Batch]) -> list[float]:
    return [sum(batch.targets[spec.name].count for batch in micro) for spec in run.model.outputs]


def equal_states(first: dict[str, Any], second: dict[str, Any]) -> bool:
    """Whether two states have the same names and, bit for bit, the same values."""
    return first.keys() == second.keys() and all(
        np.array_equal(np.asarray(first[name]), np.asarray(value)) for name, value in second.items()
    )


@contextmanager
def interrupted_at(step: int) -> Iterator[None]:
    """Ctrl-C as the step with this number of steps before it begins, as long as the block runs."""
    real = Stepper.step

    def interrupting(self: Stepper, *args: Any, done: int, total_steps: int) -> None:
        if done == step:
            os.kill(os.getpid(), signal.SIGINT)
        real(self, *args, done=done, total_steps=total_steps)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Stepper, "step", interrupting)
        yield


def largest_difference(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> float:
    assert first.keys() == second.keys() and len(first) > 10
    return max(float((first[name] - second[name]).abs().max()) for name in first)
