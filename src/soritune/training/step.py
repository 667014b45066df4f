"""One optimizer step: forward, backward, clipping, update. Next: `training/phase_trainer.py`.

A step is G micro-batches, spread over processes; the loss of an output is its sum over the whole step divided by
that output's own count over the whole step, so batch layout and number of processes change nothing but rounding.

Nothing here waits for the device. A step whose loss or gradient is not finite leaves weights, moments and averages
unchanged: the fused optimizer skips it on the device. The loop collects such steps from time to time.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Sequence
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor

from soritune.models.gradient_watch import GradientWatch
from soritune.models.model import SpeechModel
from soritune.tasks.inputs.input import PRESENT
from soritune.training.averaging import Averager
from soritune.training.batches.batch import Batch
from soritune.training.checkpoint import Loaded, restore_optimizer
from soritune.training.config import TrainingSettings
from soritune.training.losses import losses
from soritune.training.optimizer import make_optimizer, set_learning_rates

WATCHED_STEPS = 8
"""Steps after which every trainable tensor must have had a gradient. An adapter's first factor has a zero gradient in
step 1."""
LEAST_WATCHED = 3
"""Steps after which a phase that ends has shown a gradient of every weight. The first matrix of an adapter has no
gradient in step 1, where the second is zero, and none in step 2 if step 1 had a rate of zero."""


class Stepper:
    """Optimizer, averages and gradients of one phase.

    Args:
        model: frozen as the phase requires.
        settings: of the phase.
        accelerator: where it is trained.
        sample_rate_hz: of the waveforms.

    Attributes:
        sums: (outputs,) this process's loss sums of the last step, on the device.
        counts: denominator of each output's loss, over all processes.
        norm: the last step's gradient norm before clipping, on the device.
    """

    def __init__(
        self, model: SpeechModel, settings: TrainingSettings, accelerator: Accelerator, *, sample_rate_hz: int
    ) -> None:
        self.model, self.settings, self.accelerator = model, settings, accelerator
        self.sample_rate_hz = sample_rate_hz
        self.optimizer = make_optimizer(model, settings)
        self.wrapped, self.optimizer_step = accelerator.prepare(model, self.optimizer)
        self.averager = None if settings.ema is None else Averager(model, settings.ema)
        self.watch = GradientWatch(model)
        self.watched_steps = 0
        self._steps_with = Counter[str]()
        self._trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
        self.sums = torch.zeros(len(model.outputs), device=accelerator.device)
        self.counts = [0.0] * len(model.outputs)
        self.norm = torch.zeros((), device=accelerator.device)
        self._suspects: list[tuple[int, bool, Tensor]] = []

    @property
    def num_processes(self) -> int:
        """Processes that take a step together."""
        return int(self.accelerator.num_processes)

    @property
    def is_synchronous(self) -> bool:
        """Nothing runs ahead of the host, so waiting for the device after every step costs nothing."""
        device: torch.device = self.accelerator.device
        return self.num_processes == 1 and device.type == "cpu"

    def silent_weights(self) -> list[str]:
        """Names of trained weights without a gradient in all watched steps. Those of an input that too few of these
        steps had are left out: rows with it may be rare, or drawn to go without it."""
        rare = tuple(
            f"inputs.{spec.name}."
            for spec in self.model.input_specs
            if self._steps_with[spec.name] < LEAST_WATCHED
        )
        return [name for name in self.watch.silent() if not name.startswith(rare)]

    def _inputs_of(self, micro: Sequence[Batch]) -> set[str]:
        """Names of the inputs that a row of these micro-batches has."""
        names = (spec.name for spec in self.model.input_specs)
        return {name for name in names if any(bool(batch.inputs[name + PRESENT].any()) for batch in micro)}

    def restore(self, loaded: Loaded) -> None:
        """Optimizer moments, averages and loss scale of a checkpoint."""
        restore_optimizer(self.optimizer, loaded.optimizer)
        if self.averager is not None and loaded.averages is not None:
            self.averager.load(loaded.averages)
        scaler = self.accelerator.scaler
        if loaded.scaler and scaler is not None:
            scaler.load_state_dict(loaded.scaler)

    def scaler_state(self) -> dict[str, Any] | None:
        """State of the loss scaler of fp16; None without one."""
        scaler = self.accelerator.scaler
        return None if scaler is None else dict(scaler.state_dict())

    def learning_rates(self) -> dict[str, float]:
        """Rate of the last step by parameter group."""
        return {group["name"]: group["lr"] for group in self.optimizer.param_groups}

    def release(self) -> None:
        """Takes the model out of the accelerator, so that the next phase can prepare it anew."""
        self.accelerator.unwrap_model(self.wrapped, keep_fp32_wrapper=self.accelerator.num_processes == 1)
        self.accelerator.free_memory()

    def step(self, micro: Sequence[Batch], counts: Sequence[float], *, done: int, total_steps: int) -> None:
        """Takes a step over this process's micro-batches.

        Args:
            micro: the micro-batches.
            counts: per output its count over the whole step, all processes together.
            done: steps of this phase so far.
            total_steps: steps of this phase in all.
        """
        set_learning_rates(self.optimizer, done, self.settings, total_steps)
        self.counts = list(counts)
        self.sums = torch.zeros(len(self.model.outputs), device=self.accelerator.device)
        wrong = []
        for i, batch in enumerate(micro):
            with self._no_sync(i < len(micro) - 1):
                sums, finite = self._backward(batch.to(self.accelerator.device), counts)
            self.sums += sums
            wrong.append(~finite)
        scaled = self.accelerator.scaler is not None
        if scaled:
            self.accelerator.unscale_gradients(self.optimizer_step)
        self.norm = torch.nn.utils.clip_grad_norm_(self._trained, self.settings.max_grad_norm)
        # Each process's own losses matter here only under a loss scaler. Otherwise a loss that is not finite has made
        # the gradient of every process not finite.
        skipped = torch.stack(wrong).any() if scaled else ~torch.isfinite(self.norm)
        watched = self.watched_steps < WATCHED_STEPS and all(counts)
        if watched and not (scaled and not bool(torch.isfinite(self.norm))):
            self.watch.observe()
            self.watched_steps += 1
            self._steps_with.update(self._inputs_of(micro))
        if not scaled:
            # Read by the fused kernel, which then changes nothing. A loss scaler does the same by itself.
            self.optimizer.found_inf = skipped.float()  # type: ignore[attr-defined]
        self.optimizer_step.step()
        self.optimizer.zero_grad(set_to_none=True)
        if self.averager is not None:
            self.averager.update(done + 1)
        self._suspects.append((done, watched and not scaled, torch.stack([skipped, *wrong])))

    def non_finite(self) -> list[tuple[int, list[int]]]:
        """Steps since the last call that were not finite, and the micro-batches whose loss was not finite.

        Waits for the device once.
        """
        if not self._suspects:
            return []
        flags = torch.stack([flag for *_, flag in self._suspects])
        if self.accelerator.num_processes > 1:
            flags = self.accelerator.reduce(flags.float(), reduction="sum") > 0
        steps = []
        for (done, watched, _), (skipped, *wrong) in zip(self._suspects, flags.tolist(), strict=True):
            if skipped:
                steps.append((done, [i for i, is_wrong in enumerate(wrong) if is_wrong]))
                self.watched_steps -= watched
        self._suspects = []
        return steps

    def means(self) -> dict[str, float]:
        """Mean loss per output of the last step, over all processes; nan without a label. Waits for the device."""
        sums = self.sums
        if self.accelerator.num_processes > 1:
            sums = self.accelerator.reduce(sums, reduction="sum")
        return {
            spec.name: total / count if count else float("nan")
            for spec, total, count in zip(self.model.outputs, sums.tolist(), self.counts, strict=True)
        }

    def _backward(self, batch: Batch, counts: Sequence[float]) -> tuple[Tensor, Tensor]:
        """Adds a micro-batch's share to the gradient; returns its loss sums, (outputs,), and if they are finite."""
        torch.manual_seed(batch.seed)
        outputs, device = self.model.outputs, self.accelerator.device
        if len(batch.rows) == 0:
            if self.accelerator.num_processes > 1:
                self._idle()
            return torch.zeros(len(outputs), device=device), torch.ones((), dtype=torch.bool, device=device)
        _, by_output = losses(self.model, batch, wrapped=self.wrapped)
        total = torch.zeros((), device=device)
        sums = []
        for spec, count in zip(outputs, counts, strict=True):
            loss = by_output[spec.name].total
            sums.append(loss.detach())
            # The exchange averages gradients over processes, and the counts are already summed over all of them. An
            # output without labels adds zero: every process must send a gradient for every weight.
            total = total + loss * (spec.weight * self.accelerator.num_processes / count if count else 0.0)
        finite = torch.isfinite(total.detach())
        # An infinite loss may have a finite gradient. With nan, no process takes a step that another one skips.
        total = total * torch.where(finite, 1.0, torch.nan)
        if total.requires_grad:
            self.accelerator.backward(total)
        return torch.stack(sums), finite

    def _idle(self) -> None:
        """Takes part in the gradient exchange of a step for which this process has no batch."""
        device, samples = self.accelerator.device, self.sample_rate_hz
        silence = {"waveform": torch.zeros(1, samples), "num_samples": torch.tensor([samples])}
        output = self.wrapped(**{name: tensor.to(device) for name, tensor in silence.items()})
        total = sum(logits.sum() * 0.0 for logits in output.logits.values())
        # Without a value an input module reads only its placeholder; its other weights must send a gradient too.
        inputs = self.model.inputs
        unused = [weight for weight in inputs.parameters() if weight.requires_grad]
        self.accelerator.backward(total + sum(weight.sum() * 0.0 for weight in unused))

    def _no_sync(self, more_follow: bool) -> Any:
        """Defers the gradient exchange to the last micro-batch of a step."""
        if more_follow and self.accelerator.num_processes > 1:
            return self.accelerator.no_sync(self.wrapped)
        return contextlib.nullcontext()
