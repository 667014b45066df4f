"""One phase of a run, from its first step or from a checkpoint to its end. Next: `training/loop.py`."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from soritune.errors import TrainingError
from soritune.models.freezing import apply_freezing, check_frozen, frozen_sums
from soritune.models.parameter_table import parameter_table
from soritune.models.trainable_state import load_trainable_state, trainable_state
from soritune.training.agreement import agree_on_step
from soritune.training.batches.batch import Batch
from soritune.training.checkpoint import (
    Loaded,
    load_weights,
    put_weights,
    restore_optimizer,
    save_checkpoint,
    save_weights,
)
from soritune.training.epochs import Epochs
from soritune.training.faults import Faults, lost_rows
from soritune.training.find_batch import explain_out_of_memory
from soritune.training.interrupt import Interrupt
from soritune.training.keeping import BundleKeeper
from soritune.training.log import Meter
from soritune.training.optimizer import warmup_of
from soritune.training.phases import Phase
from soritune.training.selection import Selection
from soritune.training.session import Session
from soritune.training.step import Stepper
from soritune.training.validation import Validation, validate


class OnePhase:
    """Trains one phase.

    Args:
        session: of the run.
        phase: what to train.
        goes_on: its checkpoint; None begins with the best weights of the phase before, or with the model as it is.
    """

    def __init__(self, session: Session, phase: Phase, goes_on: Loaded | None = None) -> None:
        self.session, self.phase = session, phase
        model, progress = session.model, session.progress
        self.changed = self._changed_so_far()
        check_frozen(model)
        words = "starts from the weights it was given"
        if goes_on is not None:
            load_trainable_state(model, goes_on.weights, self.changed)
            words = f"resumed at step {progress.step}"
        elif progress.done:
            before = progress.done[-1]
            put_weights(model, load_weights(session.store / before["weights"]))
            words = f"starts from the best weights of phase {before['index'] + 1}"
        if goes_on is None:
            progress.next_phase(phase.index)
        self.epochs = Epochs(session.run, phase)
        self.stepper = Stepper(
            model, phase, session.accelerator, sample_rate_hz=session.run.preprocessing.sample_rate_hz
        )
        if goes_on is not None:
            self._restore(goes_on)
        self.faults = Faults(session, self.epochs, self.stepper)
        self.selection = Selection(session.run.tasks, phase.settings)
        self.keeper = BundleKeeper(session.run, phase)
        self.frozen = frozen_sums(model)
        self.averages = self.stepper.averager is not None
        self.last_loss = math.nan
        self._say_start(words)

    def _changed_so_far(self) -> frozenset[str]:
        """Names of the weights that this phase or one before it trains; leaves the model frozen as this phase says."""
        model, names = self.session.model, set[str]()
        for each in self.session.phases[: self.phase.number]:
            model.config = model.config.model_copy(update={"freeze": each.freeze})
            apply_freezing(model)
            names |= {name for name, weight in model.named_parameters() if weight.requires_grad}
        return frozenset(names)

    def _restore(self, loaded: Loaded) -> None:
        restore_optimizer(self.stepper.optimizer, loaded.optimizer)
        if self.stepper.averager is not None and loaded.averages is not None:
            self.stepper.averager.load(loaded.averages)
        if loaded.scaler and self.session.accelerator.scaler is not None:
            self.session.accelerator.scaler.load_state_dict(loaded.scaler)

    def run(self, interrupt: Interrupt) -> str:
        """Trains the phase to its end; gives the reason: "end", "early", "max_steps" or "interrupted"."""
        progress = self.session.progress
        if self.session.run.can_predict and progress.step == 0 and len(self.session.validation_rows):
            values = self._evaluate(self.session.validation_rows).values
            self.session.on_main(lambda: self.keeper.save_start(values, progress))
        stopped = self._ended()
        while stopped is None and progress.epoch < self.phase.settings.epochs:
            stopped = self._epoch(interrupt)
            if stopped is None:
                progress.epoch += 1
                progress.step_in_epoch = 0
                progress.failed_rows = 0
        stopped = stopped or "end"
        if stopped == "interrupted":
            path = self._checkpoint()
            self.session.log.say(
                f"interrupted at step {progress.step}; {path} is whole, continue with --resume"
            )
        else:
            self._close(stopped)
        return stopped

    def _ended(self) -> str | None:
        """Why a phase that is resumed had already ended inside an epoch, or None."""
        stopping = self.phase.settings.early_stopping
        if stopping and self.session.progress.stale_evaluations >= stopping.patience:
            return "early"
        inside = (
            self.session.progress.phase_step >= self.epochs.total_steps
            and self.session.progress.epoch < self.phase.settings.epochs
        )
        return "max_steps" if inside and self.phase.settings.max_steps else None

    def _epoch(self, interrupt: Interrupt) -> str | None:
        """Trains to the end of the epoch; gives the reason where the phase stops inside it."""
        progress = self.session.progress
        plan, first = self.epochs.plan(progress.epoch), progress.step_in_epoch
        steps = self.epochs.load(progress.epoch, first, self.session.accelerator)
        meter = Meter()
        for _ in range(first, plan.num_steps):
            began = time.perf_counter()
            micro, fault = self._next(steps)
            waited = time.perf_counter() - began
            agreed = agree_on_step(
                self.session.group,
                [sum(batch.targets[s.name].count for batch in micro) for s in self.session.model.outputs],
                failed=sum(lost_rows(batch) for batch in micro),
                to_note=sum(len(batch.failed) for batch in micro),
                interrupted=interrupt.asked,
                fault=fault,
            )
            if agreed.interrupted:
                return "interrupted"
            self.faults.note_rows(micro, agreed)
            self.faults.note_targets(agreed.counts)
            with explain_out_of_memory(micro, self.session.run):
                self.stepper.step(
                    micro, agreed.counts, done=progress.phase_step, total_steps=self.epochs.total_steps
                )
            progress.step += 1
            progress.phase_step += 1
            progress.step_in_epoch += 1
            meter.add(sum(batch.audio_s for batch in micro), waited, time.perf_counter() - began)
            self._after_step(sum(batch.masked_share for batch in micro) / len(micro), meter)
            reason = self._due()
            if reason is not None:
                return reason
        self.faults.collect_skipped_steps()
        if first == 0:
            self.faults.refuse_untrained_outputs()
        return None

    @staticmethod
    def _next(steps: Iterator[list[Batch]]) -> tuple[list[Batch], BaseException | None]:
        try:
            return next(steps), None
        except Exception as error:
            return [], error

    def _due(self) -> str | None:
        """Evaluates and saves where that is due; gives the reason where the phase stops here."""
        settings, progress = self.phase.settings, self.session.progress
        step, every = progress.phase_step, settings.evaluate_every_steps
        at_end_of_epoch = progress.step_in_epoch == self.epochs.plan(progress.epoch).num_steps
        finished = progress.phase_step >= self.epochs.total_steps
        if (every and step % every == 0) or (every is None and at_end_of_epoch) or finished:
            values, improved = self._evaluate_and_keep()
            if at_end_of_epoch:
                self._keep_epoch(values)
            stopping = settings.early_stopping
            if stopping and not improved and progress.stale_evaluations >= stopping.patience:
                return "early"
            if settings.save_every_steps is None and not finished:
                self._checkpoint()
        elif at_end_of_epoch:
            self._keep_epoch({})
        if settings.save_every_steps and step % settings.save_every_steps == 0:
            self._checkpoint()
        at_the_end = at_end_of_epoch and progress.epoch + 1 == settings.epochs
        return "max_steps" if finished and not at_the_end else None

    def _after_step(self, masked: float, meter: Meter) -> None:
        """Looks at the step where that costs nothing or is due, and logs it."""
        progress = self.session.progress
        due = progress.step % self.session.settings.log_every_steps == 0 or progress.phase_step == 1
        if due or self.session.looks_at_every_step:
            self.faults.collect_skipped_steps()
        self.faults.refuse_silent_weights()
        if due:
            losses = self.stepper.means()
            finite = [
                s.weight * losses[s.name] for s in self.session.model.outputs if math.isfinite(losses[s.name])
            ]
            self.last_loss = sum(finite)
            self.session.log.event(
                "step",
                step=progress.step,
                **self._of_phase(),
                epoch=self._epoch_so_far(),
                loss=self.last_loss,
                **{f"loss/{name}": loss for name, loss in losses.items()},
                **{f"lr/{g['name']}": g["lr"] for g in self.stepper.optimizer.param_groups},
                grad_norm=float(self.stepper.norm),
                masked_share=masked,
                audio_s_per_s=meter.audio_s_per_s,
                steps_per_s=meter.steps_per_s,
                data_wait=meter.wait_share,
                batch=self.epochs.digest_of_step(progress.epoch, progress.step_in_epoch - 1),
            )
        phase = f"phase {self.phase.number}/{self.phase.count}  " if self.phase.count > 1 else ""
        self.session.log.progress(
            progress.phase_step,
            self.epochs.total_steps,
            f"{phase}epoch {progress.epoch + 1}/{self.phase.settings.epochs}  loss {self.last_loss:.3f}  "
            f"{meter.audio_s_per_s:.0f} audio-s/s  waiting for data {100 * meter.wait_share:.0f} %",
        )

    def _say_start(self, words: str) -> None:
        phase, settings, total = self.phase, self.phase.settings, self.epochs.total_steps
        plan = self.epochs.plan(self.session.progress.epoch)
        warmup = warmup_of(settings, total)
        self.session.log.event(
            "start",
            step=self.session.progress.step,
            total_steps=self.session.progress.step - self.session.progress.phase_step + total,
            **self._of_phase(),
            train_rows=len(self.epochs.visits(0)),
            train_hours=self.epochs.hours,
            validation_rows=len(self.session.validation_rows),
            padding_share=plan.padding_share,
            warmup_steps=warmup,
            processes=self.session.accelerator.num_processes,
            device=str(self.session.accelerator.device),
            precision=self.session.accelerator.mixed_precision,
            seed=self.session.settings.seed,
        )
        self.session.log.say(
            f"{phase} {words}: {len(self.epochs.visits(0))} utterances, {self.epochs.hours:.2f} h, {total} steps"
        )
        for row in parameter_table(self.session.model).rows:
            self.session.log.say(
                f"  {row.part}: {row.trainable:,} of {row.total:,} trained", to_terminal=False
            )
        if settings.warmup_share is None and warmup < settings.warmup_steps:
            self.session.log.say(
                f"warning: warm-up of {settings.warmup_steps} steps cut to {warmup}, a third of the run's {total}"
            )

    def _of_phase(self) -> dict[str, Any]:
        return {"phase": self.phase.number} if self.phase.count > 1 else {}

    def _epoch_so_far(self) -> float:
        steps = max(self.epochs.plan(self.session.progress.epoch).num_steps, 1)
        return self.session.progress.epoch + self.session.progress.step_in_epoch / steps

    def _averaged(self) -> contextlib.AbstractContextManager[None]:
        """The averaged weights in the model's place, where there are any."""
        averager = self.stepper.averager
        return contextlib.nullcontext() if averager is None else averager.in_place()

    def _evaluate(self, rows: NDArray[np.int64], event: str = "evaluate") -> Validation:
        """Evaluates the weights as they stand."""
        result = validate(
            self.session.model,
            self.session.run.tasks,
            self.epochs.plain_collator,
            rows,
            self.epochs.durations_s[rows],
            padded_seconds=self.session.run.batches.evaluation_padded_seconds,
            num_workers=self.session.run.batches.num_workers,
            accelerator=self.session.accelerator,
        )
        self.session.log.event(
            event,
            step=self.session.progress.step,
            **self._of_phase(),
            epoch=self._epoch_so_far(),
            rows=len(rows),
            failed=result.num_failed,
            **{f"val/{name}": value for name, value in result.values.items()},
        )
        return result

    def _evaluate_and_keep(self) -> tuple[dict[str, float], bool]:
        """Evaluates, keeps what is among the best so far; gives the values, and whether the monitored one improved."""
        self.faults.collect_skipped_steps()
        progress = self.session.progress
        progress.last_evaluation = progress.step
        if len(self.session.validation_rows) == 0:
            return {}, True
        with self._averaged():
            values = self._evaluate(self.session.validation_rows).values
            places = self.selection.entered(values, progress)
            self.session.on_main(
                lambda: self.keeper.save_best(
                    self.selection.bundles, places, values, progress, averaged=self.averages
                )
            )
            if places.get(self.selection.decisive) == 0:
                self._keep_weights()
        return values, self.selection.monitored_improved(values, progress)

    def _keep_epoch(self, values: dict[str, float]) -> None:
        keep = self.session.settings.keep_epochs
        if keep is not False:
            with self._averaged():
                self.session.on_main(
                    lambda: self.keeper.save_epoch(
                        keep, values, self.session.progress, averaged=self.averages
                    )
                )

    def _keep_weights(self) -> None:
        """Keeps the weights as they stand as those the next phase starts from."""
        name = f"best-phase{self.phase.number}-step-{self.session.progress.step}.safetensors"
        followed = self.phase.number < self.phase.count
        if followed or len(self.session.validation_rows) < len(self.session.run.validation_rows):
            self.session.on_main(
                lambda: save_weights(
                    self.session.store / name, trainable_state(self.session.model, self.changed)
                )
            )
            self.session.progress.best_weights = name

    def _close(self, stopped: str) -> None:
        """Ends the phase: the last weights as a bundle, all of the validation split where it was sampled."""
        progress = self.session.progress
        if progress.last_evaluation != progress.step:
            self._evaluate_and_keep()
        with self._averaged():
            self.session.on_main(lambda: self.keeper.save("last", {}, progress, averaged=self.averages))
            if progress.best_weights is None:
                self._keep_weights()
        if self.averages:
            self.session.on_main(lambda: self.keeper.save("last_raw", {}, progress, averaged=False))
        self._evaluate_best_on_all()
        if not torch.equal(self.frozen, frozen_sums(self.session.model)):
            raise TrainingError(
                f"weights that {self.phase} was to leave as they are have changed; this is a defect, please report it"
            )
        progress.ended = stopped
        progress.done.append(
            {
                "index": self.phase.index,
                "name": self.phase.name,
                "steps": progress.phase_step,
                "stopped": stopped,
                "best": dict(progress.best),
                "weights": progress.best_weights,
            }
        )
        if self.phase.count > 1:
            self.session.log.event(
                "phase_end", step=progress.step, **self._of_phase(), stopped=stopped, best=progress.best
            )
        self._checkpoint()

    def _evaluate_best_on_all(self) -> None:
        """Where evaluations took a sample: the best weights on the whole validation split, noted in their card."""
        rows, name = self.session.run.validation_rows, self.session.progress.best_weights
        if len(self.session.validation_rows) == len(rows) or name is None:
            return
        own = {key: value.clone() for key, value in trainable_state(self.session.model, self.changed).items()}
        put_weights(self.session.model, load_weights(self.session.store / name))
        values = self._evaluate(rows, "evaluate_all").values
        put_weights(self.session.model, own)
        finite = {key: value for key, value in values.items() if math.isfinite(value)}
        best = [
            bundle for bundle, value in self.selection.bundles.items() if value == self.selection.decisive
        ]
        self.session.on_main(lambda: self.keeper.note(best, metrics_of_all_rows=finite))

    def _checkpoint(self) -> Path | None:
        self.faults.collect_skipped_steps()
        averager, scaler = self.stepper.averager, self.session.accelerator.scaler
        done = self.session.phases[: self.phase.number]
        path: Path | None = self.session.on_main(
            lambda: save_checkpoint(
                self.session.store,
                progress=self.session.progress,
                identity=self.session.run.identity | {f"phase {p.number}": p.digest() for p in done},
                weights=trainable_state(self.session.model, self.changed),
                optimizer=self.stepper.optimizer,
                scaler=scaler.state_dict() if scaler is not None else None,
                averages=None if averager is None else averager.weights,
                files=self.session.log.lengths(),
                keep_newest=self.session.settings.keep_newest,
            )
        )
        return path
