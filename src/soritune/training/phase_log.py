"""What the log of a run has of one phase: its start, steps, evaluations and end. Next: `training/log.py`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from accelerate import Accelerator

from soritune.models.parameter_table import ParameterTable
from soritune.tasks.headline import headline
from soritune.tasks.specs import OutputSpec
from soritune.tasks.task import Task
from soritune.terminal_text import counted
from soritune.training.end_reason import EndReason
from soritune.training.epochs import Epochs
from soritune.training.log import Meter, RunLog
from soritune.training.optimizer import warmup_of
from soritune.training.phases import Phase
from soritune.training.run_progress import Progress
from soritune.training.step import Stepper
from soritune.training.validation import Validation

_SLOW_DATA = 0.2
"""Share of the time spent waiting for data from which the progress bar shows it."""
_STEPS_TIMED = 3
"""Steps after which the time of an epoch is estimated, on the terminal."""
_SHORT_S, _LONG_S = 20, 60
"""Seconds of an epoch below which no estimate is needed, and from which a CPU user is shown the quicker setting."""


class PhaseLog:
    """Writes the events of one phase.

    Args:
        log: of the run.
        phase: what is trained.
        epochs: of the phase.
        progress: where the run is.
        tasks: whose rates are shown on the terminal.
    """

    def __init__(
        self, log: RunLog, phase: Phase, epochs: Epochs, progress: Progress, tasks: Sequence[Task] = ()
    ) -> None:
        self.tasks = tasks
        self.log, self.phase, self.epochs, self.progress = log, phase, epochs, progress
        self.settings = phase.settings
        self.last_loss = math.nan
        self._steps_shown = 0
        self._trains_encoder_on_cpu = False

    def message(self, text: str) -> None:
        """A line for people."""
        self.log.message(text)

    def lengths(self) -> dict[str, int]:
        """Lengths of the run's growing files, for a checkpoint."""
        return self.log.lengths()

    def start(
        self,
        origin: str,
        *,
        num_validation_rows: int,
        accelerator: Accelerator,
        parameters: ParameterTable,
    ) -> None:
        """The phase begins.

        Args:
            origin: the weights it starts from, in words.
            num_validation_rows: of an evaluation.
            accelerator: where it is trained.
            parameters: trained and frozen ones by part.
        """
        progress, total = self.progress, self.epochs.total_steps
        warmup = warmup_of(self.settings, total)
        num_rows, hours = len(self.epochs.visits(0)), self.epochs.hours
        self.log.event(
            "start",
            step=progress.step,
            total_steps=progress.step - progress.phase_step + total,
            **self._phase_number(),
            train_rows=num_rows,
            train_hours=hours,
            validation_rows=num_validation_rows,
            padding_share=self.epochs.plan(progress.epoch).padding_share,
            warmup_steps=warmup,
            processes=accelerator.num_processes,
            device=str(accelerator.device),
            precision=accelerator.mixed_precision,
            seed=self.settings.seed,
        )
        self.log.message(
            f"{self.phase} {origin}: {counted(num_rows, 'utterance')}, {hours:.2f} h, {counted(total, 'step')}"
        )
        self._trains_encoder_on_cpu = accelerator.device.type == "cpu" and any(
            row.trainable and not row.part.startswith(("head ", "input ")) for row in parameters.rows
        )
        for row in parameters.rows:
            self.log.message(f"  {row.part}: {row.trainable:,} of {row.total:,} trained", to_terminal=False)
        if self.settings.warmup_share is None and warmup < self.settings.warmup_steps:
            self.log.message(
                f"warning: warm-up of {self.settings.warmup_steps} steps cut to {warmup}, a third of the run's {total}"
            )

    def step(
        self, stepper: Stepper, outputs: Sequence[OutputSpec], masked_share: float, meter: Meter
    ) -> None:
        """A step of which the losses are logged. Waits for the device."""
        progress = self.progress
        losses = stepper.means()
        self.last_loss = weighted_loss(outputs, losses)
        self.log.event(
            "step",
            step=progress.step,
            **self._phase_number(),
            epoch=self._epochs_done(),
            loss=self.last_loss,
            **{f"loss/{name}": loss for name, loss in losses.items()},
            **{f"lr/{group}": rate for group, rate in stepper.learning_rates().items()},
            grad_norm=float(stepper.norm),
            masked_share=masked_share,
            audio_s_per_s=meter.audio_s_per_s,
            steps_per_s=meter.steps_per_s,
            data_wait=meter.wait_share,
            batch=self.epochs.digest_of_step(progress.epoch, progress.step_in_epoch - 1),
        )

    def show_progress(self, meter: Meter) -> None:
        """Moves the progress bar; after the first steps it also estimates the time of an epoch."""
        self._steps_shown += 1
        if self._steps_shown == _STEPS_TIMED:
            self._show_speed(meter)
        phase = f"phase {self.phase.number}/{self.phase.count}  " if self.phase.count > 1 else ""
        loss = f"  loss {self.last_loss:.3g}" if math.isfinite(self.last_loss) else ""
        slow = f"  waiting for data {100 * meter.wait_share:.0f} %" if meter.wait_share > _SLOW_DATA else ""
        self.log.show_progress(
            self.progress.phase_step,
            self.epochs.total_steps,
            f"{phase}epoch {self.progress.epoch + 1}/{self.settings.epochs}{loss}{slow}",
        )

    def _show_speed(self, meter: Meter) -> None:
        seconds = self.epochs.plan(self.progress.epoch).num_steps / meter.steps_per_s
        if seconds < _SHORT_S:
            return
        text = f"{self._time_of(seconds)} per epoch at the speed of the first steps"
        if self._trains_encoder_on_cpu and seconds >= _LONG_S:
            text += (
                "; heads alone train faster on a CPU: model.freeze.encoder=true 'batches.encoder_states={}' computes "
                "the encoder once"
            )
        self.log.to_terminal(text)

    @staticmethod
    def _time_of(seconds: float) -> str:
        return f"about {seconds:.0f} s" if seconds < 100 else f"about {seconds / 60:.1f} min"

    def evaluation(self, event: str, num_rows: int, result: Validation) -> None:
        """The result of an evaluation."""
        self.log.event(
            event,
            step=self.progress.step,
            **self._phase_number(),
            epoch=self._epochs_done(),
            rows=num_rows,
            failed=result.num_failed,
            **{f"val/{name}": value for name, value in result.values.items()},
        )
        figures = headline(self.tasks, result.values)
        if figures:
            self.log.to_terminal(f"{self._when()}: {figures}")

    def _when(self) -> str:
        """How far the phase is, for people."""
        if not self.progress.phase_step:
            return "before training"
        phase = f"phase {self.phase.number}, " if self.phase.count > 1 else ""
        return f"{phase}epoch {self._epochs_done():.3g} of {self.settings.epochs}"

    def end(self, reason: EndReason) -> None:
        """The phase has ended; a run of one phase has only the event of the run's end."""
        if self.phase.count > 1:
            self.log.event(
                "phase_end",
                step=self.progress.step,
                **self._phase_number(),
                stopped=reason,
                best=self.progress.best,
            )

    def _phase_number(self) -> dict[str, Any]:
        return {"phase": self.phase.number} if self.phase.count > 1 else {}

    def _epochs_done(self) -> float:
        steps = max(self.epochs.plan(self.progress.epoch).num_steps, 1)
        return self.progress.epoch + self.progress.step_in_epoch / steps


def weighted_loss(outputs: Sequence[OutputSpec], losses: dict[str, float]) -> float:
    """Sum of the outputs' mean losses by their weights; an output whose loss is not finite is left out."""
    return sum(spec.weight * losses[spec.name] for spec in outputs if math.isfinite(losses[spec.name]))
