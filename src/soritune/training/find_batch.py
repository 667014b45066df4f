"""The largest padded-seconds budget that fits in memory. Next: `training/memory_gauge.py`.

A try is the worst step that a budget allows: as many utterances as fit under it, all as long as the longest clip at
the slowest speed. It runs forward, backward and an optimizer step, so that gradients and AdamW's moments take memory
too. Budgets are multiples of the longest clip: only then does the longest micro-batch fill its budget.
"""

from __future__ import annotations

import gc
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from accelerate import Accelerator
from numpy.typing import NDArray

from soritune.audio.augment.chain import Chain
from soritune.corpus.utterance import FIELDS
from soritune.draws import Draws
from soritune.errors import TrainingError
from soritune.tasks.inputs.input import encode_inputs, values_in_row
from soritune.training.batches.batch import Batch
from soritune.training.batches.collate import Collator
from soritune.training.devices import make_accelerator
from soritune.training.losses import losses
from soritune.training.memory_gauge import memory_gauge
from soritune.training.optimizer import make_optimizer
from soritune.training.out_of_memory import FOR_ONE_UTTERANCE, is_out_of_memory
from soritune.training.phases import resolve_phases
from soritune.training.run import TrainingRun

MARGIN = 0.1
"""Share of the budget that fits which is left free: lengths vary from step to step, and memory becomes fragmented over
many steps."""


@dataclass(frozen=True, slots=True)
class FoundBatch:
    """Result of the search."""

    padded_seconds: float
    """The setting to use: the largest that fitted, less `MARGIN`, but never less than the longest clip."""
    fitted_s: float
    """Largest padded seconds that were tried and fitted."""
    failed_s: float | None
    """Smallest that did not; None if the whole training split fits in one micro-batch."""
    longest_s: float
    """Longest clip of the training split, at the slowest speed."""
    longest_id: str
    peak_gb: float
    """Memory at the largest budget that fitted."""
    limit_gb: float
    """Memory that may be used."""
    device: str
    replaces_batch_size: bool = False
    """The recipe sets a fixed number of utterances, which must be unset."""

    @property
    def setting(self) -> str:
        """As typed on the command line."""
        return f"batches.padded_seconds={self.padded_seconds:g}" + (
            " batches.batch_size=null" if self.replaces_batch_size else ""
        )

    def __str__(self) -> str:
        ends = (
            f"{self.failed_s:.0f} s do not"
            if self.failed_s
            else "the whole training split fits in one micro-batch"
        )
        return (
            f"{self.setting}: {self.fitted_s:.0f} padded seconds fit with {self.peak_gb:.2f} of {self.limit_gb:.2f} GB "
            f"on {self.device}, {ends}; longest clip {self.longest_s:.1f} s ({self.longest_id})"
        )


def largest_that_fits(fits: Callable[[int], bool], most: int) -> tuple[int, int | None]:
    """Doubles, then bisects.

    Args:
        fits: whether this number fits; if n does, so does any smaller number.
        most: the largest number to try.

    Returns:
        The largest number that fits (0: not even one) and the smallest that did not, or None.
    """
    good, bad, size = 0, None, 1
    while bad is None and good < most:
        size = min(size, most)
        if fits(size):
            good, size = size, size * 2
        else:
            bad = size
    while bad is not None and bad - good > 1:
        middle = (good + bad) // 2
        if fits(middle):
            good = middle
        else:
            bad = middle
    return good, bad


def find_batch(
    run: TrainingRun, *, memory_gb: float | None = None, progress: Callable[[str], None] = lambda _: None
) -> FoundBatch:
    """Tries batches of the run's longest clips on its device; trains the run's model a few steps and writes nothing.

    Args:
        run: as for `train`; its model is changed and must not be used afterwards.
        memory_gb: memory of the process (CPU) or of the card (GPU) that may be used; None takes all that is free.
        progress: called with a line for each try.

    Raises:
        TrainingError: no training rows, or a single clip does not fit.
    """
    if len(run.train_rows) == 0:
        raise TrainingError("the training split is empty; there is no batch to try")
    trial = _Trial(run)
    gauge = memory_gauge(trial.device, memory_gb)

    def fits(utterances: int) -> bool:
        with gauge.measured(utterances) as allowed:
            completed = allowed and trial.step(utterances)
        fit = completed and gauge.peaks_gb[utterances] <= gauge.limit_gb
        result = f"fit, {gauge.peaks_gb[utterances]:.2f} GB" if fit else "do not fit"
        progress(
            f"{utterances} × {trial.longest_s:.1f} s = {utterances * trial.longest_s:.0f} padded seconds {result}"
        )
        return fit

    best, failed = largest_that_fits(fits, len(run.train_rows))
    if best == 0:
        raise TrainingError(
            f"one utterance of {trial.longest_s:.1f} s ({trial.longest_id}) alone does not fit in "
            f"{gauge.limit_gb:.2f} GB; {FOR_ONE_UTTERANCE}"
        )
    fitted_s = best * trial.longest_s
    return FoundBatch(
        padded_seconds=float(max(math.floor(fitted_s * (1 - MARGIN)), math.ceil(trial.longest_s * 10) / 10)),
        fitted_s=fitted_s,
        failed_s=None if failed is None else failed * trial.longest_s,
        longest_s=trial.longest_s,
        longest_id=trial.longest_id,
        peak_gb=gauge.peaks_gb[best],
        limit_gb=gauge.limit_gb,
        device=str(trial.device),
        replaces_batch_size=run.batches.batch_size is not None,
    )


