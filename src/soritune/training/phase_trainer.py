"""Trains one phase of a run, from its first step or from a checkpoint to its end. Next: `training/step.py`."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

import torch

from soritune.errors import TrainingError
from soritune.models.freezing import frozen_sums
from soritune.models.model import SpeechModel
from soritune.tasks.inputs.input import blind_outputs
from soritune.training.agreement import agree_on_step
from soritune.training.batches.batch import Batch
from soritune.training.end_reason import EndReason
from soritune.training.epochs import Epochs
from soritune.training.evaluations import Evaluations
from soritune.training.failed_rows import FailedRows, lost_rows
from soritune.training.interrupt import Interrupt
from soritune.training.log import Meter
from soritune.training.phase_checkpoints import PhaseCheckpoints
from soritune.training.phase_log import PhaseLog
from soritune.training.phases import Phase
from soritune.training.process_group import ProcessGroup
from soritune.training.run_progress import Progress
from soritune.training.skipped_steps import SkippedSteps
from soritune.training.step import Stepper
from soritune.training.untrained import GradientCheck, LabelCheck


class PhaseTrainer:
    """Trains one phase; made by `begin_phase` (`training/phase_start.py`).

    Args:
        phase: what to train.
        model: with the weights from which the phase starts, frozen as the phase requires.
        epochs: what it is trained on.
        stepper: takes the steps.
        evaluations: evaluates and keeps weights.
        checkpoints: saves checkpoints.
        failed_rows: counts rows that cannot be used.
        skipped_steps: counts steps that were not finite.
        progress: where the run is; advanced here.
        log: of the phase.
        group: the processes of the run.
        explain_out_of_memory: what to run a step over micro-batches in.
        evaluates_start: evaluate and keep the weights before the first step.
        keeps_start: keep them without an evaluation.
    """

    def __init__(
        self,
        *,
        phase: Phase,
        model: SpeechModel,
        epochs: Epochs,
        stepper: Stepper,
        evaluations: Evaluations,
        checkpoints: PhaseCheckpoints,
        failed_rows: FailedRows,
        skipped_steps: SkippedSteps,
        progress: Progress,
        log: PhaseLog,
        group: ProcessGroup,
        explain_out_of_memory: Callable[[Sequence[Batch]], AbstractContextManager[None]],
        evaluates_start: bool,
        keeps_start: bool = False,
    ) -> None:
        self.phase, self.settings, self.model = phase, phase.settings, model
        self.epochs, self.stepper = epochs, stepper
        self.evaluations, self.checkpoints = evaluations, checkpoints
        self.evaluates_start, self.keeps_start = evaluates_start, keeps_start
        self.failed_rows, self.skipped_steps = failed_rows, skipped_steps
        always = [spec.name for spec in model.input_specs if not spec.dropout]
        names = [spec.name for spec in model.outputs]
        self.label_check = LabelCheck(names, epochs.round, blind_outputs(model.outputs, always))
        self.gradient_check = GradientCheck(stepper, epochs.total_steps)
        self.progress, self.log, self.group = progress, log, group
        self.explain_out_of_memory = explain_out_of_memory
        self.frozen = frozen_sums(model)

    def run(self, interrupt: Interrupt) -> EndReason:
        """Trains the phase to its end; returns why it ended."""
        progress = self.progress
        reason = None if self._encode_clips(interrupt) else EndReason.INTERRUPTED
        if reason is None and self.evaluates_start and progress.step == 0:
            self.evaluations.run_on_start()
        elif reason is None and self.keeps_start and progress.step == 0:
            self.evaluations.keep_start()
        reason = reason or self._ended_before()
        while reason is None and progress.epoch < self.settings.epochs:
            reason = self._epoch(interrupt)
            if reason is None:
                progress.epoch += 1
                progress.step_in_epoch = progress.steps_of_epoch = 0
                progress.failed_rows = 0
        reason = reason or EndReason.END
        if reason is EndReason.INTERRUPTED:
            path = self._checkpoint()
            self.log.message(f"interrupted at step {progress.step}; {path} is whole, continue with --resume")
        else:
            self._close(reason)
        return reason

    def _encode_clips(self, interrupt: Interrupt) -> bool:
        """Stores the encoder's states of all clips, where they are kept; returns whether it came to its end."""
        states = self.epochs.states
        return states is None or states.fill(
            self.epochs.trained_rows,
            self.evaluations.all_rows,
            self.epochs.durations_s,
            lambda: interrupt.requested,
        )

    def release(self) -> None:
        """Lets another phase train the model; the last call."""
        self.stepper.release()

    def _ended_before(self) -> EndReason | None:
        """Why a resumed phase had already ended inside an epoch, or None."""
        stopping, progress = self.settings.early_stopping, self.progress
        if stopping and progress.stale_evaluations >= stopping.patience:
            return EndReason.EARLY
        all_steps = progress.phase_step >= self.epochs.total_steps
        inside = all_steps and progress.epoch < self.settings.epochs
        return EndReason.MAX_STEPS if inside and self.settings.max_steps else None

    def _epoch(self, interrupt: Interrupt) -> EndReason | None:
        """Trains to the end of the epoch; returns the reason if the phase ends inside it."""
        progress = self.progress
        plan, first = self.epochs.plan(progress.epoch), progress.step_in_epoch
        progress.steps_of_epoch = plan.num_steps
        steps = self.epochs.load(progress.epoch, first, self.stepper.accelerator)
        meter = Meter()
        for _ in range(first, plan.num_steps):
            began = time.perf_counter()
            micro, fault = _next(steps)
            waited = time.perf_counter() - began
            agreed = agree_on_step(
                self.group,
                [sum(batch.targets[spec.name].count for batch in micro) for spec in self.model.outputs],
                failed=sum(lost_rows(batch) for batch in micro),
                to_record=sum(len(batch.failed) for batch in micro),
                interrupted=interrupt.requested,
                fault=fault,
            )
            if agreed.interrupted:
                return EndReason.INTERRUPTED
            self.failed_rows.note(
                micro,
                num_failed=agreed.failed,
                num_to_record=agreed.to_record,
                rows_in_epoch=len(plan.rows),
            )
            self.label_check.add_step(agreed.counts)
            with self.explain_out_of_memory(micro):
                self.stepper.step(
                    micro, agreed.counts, done=progress.phase_step, total_steps=self.epochs.total_steps
                )
            progress.step += 1
            progress.phase_step += 1
            progress.step_in_epoch += 1
            meter.add(sum(batch.audio_s for batch in micro), waited, time.perf_counter() - began)
            self._check_and_log_step(sum(batch.masked_share for batch in micro) / len(micro), meter)
            reason = self._evaluate_and_save_if_due()
            if reason is not None:
                return reason
        self.skipped_steps.collect()
        if first == 0:
            self.label_check.end_epoch()
        return None

    def _check_and_log_step(self, masked_share: float, meter: Meter) -> None:
        """Looks at the step if that costs nothing or is due, and logs it."""
        progress = self.progress
        is_logged = progress.step % self.settings.log_every_steps == 0 or progress.phase_step == 1
        if is_logged or self.stepper.is_synchronous:
            self.skipped_steps.collect()
        if self.gradient_check.is_due(progress.phase_step):
            self.skipped_steps.collect()  # steps that were not finite had no gradient to watch
            if self.gradient_check.is_due(progress.phase_step):
                self.gradient_check.refuse_silent_weights()
        if is_logged:
            self.log.step(self.stepper, self.model.outputs, masked_share, meter)
        self.log.show_progress(meter)

    def _evaluate_and_save_if_due(self) -> EndReason | None:
        """Evaluates and saves after a step if that is due; returns the reason if the phase ends here."""
        settings, progress = self.settings, self.progress
        step, every = progress.phase_step, settings.evaluate_every_steps
        ends_epoch = progress.step_in_epoch == self.epochs.plan(progress.epoch).num_steps
        finished = progress.phase_step >= self.epochs.total_steps
        if (every and step % every == 0) or (every is None and ends_epoch) or finished:
            values, improved = self._evaluate()
            if ends_epoch:
                self.evaluations.end_epoch(values)
            stopping = settings.early_stopping
            if stopping and not improved and progress.stale_evaluations >= stopping.patience:
                return EndReason.EARLY
            if settings.save_every_steps is None and not finished:
                self._checkpoint()
        elif ends_epoch:
            self.evaluations.end_epoch({})
        if settings.save_every_steps and step % settings.save_every_steps == 0:
            self._checkpoint()
        ends_last_epoch = ends_epoch and progress.epoch + 1 == settings.epochs
        return EndReason.MAX_STEPS if finished and not ends_last_epoch else None

    def _evaluate(self) -> tuple[dict[str, float], bool]:
        self.skipped_steps.collect()
        if self.progress.is_untrained:
            self.log.message("no evaluation: every step so far was skipped, so nothing was trained")
            return {}, True
        return self.evaluations.run()

    def _checkpoint(self) -> Path | None:
        self.skipped_steps.collect()
        return self.checkpoints.save()

    def _close(self, reason: EndReason) -> None:
        """Ends the phase: evaluates and keeps the last weights, and saves a checkpoint for the next phase.

        Raises:
            TrainingError: every step was skipped, or a frozen weight has changed.
        """
        progress = self.progress
        self.skipped_steps.collect()
        if progress.is_untrained:
            raise TrainingError(
                f"{self.phase} trained nothing: all of its {progress.phase_step} steps had a loss or gradient that is "
                "not finite and were skipped; lower train.learning_rate, use train.precision=fp32 or another encoder"
            )
        if progress.last_evaluation != progress.step:
            self._evaluate()
        self.evaluations.finish()
        if not torch.equal(self.frozen, frozen_sums(self.model)):
            raise TrainingError(
                f"weights that {self.phase} should leave frozen have changed; this is a defect, please report it"
            )
        progress.ended = reason
        progress.done.append(
            {
                "index": self.phase.index,
                "name": self.phase.name,
                "steps": progress.phase_step,
                "stopped": reason,
                "best": dict(progress.best),
                "best_epochs": dict(progress.best_epochs),
                "weights": progress.best_weights,
            }
        )
        self.log.end(reason)
        self._checkpoint()


def _next(steps: Iterator[list[Batch]]) -> tuple[list[Batch], BaseException | None]:
    """This process's micro-batches of the next step, or the error in loading them."""
    try:
        return next(steps), None
    except Exception as error:
        return [], error
