"""The training loop, one for every recipe. Next: `reports/score.py`.

A run is a row of phases, a phase a number of epochs, an epoch a number of steps (`training/step.py`). Everything that
decides what comes next is in `Progress` and in pure functions of the seed, so a run goes on from a checkpoint as if
nothing had happened.
"""

from __future__ import annotations

import contextlib
import json
import math
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from soritune.audio.preprocessing import Preprocessing
from soritune.batches.collate import Batch
from soritune.batches.config import AugmentSettings, BatchSettings
from soritune.corpus.manifest import Manifest
from soritune.errors import TrainingError
from soritune.models.adapters import parameter_table
from soritune.models.checkpoint_io import load_trainable_state, trainable_state
from soritune.models.freezing import apply_freezing, check_frozen, frozen_sums
from soritune.models.model import SpeechModel
from soritune.tasks.task import Task
from soritune.training.agreement import Agreement
from soritune.training.checkpoint import (
    Loaded,
    Progress,
    checkpoints,
    clean,
    load_weights,
    newest_checkpoint,
    restore_optimizer,
    save_checkpoint,
    save_weights,
)
from soritune.training.config import TrainingSettings
from soritune.training.devices import make_accelerator
from soritune.training.epochs import Epochs
from soritune.training.interrupt import Interrupt
from soritune.training.keeping import Keeper
from soritune.training.log import QUARANTINE, Meter, RunLog
from soritune.training.optimizer import warmup_of
from soritune.training.phases import Phase, chosen_phases, next_phase, resolve_phases
from soritune.training.selection import Selection
from soritune.training.step import WATCHED_STEPS, Stepper
from soritune.training.subsets import validation_sample
from soritune.training.validation import Validation, validate


@dataclass(slots=True)
class TrainingRun:
    """Everything a run is made of."""

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
    """What every bundle says of the run."""
    can_predict: bool = False
    """The starting point has all its heads: it is scored and kept before training."""


@dataclass(frozen=True, slots=True)
class TrainingResult:
    """How a run ended."""

    folder: Path
    steps: int
    best: dict[str, float]
    """Best values of the last phase that was trained."""
    stopped: str
    """"end", "early", "max_steps" or "interrupted", of the last phase that was trained."""
    seconds: float
    phases: tuple[dict[str, Any], ...] = ()
    """Per finished phase: its index, steps, why it ended, its best values."""


def train(run: TrainingRun, *, resume: bool = False, quiet: bool = False) -> TrainingResult:
    """Trains `run.model`, writing checkpoints and bundles into `run.folder`.

    Args:
        run: what to train.
        resume: continue from the newest whole checkpoint of the folder.
        quiet: nothing on the terminal.

    Raises:
        TrainingError: nothing to train on, a silent parameter, too many unusable rows or non-finite steps, a
            checkpoint that belongs to another run, or a phase that cannot begin here.
    """
    if len(run.train_rows) == 0:
        raise TrainingError("the training split is empty; look at splits.parquet or give other split ratios")
    phases = resolve_phases(run.settings, run.augment, run.model.config.freeze)
    chosen = chosen_phases(phases, run.settings.phase)
    for phase in chosen:
        Selection(run.tasks, phase.settings)
    store = run.folder / "checkpoints"
    loaded: Loaded | None = None
    if resume or (run.settings.phase is not None and checkpoints(store)):
        loaded = newest_checkpoint(store, run.identity | {f"phase {p.number}": p.digest() for p in phases})
    first = _first_phase(run, phases, chosen, loaded, resume=resume)
    log = RunLog(
        run.folder,
        keep=loaded.files if loaded else None,
        step=loaded.progress.step if loaded else 0,
        tensorboard=run.settings.tensorboard,
        quiet=quiet,
    )
    with log:
        return Loop(run, phases, log).run_phases(chosen, first, loaded)


def _first_phase(
    run: TrainingRun,
    phases: tuple[Phase, ...],
    chosen: tuple[Phase, ...],
    loaded: Loaded | None,
    *,
    resume: bool,
) -> Phase | None:
    if loaded is not None:
        progress = loaded.progress
        return next_phase(
            phases,
            chosen,
            current=progress.phase if progress.ended is None else None,
            done=[done["index"] for done in progress.done],
            resume=resume,
        )
    if chosen[0].index > 0 and run.model.config.init_from is None:
        raise TrainingError(
            f"{chosen[0]} starts from the best weights of a phase before it, and {run.folder} has none; train that "
            "first in the same folder, or name weights to start from with model.init_from"
        )
    return chosen[0]