class _Trial:
    """A model, its optimizer, and the worst batch of a size."""

    def __init__(self, run: TrainingRun) -> None:
        self.model, self.settings = run.model, run.settings
        self.sample_rate_hz = run.preprocessing.sample_rate_hz
        self.accelerator: Accelerator = make_accelerator(run.settings)
        self.device = self.accelerator.device
        optimizer = make_optimizer(run.model, run.settings)
        self.wrapped, self.optimizer = self.accelerator.prepare(run.model, optimizer)
        config = run.model.config
        phases = resolve_phases(run.settings, run.augment, config.freeze)
        self.trained = [parameter for parameter in run.model.parameters() if parameter.requires_grad]
        # Averages of the weights take as much memory as the trained weights.
        averaged = any(phase.settings.ema is not None for phase in phases)
        self.averages = [parameter.detach().clone() for parameter in self.trained] if averaged else []
        chains = [Chain.of(phase.augment) for phase in phases]
        self.masked = any(chain.masking for chain in chains)
        geometry = run.model.geometry
        self.num_frames = geometry.num_frames
        self.collator = Collator(
            run.manifest,
            run.tasks,
            run.preprocessing,
            num_frames=geometry.num_frames,
            hidden_size=run.model.hidden_size,
            label_smoothing=run.batches.label_smoothing,
        )
        limit = run.preprocessing.max_duration_s
        durations = run.manifest.durations_s[run.train_rows]
        durations = durations if limit is None else np.minimum(durations, limit)
        self.rows = run.train_rows[np.argsort(-durations, kind="stable")]
        self.longest_s = float(durations.max()) / min(1.0, *(chain.slowest for chain in chains))
        self.longest_id = str(run.manifest.column("id")[int(self.rows[0])].as_py())
        self.longest_texts = self._longest_texts(run)

    def _longest_texts(self, run: TrainingRun) -> dict[str, NDArray[Any]]:
        """The input of each kind that reads a column of texts, from the row with the longest text, by name."""
        longest: dict[str, NDArray[Any]] = {}
        for spec in self.collator.read.inputs:
            column = run.manifest.column(spec.column) if spec.column in FIELDS else None
            if column is None or not pa.types.is_string(column.type):
                continue
            lengths = [len(value or "") for value in column.take(pa.array(run.train_rows)).to_pylist()]
            row = int(run.train_rows[int(np.argmax(lengths))])
            longest |= encode_inputs((spec,), values_in_row((spec,), run.manifest.utterance(row)))
        return longest

    def step(self, utterances: int) -> bool:
        """Forward, backward and optimizer step; False if memory runs out. All memory of the step is freed."""
        try:
            self._step(self._batch(utterances))
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            return False
        finally:
            self.optimizer.zero_grad(set_to_none=True)
            gc.collect()
            if self.device.type == "cuda":
                torch.cuda.empty_cache()
        return True

    def _batch(self, utterances: int) -> Batch:
        """The longest rows with their labels; noise as long as the longest clip at the slowest speed, and the longest
        text."""
        draws = Draws(0, 0, 0)
        length = math.ceil(self.longest_s * self.sample_rate_hz)
        noise = 0.1 * np.random.default_rng(0).standard_normal(length, dtype=np.float32)
        rows = np.resize(self.rows, utterances)
        read = [self.collator.read(int(row), draws) for row in rows]
        samples = [
            replace(sample, waveform=noise, inputs={**sample.inputs, **self.longest_texts}) for sample in read
        ]
        batch = self.collator.collate(samples, draws, 0)
        if self.masked:
            batch.inputs["time_mask"] = torch.zeros(utterances, self.num_frames(length), dtype=torch.bool)
            batch.inputs["feature_mask"] = torch.zeros(utterances, self.model.hidden_size, dtype=torch.bool)
        return batch.to(self.device)

    def _step(self, batch: Batch) -> None:
        self.model.train()
        with self.accelerator.autocast():
            _, by_output = losses(self.model, batch, wrapped=self.wrapped)
        total = torch.zeros((), device=self.device)
        for spec in self.model.outputs:
            count = max(batch.targets[spec.name].count, 1.0)
            total = total + spec.weight * by_output[spec.name].total / count
        self.accelerator.backward(total)
        self.accelerator.clip_grad_norm_(self.trained, self.settings.max_grad_norm)
        self.optimizer.step()
