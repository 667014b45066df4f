"""The training loop, one for every recipe. Next: `reports/score.py`.

A step is G micro-batches, spread over processes; the loss of an output is its sum over the whole step divided by
that output's own count over the whole step, so batch layout and number of processes change nothing but rounding.
"""

from __future__ import annotations

import contextlib
import json
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from numpy.typing import NDArray

from soritune.audio.preprocessing import Preprocessing
from soritune.batches.collate import Batch, Collator, Draws
from soritune.batches.config import AugmentSettings, BatchSettings
from soritune.batches.loader import load_batches
from soritune.batches.plan import EpochPlan, plan_epoch
from soritune.bundle import frames_of
from soritune.corpus.manifest import Manifest
from soritune.errors import TrainingError
from soritune.models.checkpoint_io import load_trainable_state, save_bundle, trainable_state
from soritune.models.freezing import GradientWatch
from soritune.models.heads import loss_sum
from soritune.models.model import SpeechModel
from soritune.tasks.task import Task
from soritune.training.checkpoint import (
    Progress,
    newest_checkpoint,
    restore_optimizer,
    save_checkpoint,
)
from soritune.training.config import TrainingSettings
from soritune.training.devices import make_accelerator
from soritune.training.find_batch import memory_explained
from soritune.training.interrupt import Interrupt
from soritune.training.log import Meter, RunLog
from soritune.training.optimizer import make_optimizer, set_learning_rates, warmup_of
from soritune.training.selection import Selection, drop_old_epochs
from soritune.training.validation import Validation, validate

WATCHED_STEPS = 8
"""Steps after which every trainable tensor must have had a gradient; an adapter's first factor has none in step 1."""


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
    stopped: str
    """"end", "early", "max_steps" or "interrupted"."""
    seconds: float


def train(run: TrainingRun, *, resume: bool = False, quiet: bool = False) -> TrainingResult:
    """Trains `run.model`, writing checkpoints and bundles into `run.folder`.

    Args:
        resume: continue from the newest whole checkpoint of the folder.
        quiet: nothing on the terminal.

    Raises:
        TrainingError: nothing to train on, a silent parameter, too many unusable rows or non-finite steps, or a
            checkpoint that belongs to another run.
    """
    if len(run.train_rows) == 0:
        raise TrainingError("the training split is empty; look at splits.parquet or give other split ratios")
    loaded = None
    if resume:
        loaded = newest_checkpoint(run.folder / "checkpoints", run.identity)
    log = RunLog(
        run.folder,
        keep_bytes=loaded.log_bytes if loaded else None,
        tensorboard=run.settings.tensorboard,
        quiet=quiet,
    )
    with log:
        loop = _Loop(run, log)
        if loaded is not None:
            load_trainable_state(loop.model, loaded.weights)
            restore_optimizer(loop.optimizer, loaded.optimizer)
            loop.restore(loaded.progress, loaded.scaler)
        return loop.run_to_end()