class Loop:
    """Trains the phases of a run, one after the other."""

    def __init__(self, run: TrainingRun, phases: tuple[Phase, ...], log: RunLog) -> None:
        self.run, self.phases, self.log, self.settings = run, phases, log, run.settings
        self.progress = Progress()
        self.accelerator = make_accelerator(run.settings)
        self.agreement = Agreement(self.accelerator)
        self.model = run.model
        self.store = run.folder / "checkpoints"
        self.validation_rows = validation_sample(
            run.manifest, run.validation_rows, run.settings.validation_sample, seed=run.settings.seed
        )
        # On a CPU nothing runs ahead of the host, so looking at every step costs nothing.
        self.looks_at_every_step = (
            self.accelerator.num_processes == 1 and self.accelerator.device.type == "cpu"
        )
        self.main = self.accelerator.is_main_process
        self._stepper: Stepper | None = None
        self.last_loss = math.nan

    def run_phases(
        self, chosen: Sequence[Phase], first: Phase | None, loaded: Loaded | None
    ) -> TrainingResult:
        """Trains the chosen phases from `first` on; `loaded` is the checkpoint to go on from."""
        started = time.perf_counter()
        if loaded is not None:
            self.progress = loaded.progress
        if self.main:
            clean(self.store)
            for left in (self.run.folder / "bundles").glob(".*"):  # half-written by a killed process
                shutil.rmtree(left, ignore_errors=True)
        stopped = self.progress.ended or "end"
        left = [phase for phase in chosen if first is not None and phase.index >= first.index]
        with Interrupt() as interrupt:
            for phase in left:
                goes_on = loaded if loaded is not None and self.progress.ended is None else None
                self.begin(phase, goes_on)
                loaded = None
                stopped = self._run_phase(interrupt)
                if stopped == "interrupted":
                    break
        seconds = time.perf_counter() - started
        self.log.event("end", step=self.progress.step, stopped=stopped, seconds=round(seconds, 1))
        return TrainingResult(
            self.run.folder,
            self.progress.step,
            dict(self.progress.best),
            stopped,
            seconds,
            tuple(self.progress.done),
        )

    def begin(self, phase: Phase, goes_on: Loaded | None = None) -> None:
        """Sets up a phase: from its checkpoint `goes_on`, or from the best weights of the phase before."""
        if self._stepper is not None:
            self._stepper.release()
        self.phase = phase
        self.changed = self._changed_up_to(phase)
        apply_freezing(self.model)
        check_frozen(self.model)
        words = "starts from the weights it was given"
        if goes_on is not None:
            load_trainable_state(self.model, goes_on.weights, self.changed)
            words = f"resumed at step {self.progress.step}"
        elif self.progress.done:
            before = self.progress.done[-1]
            self._put(load_weights(self.store / before["weights"]))
            words = f"starts from the best weights of phase {before['index'] + 1}"
        if goes_on is None:
            self.progress.next_phase(phase.index)
        self.epochs = Epochs(self.run, phase)
        self.stepper = self._stepper = Stepper(
            self.model, phase, self.accelerator, sample_rate_hz=self.run.preprocessing.sample_rate_hz
        )
        if goes_on is not None:
            restore_optimizer(self.stepper.optimizer, goes_on.optimizer)
            if self.stepper.averager is not None and goes_on.averages is not None:
                self.stepper.averager.load(goes_on.averages)
            if goes_on.scaler and self.accelerator.scaler is not None:
                self.accelerator.scaler.load_state_dict(goes_on.scaler)
        self.selection = Selection(self.run.tasks, phase.settings)
        self.keeper = Keeper(self.run, phase)
        self.watch_done = False
        self.targets_seen = [0.0] * len(self.model.outputs)
        self.frozen = frozen_sums(self.model)
        self._say_start(words)

    def _changed_up_to(self, phase: Phase) -> frozenset[str]:
        """Names of the weights that this phase or one before it trains; leaves the model's freezing as this phase's."""
        names: set[str] = set()
        for each in self.phases[: phase.number]:
            self.model.config = self.model.config.model_copy(update={"freeze": each.freeze})
            apply_freezing(self.model)
            names |= {name for name, weight in self.model.named_parameters() if weight.requires_grad}
        return frozenset(names)

    @torch.no_grad()
    def _put(self, weights: dict[str, torch.Tensor]) -> None:
        own = dict(self.model.state_dict())
        for name, value in weights.items():
            own[name].copy_(value)

    def _say_start(self, words: str) -> None:
        phase, settings, total = self.phase, self.phase.settings, self.epochs.total_steps
        plan = self.epochs.plan(self.progress.epoch)
        warmup = warmup_of(settings, total)
        self.log.event(
            "start",
            step=self.progress.step,
            total_steps=self.progress.step - self.progress.phase_step + total,
            **self._of_phase(),
            train_rows=len(self.epochs.rows),
            train_hours=self.epochs.hours,
            validation_rows=len(self.validation_rows),
            padding_share=plan.padding_share,
            warmup_steps=warmup,
            processes=self.accelerator.num_processes,
            device=str(self.accelerator.device),
            precision=self.accelerator.mixed_precision,
            seed=self.settings.seed,
        )
        self.log.say(f"{phase} {words}: {len(self.epochs.rows)} utterances, {self.epochs.hours:.2f} h, {total} steps")
        for row in parameter_table(self.model).rows:
            self.log.say(f"  {row.part}: {row.trainable:,} of {row.total:,} trained", to_terminal=False)
        if settings.warmup_share is None and warmup < settings.warmup_steps:
            self.log.say(
                f"warning: warm-up of {settings.warmup_steps} steps cut to {warmup}, a third of the run's {total}"
            )

    def _of_phase(self) -> dict[str, Any]:
        return {"phase": self.phase.number} if self.phase.count > 1 else {}

    def _run_phase(self, interrupt: Interrupt) -> str:
        """Trains the phase to its end; gives the reason."""
        progress = self.progress
        if self.run.can_predict and progress.step == 0 and len(self.validation_rows):
            values = self._evaluate(self.validation_rows).values
            self._by_main(lambda: self.keeper.save_start(values, progress))
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
            self.log.say(f"interrupted at step {progress.step}; {path} is whole, continue with --resume")
        else:
            self._close(stopped)
        return stopped

    def _ended(self) -> str | None:
        """Why a phase that is resumed had already ended inside an epoch, or None."""
        stopping = self.phase.settings.early_stopping
        if stopping and self.progress.stale_evaluations >= stopping.patience:
            return "early"
        inside = (
            self.progress.phase_step >= self.epochs.total_steps
            and self.progress.epoch < self.phase.settings.epochs
        )
        return "max_steps" if inside and self.phase.settings.max_steps else None

    def _epoch(self, interrupt: Interrupt) -> str | None:
        """Trains to the end of the epoch; gives the reason where the phase stops inside it."""
        progress = self.progress
        plan, first = self.epochs.plan(progress.epoch), progress.step_in_epoch
        steps = self.epochs.load(progress.epoch, first, self.accelerator)
        meter = Meter()
        for _ in range(first, plan.num_steps):
            began = time.perf_counter()
            micro, fault = self._next(steps)
            waited = time.perf_counter() - began
            agreed = self.agreement.of_step(
                [sum(batch.targets[s.name].count for batch in micro) for s in self.model.outputs],
                failed=sum(_lost_rows(batch) for batch in micro),
                interrupted=interrupt.asked,
                fault=fault,
            )
            if agreed.interrupted:
                return "interrupted"
            self._note_failed(micro, agreed.failed)
            self.targets_seen = [a + b for a, b in zip(self.targets_seen, agreed.counts, strict=True)]
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
        self._settle()
        if first == 0:
            self._refuse_untrained_outputs()
        return None

    @staticmethod
    def _next(steps: Any) -> tuple[list[Batch], BaseException | None]:
        try:
            return next(steps), None
        except Exception as error:
            return [], error

    def _refuse_untrained_outputs(self) -> None:
        never = [s.name for s, seen in zip(self.model.outputs, self.targets_seen, strict=True) if not seen]
        if never:
            raise TrainingError(
                f"no training row had a usable label for {', '.join(never)} in a whole epoch; the reasons, if any, are "
                "in quarantine.jsonl; take the task out of the recipe or give it labels"
            )

    def _due(self) -> str | None:
        """Evaluates and saves where that is due; gives the reason where the phase stops here."""
        settings, progress = self.phase.settings, self.progress
        step, every = progress.step, settings.evaluate_every_steps
        at_end_of_epoch = progress.step_in_epoch == self.epochs.plan(progress.epoch).num_steps
        finished = progress.phase_step >= self.epochs.total_steps
        if (every and step % every == 0) or (every is None and at_end_of_epoch) or finished:
            improved = self._evaluate_and_keep()
            stopping = settings.early_stopping
            if stopping and not improved and progress.stale_evaluations >= stopping.patience:
                return "early"
            if settings.save_every_steps is None and not finished:
                self._checkpoint()
        if settings.save_every_steps and step % settings.save_every_steps == 0:
            self._checkpoint()
        at_the_end = at_end_of_epoch and progress.epoch + 1 == settings.epochs
        return "max_steps" if finished and not at_the_end else None

    def _note_failed(self, micro: Sequence[Batch], failed: int) -> None:
        """Writes down this process's unusable rows; counts those of all. Too many stop the run, everywhere alike."""
        failures = [one for batch in micro for one in batch.failed]
        if failures:
            ids, files = self.run.manifest.column("id"), self.run.manifest.column("audio")
            with (self.run.folder / QUARANTINE).open("a", encoding="utf-8") as file:
                for row, reason in failures:
                    record = {
                        "id": ids[row].as_py(),
                        "audio": files[row].as_py(),
                        "reason": reason,
                        "stage": "training",
                    }
                    file.write(json.dumps(record, ensure_ascii=False) + "\n")
        self.progress.failed_rows += failed
        rows = len(self.epochs.rows)
        if failed and self.progress.failed_rows > max(self.settings.max_failed_share * rows, 1):
            raise TrainingError(
                f"{self.progress.failed_rows} of {rows} training rows could not be used in this "
                "epoch, more than train.max_failed_share allows; their ids and reasons are in quarantine.jsonl"
            )

    def _settle(self) -> None:
        """Counts the steps that were skipped since the last look, and names their rows. Too many stop the run."""
        progress, processes = self.progress, self.accelerator.num_processes
        for done, local in self.stepper.non_finite():
            in_epoch = progress.step_in_epoch - (progress.phase_step - done)
            micro = [i * processes + rank for i in local for rank in range(processes)] or None
            ids = self.run.manifest.column("id")
            rows = self.epochs.rows_of_step(progress.epoch, in_epoch, micro)
            shown = ", ".join(str(ids[int(row)].as_py()) for row in rows[:12])
            shown += " …" if len(rows) > 12 else ""
            at = progress.step - (progress.phase_step - done)
            progress.non_finite_steps += 1
            self.log.say(f"warning: step {at + 1} skipped, loss or gradient not finite; rows {shown}")
            if progress.non_finite_steps > self.settings.max_non_finite_steps:
                raise TrainingError(
                    f"{progress.non_finite_steps} steps had a loss or gradient that is not finite, the last with "
                    f"rows {shown}; lower train.learning_rate or use train.precision=fp32"
                )

    def _after_step(self, masked: float, meter: Meter) -> None:
        """Looks at the step where that costs nothing or is due, and logs it."""
        progress = self.progress
        due = progress.step % self.settings.log_every_steps == 0 or progress.phase_step == 1
        if due or self.looks_at_every_step:
            self._settle()
        watched, last = self.stepper.watched_steps, progress.phase_step == self.epochs.total_steps
        if not self.watch_done and (watched == WATCHED_STEPS or (last and watched > 1)):
            self.watch_done = True
            self._refuse_silent_weights()
        if due:
            losses = self.stepper.means()
            finite = [s.weight * losses[s.name] for s in self.model.outputs if math.isfinite(losses[s.name])]
            self.last_loss = sum(finite)
            self.log.event(
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
        self.log.progress(
            progress.phase_step,
            self.epochs.total_steps,
            f"{phase}epoch {progress.epoch + 1}/{self.phase.settings.epochs}  loss {self.last_loss:.3f}  "
            f"{meter.audio_s_per_s:.0f} audio-s/s  waiting for data {100 * meter.wait_share:.0f} %",
        )

    def _refuse_silent_weights(self) -> None:
        silent = self.stepper.watch.silent()
        if silent:
            raise TrainingError(
                f"{len(silent)} trainable tensors had no gradient in the first {self.progress.phase_step} steps, "
                f"beginning with {silent[0]}; they would be saved as if trained: freeze them under model.freeze or "
                "correct model.lora.targets"
            )

    def _epoch_so_far(self) -> float:
        steps = max(self.epochs.plan(self.progress.epoch).num_steps, 1)
        return self.progress.epoch + self.progress.step_in_epoch / steps

    def _averaged(self) -> contextlib.AbstractContextManager[None]:
        """The averaged weights in the model's place, where there are any."""
        averager = self.stepper.averager
        return contextlib.nullcontext() if averager is None else averager.in_place()

    def _evaluate(self, rows: NDArray[np.int64], event: str = "evaluate") -> Validation:
        """Evaluates the weights as they stand."""
        result = validate(
            self.model,
            self.run.tasks,
            self.epochs.plain_collator,
            rows,
            self.epochs.durations_s[rows],
            padded_seconds=self.run.batches.evaluation_padded_seconds,
            num_workers=self.run.batches.num_workers,
            accelerator=self.accelerator,
        )
        self.log.event(
            event,
            step=self.progress.step,
            **self._of_phase(),
            epoch=self._epoch_so_far(),
            rows=len(rows),
            failed=result.num_failed,
            **{f"val/{name}": value for name, value in result.values.items()},
        )
        return result

    def _evaluate_and_keep(self) -> bool:
        """Evaluates, keeps what is among the best so far; True where the monitored value improved."""
        self._settle()
        progress = self.progress
        progress.last_evaluation = progress.step
        if len(self.validation_rows) == 0:
            return True
        averaged = self.stepper.averager is not None
        with self._averaged():
            values = self._evaluate(self.validation_rows).values
            entered = self.selection.entered(values, progress)
            self._by_main(lambda: self.keeper.save_best(entered, values, progress, averaged=averaged))
            if entered.get(self.selection.decisive) == 0:
                self._keep_weights()
        return self.selection.monitored_improved(values, progress)

    def _keep_weights(self) -> None:
        """Keeps the weights as they stand as those the next phase starts from."""
        name = f"best-phase{self.phase.number}-step-{self.progress.step}.safetensors"
        if self.phase.count > 1 or len(self.validation_rows) < len(self.run.validation_rows):
            self._by_main(lambda: save_weights(self.store / name, trainable_state(self.model, self.changed)))
            self.progress.best_weights = name

    def _close(self, stopped: str) -> None:
        """Ends the phase: the last weights as a bundle, all of the validation split where it was sampled."""
        progress = self.progress
        if progress.last_evaluation != progress.step:
            self._evaluate_and_keep()
        averaged = self.stepper.averager is not None
        with self._averaged():
            self._by_main(lambda: self.keeper.save("last", {}, progress, averaged=averaged))
            if progress.best_weights is None:
                self._keep_weights()
        if averaged:
            self._by_main(lambda: self.keeper.save("last_raw", {}, progress, averaged=False))
        self._evaluate_best_on_all()
        if not torch.equal(self.frozen, frozen_sums(self.model)):
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
            self.log.event("phase_end", step=progress.step, **self._of_phase(), stopped=stopped, best=progress.best)
        self._checkpoint()

    def _evaluate_best_on_all(self) -> None:
        """Where evaluations took a sample: the best weights on the whole validation split, noted in their card."""
        rows, name = self.run.validation_rows, self.progress.best_weights
        if len(self.validation_rows) == len(rows) or name is None:
            return
        own = {key: value.clone() for key, value in trainable_state(self.model, self.changed).items()}
        self._put(load_weights(self.store / name))
        values = self._evaluate(rows, "evaluate_all").values
        self._put(own)
        finite = {key: value for key, value in values.items() if math.isfinite(value)}
        self._by_main(lambda: self.keeper.note(self.selection.decisive, metrics_of_all_rows=finite))

    def _by_main(self, action: Any) -> Any:
        """What only the first process does; where it fails, all stop."""
        return self.agreement.by_one(self.main, action)

    def _checkpoint(self) -> Path | None:
        self._settle()
        averager, scaler = self.stepper.averager, self.accelerator.scaler
        done = self.phases[: self.phase.number]
        path: Path | None = self._by_main(
            lambda: save_checkpoint(
                self.store,
                progress=self.progress,
                identity=self.run.identity | {f"phase {p.number}": p.digest() for p in done},
                weights=trainable_state(self.model, self.changed),
                optimizer=self.stepper.optimizer,
                scaler=scaler.state_dict() if scaler is not None else None,
                averages=None if averager is None else averager.weights,
                files=self.log.lengths(),
                keep_newest=self.settings.keep_newest,
            )
        )
        if self.main:
            clean(self.store)
        return path


def _lost_rows(batch: Batch) -> int:
    """Rows that serve no task: one that only some tasks cannot use is not lost."""
    if not batch.failed:
        return 0
    useful = torch.stack([target.present for target in batch.targets.values()]).any(dim=0).tolist()
    bad = {row for row, _ in batch.failed}
    return sum(row in bad and not good for row, good in zip(batch.rows.tolist(), useful, strict=True))
