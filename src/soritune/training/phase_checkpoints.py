"""Writes the checkpoints of one phase. Next: `training/checkpoint.py`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from soritune.run_folder import RunFolder
from soritune.training.checkpoint import save_checkpoint
from soritune.training.phase_weights import PhaseWeights
from soritune.training.process_group import ProcessGroup
from soritune.training.run_progress import Progress
from soritune.training.step import Stepper


class PhaseCheckpoints:
    """Saves what a phase needs to be resumed.

    Args:
        folder: of the run.
        identity: hashes that a run must share to resume from the checkpoint.
        weights: the phase's.
        stepper: has the optimizer's moments.
        progress: where the run is.
        log_lengths: gives the lengths of the run's growing files.
        group: the processes of the run.
        keep_newest: number of checkpoints to keep.
    """

    def __init__(
        self,
        *,
        folder: RunFolder,
        identity: Mapping[str, str],
        weights: PhaseWeights,
        stepper: Stepper,
        progress: Progress,
        log_lengths: Callable[[], dict[str, int]],
        group: ProcessGroup,
        keep_newest: int,
    ) -> None:
        self.folder, self.identity, self.weights, self.stepper = folder, identity, weights, stepper
        self.progress, self.log_lengths, self.group = progress, log_lengths, group
        self.keep_newest = keep_newest

    def save(self) -> Path | None:
        """Writes a checkpoint of the current step on the first process; returns its folder there, elsewhere None."""
        return self.group.on_main_briefly(
            lambda: save_checkpoint(
                self.folder,
                progress=self.progress,
                identity=self.identity,
                weights=self.weights.state(),
                optimizer=self.stepper.optimizer,
                scaler=self.stepper.scaler_state(),
                averages=self.weights.averages(),
                files=self.log_lengths(),
                keep_newest=self.keep_newest,
            )
        )