class _Loop:
    def __init__(self, run: TrainingRun, log: RunLog) -> None:
        self.run, self.log, self.settings = run, log, run.settings
        self.progress = Progress()
        self.accelerator: Accelerator = make_accelerator(run.settings)
        self.model = run.model
        self.optimizer = make_optimizer(self.model, self.settings)
        self.wrapped, self.optimizer_step = self.accelerator.prepare(self.model, self.optimizer)
        self.watch = GradientWatch(self.model)
        kernel, stride = self.model.conv_geometry
        make_collator = partial(
            Collator,
            run.manifest,
            run.tasks,
            run.preprocessing,
            num_frames=partial(frames_of, conv_kernel=kernel, conv_stride=stride),
            hidden_size=self.model.hidden_size,
        )
        self.collator = make_collator(augment=run.augment, label_smoothing=run.batches.label_smoothing)
        self.plain_collator = make_collator()
        self.durations_s = self._durations()
        self.plans: dict[int, EpochPlan] = {}
        self.total_steps = self._count_steps()
        self.watched_steps, self.watch_done = 0, False
        self.targets_seen = [0.0] * len(self.model.outputs)
        self.noted: set[tuple[int, str]] = set()
        self.selection = Selection(run.tasks, self.settings)

    def _durations(self) -> NDArray[np.float64]:
        limit = self.run.preprocessing.max_duration_s
        durations = self.run.manifest.durations_s
        return durations if limit is None else np.minimum(durations, limit)

    def plan(self, epoch: int) -> EpochPlan:
        """Plan of an epoch; only the current one is kept."""
        if epoch not in self.plans:
            rows = self.run.train_rows
            factors = self.collator.speed_factors(rows, self.draws(epoch))
            self.plans = {
                epoch: plan_epoch(
                    rows,
                    self.durations_s[rows] / factors,
                    self.run.batches,
                    seed=self.settings.seed,
                    epoch=epoch,
                )
            }
        return self.plans[epoch]

    def _count_steps(self) -> int:
        """Optimizer steps of the whole run, exactly: with changes of speed, epochs differ in length."""
        limit = self.settings.max_steps or math.inf
        total, steps = 0, 0
        for epoch in range(self.settings.epochs):
            if epoch == 0 or self.run.augment.speed is not None:
                steps = self.plan(epoch).num_steps
            total += steps
            if total >= limit:
                return int(limit)
        return total

    def draws(self, epoch: int) -> Draws:
        return Draws(self.settings.seed, self.progress.phase, epoch)

    def restore(self, progress: Progress, scaler: dict[str, Any] | None) -> None:
        self.progress = progress
        if scaler and self.accelerator.scaler is not None:
            self.accelerator.scaler.load_state_dict(scaler)
        self.watch = GradientWatch(self.model)
        self.log.say(f"resumed at step {progress.step} of {self.total_steps}")

    def run_to_end(self) -> TrainingResult:
        started = time.perf_counter()
        self._say_start()
        if self.run.can_predict and self.progress.step == 0 and len(self.run.validation_rows):
            self._keep("start", self._evaluate().values)
        stopped = self._ended() or "end"
        with Interrupt() as interrupt:
            while self._ended() is None and self.progress.epoch < self.settings.epochs:
                reason = self._epoch(interrupt)
                if reason is not None:
                    stopped = reason
                    break
                self.progress.epoch += 1
                self.progress.step_in_epoch = 0
                self.progress.failed_rows = 0
        if stopped != "interrupted":
            if self.progress.last_evaluation != self.progress.step:
                self._evaluate_and_keep()
            self._keep("last", {})
            self._checkpoint()
        seconds = time.perf_counter() - started
        self.log.event("end", step=self.progress.step, stopped=stopped, seconds=round(seconds, 1))
        return TrainingResult(self.run.folder, self.progress.step, dict(self.progress.best), stopped, seconds)

    def _ended(self) -> str | None:
        """Why a run that is resumed had already ended inside an epoch, or None."""
        stopping = self.settings.early_stopping
        if stopping and self.progress.stale_evaluations >= stopping.patience:
            return "early"
        inside = self.progress.step >= self.total_steps and self.progress.epoch < self.settings.epochs
        return "max_steps" if inside and self.settings.max_steps else None

    def _say_start(self) -> None:
        plan = self.plan(self.progress.epoch)
        warmup = warmup_of(self.settings, self.total_steps)
        asked = self.settings.warmup_steps
        self.log.event(
            "start",
            step=self.progress.step,
            total_steps=self.total_steps,
            train_rows=len(self.run.train_rows),
            train_hours=float(self.durations_s[self.run.train_rows].sum() / 3600),
            validation_rows=len(self.run.validation_rows),
            padding_share=plan.padding_share,
            warmup_steps=warmup,
            processes=self.accelerator.num_processes,
            device=str(self.accelerator.device),
            precision=self.accelerator.mixed_precision,
            seed=self.settings.seed,
        )
        if self.settings.warmup_share is None and warmup < asked:
            self.log.say(
                f"warning: warm-up of {asked} steps cut to {warmup}, a third of the run's {self.total_steps}"
            )

    def _epoch(self, interrupt: Interrupt) -> str | None:
        """Trains to the end of the epoch; gives the reason where the run stops inside it."""
        plan = self.plan(self.progress.epoch)
        per_step = plan.micro_batches_per_step
        processes, rank = self.accelerator.num_processes, self.accelerator.process_index
        if per_step % processes:
            raise TrainingError(
                f"batches.micro_batches_per_step={per_step} cannot be shared evenly by {processes} processes; "
                f"choose a multiple of {processes}"
            )
        first = self.progress.step_in_epoch
        mine = [
            step * per_step + j
            for step in range(first, plan.num_steps)
            for j in range(rank, per_step, processes)
        ]
        batches = load_batches(
            plan,
            self.collator,
            self.draws(self.progress.epoch),
            mine,
            num_workers=self.run.batches.num_workers,
        )
        meter = Meter()
        for _ in range(first, plan.num_steps):
            began = time.perf_counter()
            micro = [next(batches) for _ in range(per_step // processes)]
            waited = time.perf_counter() - began
            with memory_explained(micro, self.run):
                losses, norm = self._step(micro)
            self.progress.step += 1
            self.progress.step_in_epoch += 1
            meter.add(sum(batch.audio_s for batch in micro), waited, time.perf_counter() - began)
            masked = sum(batch.masked_share for batch in micro) / len(micro)
            self._after_step(losses, norm, masked, meter, plan)
            reason = self._due(interrupt, plan)
            if reason is not None:
                return reason
            if first == 0 and self.progress.step_in_epoch == plan.num_steps:
                self._refuse_untrained_outputs()
        return None

    def _refuse_untrained_outputs(self) -> None:
        never = [s.name for s, seen in zip(self.model.outputs, self.targets_seen, strict=True) if not seen]
        if never:
            raise TrainingError(
                f"no training row had a usable label for {', '.join(never)} in a whole epoch; the reasons, if any, are "
                "in quarantine.jsonl; take the task out of the recipe or give it labels"
            )

    def _due(self, interrupt: Interrupt, plan: EpochPlan) -> str | None:
        """Evaluates and saves where that is due; gives the reason where the run stops here."""
        step, every = self.progress.step, self.settings.evaluate_every_steps
        at_end_of_epoch = self.progress.step_in_epoch == plan.num_steps
        finished = step >= self.total_steps
        if (every and step % every == 0) or (every is None and at_end_of_epoch) or finished:
            values, improved = self._evaluate_and_keep()
            if at_end_of_epoch:
                self._keep_epoch(values)
            stopping = self.settings.early_stopping
            if stopping and not improved and self.progress.stale_evaluations >= stopping.patience:
                return "early"
            if self.settings.save_every_steps is None and not finished:
                self._checkpoint()
        elif at_end_of_epoch:
            self._keep_epoch({})
        if self.settings.save_every_steps and step % self.settings.save_every_steps == 0:
            self._checkpoint()
        if self._any(interrupt.asked):
            path = self._checkpoint()
            self.log.say(f"interrupted at step {step}; {path} is whole, continue with --resume")
            return "interrupted"
        at_the_end = at_end_of_epoch and self.progress.epoch + 1 == self.settings.epochs
        return "max_steps" if finished and not at_the_end else None

    def _any(self, flag: bool) -> bool:
        """True where any process says so: all must stop at the same step."""
        if self.accelerator.num_processes == 1:
            return flag
        return bool(self.accelerator.reduce(torch.tensor(float(flag), device=self.accelerator.device)).item())

    def _step(self, micro: Sequence[Batch]) -> tuple[dict[str, float], float]:
        """One optimizer step over this process's micro-batches; gives mean losses and the gradient norm."""
        set_learning_rates(self.optimizer, self.progress.step, self.settings, self.total_steps)
        counts = self._total(
            [sum(batch.targets[s.name].count for batch in micro) for s in self.model.outputs]
        )
        self.targets_seen = [seen + count for seen, count in zip(self.targets_seen, counts, strict=True)]
        sums = torch.zeros(len(self.model.outputs), device=self.accelerator.device)
        for i, batch in enumerate(micro):
            last = i == len(micro) - 1
            with _no_sync(self.accelerator, self.wrapped, wanted=not last):
                sums += self._backward(batch.to(self.accelerator.device), counts)
            self._note_failed(batch)
        if self.accelerator.sync_gradients and self.accelerator.scaler is not None:
            self.accelerator.unscale_gradients(self.optimizer_step)
        trainable = [p for p in self.model.parameters() if p.requires_grad]
        norm = float(torch.nn.utils.clip_grad_norm_(trainable, self.settings.max_grad_norm))
        losses = self._total(sums.tolist())
        means = {
            spec.name: losses[j] / counts[j] if counts[j] else math.nan
            for j, spec in enumerate(self.model.outputs)
        }
        finite_losses = all(math.isfinite(loss) for loss in losses)
        finite = finite_losses and math.isfinite(norm)
        if finite and self.watched_steps < WATCHED_STEPS and all(counts):
            self.watch.observe()
            self.watched_steps += 1
        scaled = self.accelerator.scaler is not None
        if finite or scaled:
            # A loss scaler skips the update of an overflow by itself, and must be told of it to come down.
            self.optimizer_step.step()
        if not finite and not (scaled and finite_losses):
            self._note_non_finite(micro)
        self.optimizer.zero_grad(set_to_none=True)
        return means, norm

    def _backward(self, batch: Batch, counts: Sequence[float]) -> torch.Tensor:
        """Adds a micro-batch's share to the gradient; gives its loss sums, (outputs,), detached."""
        torch.manual_seed(batch.seed)
        outputs = self.model.outputs
        if len(batch.rows) == 0:
            return (
                torch.zeros(len(outputs), device=self.accelerator.device)
                if self.accelerator.num_processes == 1
                else self._idle()
            )
        output = self.wrapped(
            batch.waveform, batch.num_samples, time_mask=batch.time_mask, feature_mask=batch.feature_mask
        )
        total = torch.zeros((), device=self.accelerator.device)
        sums = []
        for j, spec in enumerate(outputs):
            target = batch.targets[spec.name]
            loss = loss_sum(
                spec,
                output.logits[spec.name],
                output.num_frames,
                target.values,
                target.lengths,
                target.present,
            ).total
            sums.append(loss.detach())
            if counts[j]:
                # Gradients are averaged over processes on the way; the counts are already those of all of them.
                total = total + spec.weight * loss * (self.accelerator.num_processes / counts[j])
        if total.requires_grad:
            self.accelerator.backward(total)
        return torch.stack(sums)

    def _idle(self) -> torch.Tensor:
        """Takes part in the gradient exchange of a step this process has nothing for."""
        samples = self.run.preprocessing.sample_rate_hz
        device = self.accelerator.device
        output = self.wrapped(torch.zeros(1, samples, device=device), torch.tensor([samples], device=device))
        self.accelerator.backward(sum(logits.sum() * 0.0 for logits in output.logits.values()))
        return torch.zeros(len(self.model.outputs), device=device)

    def _total(self, values: Sequence[float]) -> list[float]:
        """Sums over processes."""
        if self.accelerator.num_processes == 1:
            return [float(value) for value in values]
        tensor = torch.tensor(values, dtype=torch.float64, device=self.accelerator.device)
        reduced: list[float] = self.accelerator.reduce(tensor, reduction="sum").tolist()
        return reduced

    def _note_failed(self, batch: Batch) -> None:
        if not batch.failed:
            return
        # A row that one task cannot use may still serve another; only what serves none is lost.
        useful = torch.stack([target.present for target in batch.targets.values()]).any(dim=0).tolist()
        bad = {row for row, _ in batch.failed}
        self.progress.failed_rows += sum(
            row in bad and not good for row, good in zip(batch.rows.tolist(), useful, strict=True)
        )
        ids, files = self.run.manifest.column("id"), self.run.manifest.column("audio")
        fresh = [failure for failure in batch.failed if failure not in self.noted]
        self.noted.update(fresh)  # the same row fails again in every epoch
        with (self.run.folder / "quarantine.jsonl").open("a", encoding="utf-8") as file:
            for row, reason in fresh:
                record = {
                    "id": ids[row].as_py(),
                    "audio": files[row].as_py(),
                    "reason": reason,
                    "stage": "training",
                }
                file.write(json.dumps(record, ensure_ascii=False) + "\n")
        if self.progress.failed_rows > max(self.settings.max_failed_share * len(self.run.train_rows), 1):
            raise TrainingError(
                f"{self.progress.failed_rows} of {len(self.run.train_rows)} training rows could not be used in this "
                "epoch, more than train.max_failed_share allows; their ids and reasons are in quarantine.jsonl"
            )

    def _note_non_finite(self, micro: Sequence[Batch]) -> None:
        self.progress.non_finite_steps += 1
        ids = self.run.manifest.column("id")
        shown = ", ".join(str(ids[int(row)].as_py()) for batch in micro for row in batch.rows[:4])
        self.log.say(
            f"warning: step {self.progress.step} skipped, loss or gradient not finite; rows {shown} …"
        )
        if self.progress.non_finite_steps > self.settings.max_non_finite_steps:
            raise TrainingError(
                f"{self.progress.non_finite_steps} steps had a loss or gradient that is not finite, the last with "
                f"rows {shown}; lower train.learning_rate or use train.precision=fp32"
            )

    def _after_step(
        self, losses: dict[str, float], norm: float, masked: float, meter: Meter, plan: EpochPlan
    ) -> None:
        step = self.progress.step
        watched = self.watched_steps
        if not self.watch_done and (watched == WATCHED_STEPS or (step == self.total_steps and watched > 1)):
            self.watch_done = True
            silent = self.watch.silent()
            if silent:
                raise TrainingError(
                    f"{len(silent)} trainable tensors had no gradient in the first {step} steps, beginning with "
                    f"{silent[0]}; they would be saved as if trained: freeze them under model.freeze or correct "
                    "model.lora.targets"
                )
        total = sum(s.weight * losses[s.name] for s in self.model.outputs if math.isfinite(losses[s.name]))
        waiting = f"waiting for data {100 * meter.wait_share:.0f} %"
        state = f"loss {total:.3f}  {meter.audio_s_per_s:.0f} audio-s/s  {waiting}"
        self.log.progress(step, self.total_steps, state)
        if step % self.settings.log_every_steps == 0 or step == 1:
            self.log.event(
                "step",
                step=step,
                epoch=self.progress.epoch + self.progress.step_in_epoch / plan.num_steps,
                loss=total,
                **{f"loss/{name}": loss for name, loss in losses.items()},
                **{f"lr/{g['name']}": g["lr"] for g in self.optimizer.param_groups},
                grad_norm=norm,
                masked_share=masked,
                audio_s_per_s=meter.audio_s_per_s,
                steps_per_s=meter.steps_per_s,
                data_wait=meter.wait_share,
            )

    def _evaluate(self) -> Validation:
        rows = self.run.validation_rows
        result = validate(
            self.model,
            self.run.tasks,
            self.plain_collator,
            rows,
            self.durations_s[rows],
            padded_seconds=self.run.batches.evaluation_padded_seconds,
            num_workers=self.run.batches.num_workers,
            accelerator=self.accelerator,
        )
        self.progress.last_evaluation = self.progress.step
        self.log.event(
            "evaluate",
            step=self.progress.step,
            epoch=self.progress.epoch
            + self.progress.step_in_epoch / max(self.plan(self.progress.epoch).num_steps, 1),
            failed=result.num_failed,
            **{f"val/{name}": value for name, value in result.values.items()},
        )
        return result

    def _evaluate_and_keep(self) -> tuple[dict[str, float], bool]:
        """Evaluates, keeps what is best so far; gives the values and whether the monitored one improved."""
        if len(self.run.validation_rows) == 0:
            return {}, True
        values = self._evaluate().values
        for bundle in self.selection.improved(values, self.progress):
            self._keep(bundle, values)
        return values, self.selection.monitored_improved(values, self.progress)

    def _keep_epoch(self, values: dict[str, float]) -> None:
        """Keeps the weights at the end of an epoch and drops the epochs that are too old.

        It comes before the epoch's checkpoint: a run that is cut off between the two does the epoch again and writes
        the same bundle again.
        """
        keep = self.settings.keep_epochs
        if keep is False or not self.accelerator.is_main_process:
            return
        epoch = self.progress.epoch + 1
        self._keep(f"epoch_{epoch}", values)
        if keep is not True:
            drop_old_epochs(self.run.folder / "bundles", epoch - keep)

    def _keep(self, name: str, values: dict[str, float]) -> None:
        """Saves the weights as they stand as the bundle `name`."""
        if not self.accelerator.is_main_process:
            return
        card = self.run.card | {
            "training": {
                "step": self.progress.step,
                "epoch": self.progress.epoch,
                "metrics": {k: v for k, v in values.items() if math.isfinite(v)},
                "weights": "raw",
            }
        }
        save_bundle(
            self.model,
            self.run.folder / "bundles" / name,
            tasks=self.run.tasks,
            preprocessing=self.run.preprocessing,
            card_fields=card,
        )

    def _checkpoint(self) -> Path | None:
        if not self.accelerator.is_main_process:
            return None
        scaler = self.accelerator.scaler
        return save_checkpoint(
            self.run.folder / "checkpoints",
            progress=self.progress,
            identity=self.run.identity,
            weights=trainable_state(self.model),
            optimizer=self.optimizer,
            scaler=scaler.state_dict() if scaler is not None else None,
            log_bytes=self.log.num_bytes,
            keep_newest=self.settings.keep_newest,
        )


def _no_sync(accelerator: Accelerator, model: Any, *, wanted: bool) -> Any:
    """Holds back the gradient exchange until the last micro-batch of a step."""
    return (
        accelerator.no_sync(model) if wanted and accelerator.num_processes > 1 else contextlib.nullcontext()
    )
