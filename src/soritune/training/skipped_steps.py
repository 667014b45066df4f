"""Steps whose loss or gradient was not finite: each is logged with its rows, and too many stop the run."""

from __future__ import annotations

from soritune.corpus.manifest import Manifest
from soritune.errors import TrainingError
from soritune.training.epochs import Epochs
from soritune.training.log import RunLog
from soritune.training.run_progress import Progress
from soritune.training.step import Stepper

NAMED_ROWS = 12


class SkippedSteps:
    """Counts the skipped steps of a phase.

    Args:
        stepper: skips the steps.
        epochs: which rows a step has.
        manifest: where the names of rows are.
        progress: counts the steps.
        log: of the run.
        max_steps: more skipped steps than this stop the run.
    """

    def __init__(
        self,
        stepper: Stepper,
        epochs: Epochs,
        manifest: Manifest,
        progress: Progress,
        log: RunLog,
        max_steps: int,
    ) -> None:
        self.stepper, self.epochs, self.manifest = stepper, epochs, manifest
        self.progress, self.log, self.max_steps = progress, log, max_steps

    def collect(self) -> None:
        """Counts and logs the steps that were skipped since the last call. Waits for the device.

        Raises:
            TrainingError: too many steps were skipped.
        """
        progress = self.progress
        for phase_step, local in self.stepper.non_finite():
            steps_ago = progress.phase_step - phase_step
            names = self._names(progress.epoch, progress.step_in_epoch - steps_ago, local)
            progress.non_finite_steps += 1
            progress.phase_skipped_steps += 1
            self.log.message(
                f"warning: step {progress.step - steps_ago + 1} skipped, loss or gradient not finite; rows {names}"
            )
            if progress.non_finite_steps > self.max_steps:
                raise TrainingError(
                    f"{progress.non_finite_steps} steps had a loss or gradient that is not finite, the last with "
                    f"rows {names}; lower train.learning_rate or use train.precision=fp32"
                )

    def _names(self, epoch: int, step_in_epoch: int, local: list[int]) -> str:
        """Ids of the rows of a step: of the micro-batches `local` of every process, or of all if `local` is empty."""
        processes = self.stepper.num_processes
        micro = [i * processes + rank for i in local for rank in range(processes)] or None
        rows = self.epochs.rows_of_step(epoch, step_in_epoch, micro)
        ids = self.manifest.column("id")
        names = ", ".join(str(ids[int(row)].as_py()) for row in rows[:NAMED_ROWS])
        return names + (" …" if len(rows) > NAMED_ROWS else "")
