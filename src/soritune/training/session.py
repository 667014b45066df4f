"""What the phases of a run share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from accelerate import Accelerator

from soritune.corpus.splitting.subsets import validation_sample
from soritune.models.model import SpeechModel
from soritune.training.checkpoint import Progress
from soritune.training.config import TrainingSettings
from soritune.training.devices import make_accelerator
from soritune.training.log import RunLog
from soritune.training.phases import Phase
from soritune.training.process_group import process_group
from soritune.training.run import TrainingRun

Result = TypeVar("Result")


class Session:
    """A run while it is being trained: where it is, where it writes, on what it runs.

    Attributes:
        validation_rows: those that an evaluation takes.
        group: the processes of the run.
        main: this is the process that writes.
        looks_at_every_step: nothing runs ahead of the host here, so looking at every step costs nothing.
    """

    def __init__(self, run: TrainingRun, phases: tuple[Phase, ...], log: RunLog) -> None:
        self.run, self.phases, self.log = run, phases, log
        self.settings: TrainingSettings = run.settings
        self.model: SpeechModel = run.model
        self.store: Path = run.folder / "checkpoints"
        self.progress = Progress()
        self.group = process_group()
        self.accelerator: Accelerator = make_accelerator(run.settings)
        self.main = self.group.rank == 0
        self.looks_at_every_step = (
            self.accelerator.num_processes == 1 and self.accelerator.device.type == "cpu"
        )
        self.validation_rows = validation_sample(
            run.manifest, run.validation_rows, run.settings.validation_sample, seed=run.settings.seed
        )

    def on_main(self, action: Callable[[], Result]) -> Result | None:
        """What only the first process does; where it fails, all stop."""
        return self.group.on_one(self.main, action)
