"""What a training run is made of. Next: `training/loop.py`."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from soritune.audio.augment.settings import AugmentSettings
from soritune.audio.preprocessing import Preprocessing
from soritune.corpus.manifest import Manifest
from soritune.models.model import SpeechModel
from soritune.tasks.task import Task
from soritune.training.batches.config import BatchSettings
from soritune.training.config import TrainingSettings


@dataclass(slots=True)
class TrainingRun:
    """The model, the data and the settings of a training."""

    folder: Path
    model: SpeechModel
    tasks: tuple[Task, ...]
    manifest: Manifest
    train_rows: NDArray[np.int64]
    validation_rows: NDArray[np.int64]
    preprocessing: Preprocessing
    batches: BatchSettings
    augment: AugmentSettings
    settings: TrainingSettings
    identity: dict[str, str]
    """Hashes that a checkpoint must share to be resumed: recipe, data, labels."""
    card: dict[str, Any] = field(default_factory=dict)
    """Fields of every bundle's card."""
    can_predict: bool = False
    """The starting point has all its heads: it is evaluated and kept before training."""
    keeps_start: bool = False
    """The starting point has the heads of some task: it is kept, to judge this task before and after training."""
    identity_before: dict[str, str] = field(default_factory=dict)
    """Hashes of settings with fewer epochs, which the checkpoint has when epochs are added to a run."""
