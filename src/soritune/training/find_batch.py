"""The largest padded-seconds budget that fits, and what to do when memory runs out in training.

A try is the worst step a budget can bring: as many utterances as fit under it, all as long as the longest clip at
the slowest speed, forward, backward and an optimizer step, so that gradients and AdamW's moments are there too.
Budgets are multiples of the longest clip: only then does the longest micro-batch fill its budget.
"""

from __future__ import annotations

import contextlib
import gc
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils.memory import should_reduce_batch_size

from soritune.audio.augment.chain import Chain
from soritune.corpus.manifest import Manifest
from soritune.draws import Draws
from soritune.errors import TrainingError
from soritune.training.batches.batch import Batch
from soritune.training.batches.collate import Collator
from soritune.training.devices import make_accelerator
from soritune.training.losses import losses
from soritune.training.optimizer import make_optimizer
from soritune.training.phases import resolve_phases
from soritune.training.run import TrainingRun

GB = 1e9
ALONE = (
    "it is one utterance: set preprocessing.max_duration_s lower, model.gradient_checkpointing=true or "
    "train.precision=bf16"
)
FINDING = "; the option --find-batch tells the largest that fits"
MARGIN = 0.1
"""Share of the budget that fits which is left free: lengths vary from step to step, and an allocator that has
served many keeps gaps."""


@dataclass(frozen=True, slots=True)
class FoundBatch:
    """What fits."""

    padded_seconds: float
    """The setting to use: what fitted, less `MARGIN`, but never less than the longest clip."""
    fitted_s: float
    """Largest padded seconds that were tried and fitted."""
    failed_s: float | None
    """Smallest that did not; None where the whole training split fits in one micro-batch."""
    longest_s: float
    """Longest clip of the training split, at the slowest speed."""
    longest_id: str
    peak_gb: float
    """Memory at the largest budget that fitted."""
    limit_gb: float
    """Memory there is."""
    device: str
    replaces_batch_size: bool = False
    """The recipe gives a fixed number of utterances, which must make way."""

    @property
    def setting(self) -> str:
        """As it is given on the command line."""
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
        fits: whether so many fit; if n do, so does any smaller number.
        most: no more than this is asked for.

    Returns:
        The largest number that fits (0: not even one) and the smallest that was seen not to, or None.
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
        run: as for `train`; its model is of no use afterwards.
        memory_gb: memory of the process (CPU) or of the card (GPU) that may be used; None takes all that is free.
        progress: told of each try.

    Raises:
        TrainingError: no training rows, or a single clip does not fit.
    """
    if len(run.train_rows) == 0:
        raise TrainingError("the training split is empty; there is no batch to try")
    trial = _Trial(run)
    gauge = (_CudaMemory if trial.device.type == "cuda" else _HostMemory)(memory_gb, trial.device)

    def fits(utterances: int) -> bool:
        with gauge.measured(utterances) as allowed:
            done = allowed and trial.step(utterances)
        done = done and gauge.peaks[utterances] <= gauge.limit_gb
        told = f"fit, {gauge.peaks[utterances]:.2f} GB" if done else "do not fit"
        progress(
            f"{utterances} × {trial.longest_s:.1f} s = {utterances * trial.longest_s:.0f} padded seconds {told}"
        )
        return done

    best, failed = largest_that_fits(fits, len(run.train_rows))
    if best == 0:
        raise TrainingError(
            f"one utterance of {trial.longest_s:.1f} s ({trial.longest_id}) alone does not fit in "
            f"{gauge.limit_gb:.2f} GB; set preprocessing.max_duration_s lower, model.gradient_checkpointing=true or "
            "train.precision=bf16"
        )
    fitted_s = best * trial.longest_s
    return FoundBatch(
        padded_seconds=float(max(math.floor(fitted_s * (1 - MARGIN)), math.ceil(trial.longest_s * 10) / 10)),
        fitted_s=fitted_s,
        failed_s=None if failed is None else failed * trial.longest_s,
        longest_s=trial.longest_s,
        longest_id=trial.longest_id,
        peak_gb=gauge.peaks[best],
        limit_gb=gauge.limit_gb,
        device=str(trial.device),
        replaces_batch_size=run.batches.batch_size is not None,
    )


class _Trial:
    """A model, its optimizer, and the worst batch of a size."""

    def __init__(self, run: TrainingRun) -> None:
        self.run = run
        self.accelerator: Accelerator = make_accelerator(run.settings)
        self.device = self.accelerator.device
        optimizer = make_optimizer(run.model, run.settings)
        self.model, self.optimizer = self.accelerator.prepare(run.model, optimizer)
        phases = resolve_phases(run.settings, run.augment, run.model.config.freeze)
        # Averages of the weights take as much room as what is trained.
        averaged = any(phase.settings.ema is not None for phase in phases)
        trained = [parameter for parameter in run.model.parameters() if parameter.requires_grad]
        self.averages = [parameter.detach().clone() for parameter in trained] if averaged else []
        chains = [Chain.of(phase.augment) for phase in phases]
        self.masked = any(chain.masking for chain in chains)
        self.collator = Collator(
            run.manifest,
            run.tasks,
            run.preprocessing,
            num_frames=run.model.geometry.num_frames,
            hidden_size=run.model.hidden_size,
            label_smoothing=run.batches.label_smoothing,
        )
        limit = run.preprocessing.max_duration_s
        durations = run.manifest.durations_s[run.train_rows]
        durations = durations if limit is None else np.minimum(durations, limit)
        self.rows = run.train_rows[np.argsort(-durations, kind="stable")]
        self.longest_s = float(durations.max()) / min(1.0, *(chain.slowest for chain in chains))
        self.longest_id = str(run.manifest.column("id")[int(self.rows[0])].as_py())

    def step(self, utterances: int) -> bool:
        """Forward, backward and optimizer step; False where memory runs out. Nothing of it stays allocated."""
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
        """The longest rows with their labels, all stretched with noise to the longest clip at the slowest speed."""
        draws = Draws(0, 0, 0)
        length = math.ceil(self.longest_s * self.run.preprocessing.sample_rate_hz)
        noise = 0.1 * np.random.default_rng(0).standard_normal(length, dtype=np.float32)
        rows = np.resize(self.rows, utterances)
        samples = [replace(self.collator.read(int(row), draws), waveform=noise) for row in rows]
        batch = self.collator.collate(samples, draws, 0)
        if self.masked:
            frames = self.run.model.geometry.num_frames(length)
            batch.inputs["time_mask"] = torch.zeros(utterances, frames, dtype=torch.bool)
            batch.inputs["feature_mask"] = torch.zeros(
                utterances, self.run.model.hidden_size, dtype=torch.bool
            )
        return batch.to(self.device)

    def _step(self, batch: Batch) -> None:
        self.run.model.train()
        with self.accelerator.autocast():
            _, by_output = losses(self.run.model, batch, wrapped=self.model)
        total = torch.zeros((), device=self.device)
        for spec in self.run.model.outputs:
            total = total + spec.weight * by_output[spec.name].total / max(
                batch.targets[spec.name].count, 1.0
            )
        self.accelerator.backward(total)
        trainable = [parameter for parameter in self.run.model.parameters() if parameter.requires_grad]
        self.accelerator.clip_grad_norm_(trainable, self.run.settings.max_grad_norm)
        self.optimizer.step()


class _CudaMemory:
    """Memory of a card. Its allocator raises by itself when there is no more."""

    def __init__(self, memory_gb: float | None, device: torch.device) -> None:
        self.device, self.peaks = device, dict[int, float]()
        free, total = torch.cuda.mem_get_info(device)
        self.limit_gb = (free + torch.cuda.memory_reserved(device)) / GB
        if memory_gb is not None:
            self.limit_gb = min(memory_gb, self.limit_gb)
            torch.cuda.set_per_process_memory_fraction(min(memory_gb * GB / total, 1.0), device)

    @contextmanager
    def measured(self, utterances: int) -> Iterator[bool]:
        """Notes the peak of the block."""
        torch.cuda.reset_peak_memory_stats(self.device)
        yield True
        torch.cuda.synchronize(self.device)
        self.peaks[utterances] = torch.cuda.max_memory_reserved(self.device) / GB


class _HostMemory:
    """Memory of this process on the host. The system would end the process rather than refuse, so nothing is tried
    that the tries before say will not fit: memory grows linearly with the number of utterances of one length."""

    def __init__(self, memory_gb: float | None, device: torch.device) -> None:
        self.peaks = dict[int, float]()
        self.limit_gb = memory_gb or resident_gb() + 0.9 * available_gb()

    @contextmanager
    def measured(self, utterances: int) -> Iterator[bool]:
        """Notes the peak of the block, whose content is to be done only where True is given."""
        if self._expected_gb(utterances) > self.limit_gb:
            yield False
            return
        _reset_peak()
        yield True
        self.peaks[utterances] = _peak_gb()

    def _expected_gb(self, utterances: int) -> float:
        known = sorted(self.peaks)
        if not known:
            return resident_gb()
        if len(known) == 1:
            return self.peaks[known[0]]
        few, many = known[-2:]
        slope = (self.peaks[many] - self.peaks[few]) / (many - few)
        return self.peaks[many] + max(slope, 0.0) * (utterances - many)


def resident_gb() -> float:
    """Memory this process holds now."""
    import psutil  # type: ignore[import-untyped,unused-ignore]

    return float(psutil.Process().memory_info().rss) / GB


def available_gb() -> float:
    """Memory that this process could still get: of the machine, or of its container where that has less."""
    import psutil  # type: ignore[import-untyped,unused-ignore]

    free = float(psutil.virtual_memory().available)
    try:
        group = Path("/sys/fs/cgroup")
        limit = (group / "memory.max").read_text().strip()
        if limit.isdecimal():
            free = min(free, float(limit) - float((group / "memory.current").read_text()))
    except OSError:
        pass
    return max(free, 0.0) / GB


def _reset_peak() -> None:
    """Sets Linux's high-water mark of resident memory back (man 5 proc, clear_refs)."""
    # Where that is refused the mark is the highest so far: tries that grow are still measured rightly.
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def _peak_gb() -> float:
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(float(line.split()[1]) for line in lines if line.startswith("VmHWM:")) * 1024 / GB
    except (OSError, StopIteration):
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / GB


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an exception says that there is no more memory, on whatever device."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    text = str(error)
    failed = "out of memory" in text or "CUBLAS_STATUS_ALLOC_FAILED" in text
    return isinstance(error, Exception) and (
        (isinstance(error, RuntimeError) and failed) or bool(should_reduce_batch_size(error))
    )


@contextmanager
def explain_out_of_memory(batches: Sequence[Batch], run: TrainingRun) -> Iterator[None]:
    """Turns running out of memory in a training step into one sentence that names its largest micro-batch and the
    setting to lower.

    Raises:
        TrainingError: out of memory.
    """
    try:
        yield
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        batch = max(batches, key=lambda each: each.padded_samples)
        settings = run.batches
        advice = (
            ALONE
            if len(batch.rows) <= 1
            else f"lower batches.batch_size, now {settings.batch_size}{FINDING}"
            if settings.batch_size is not None
            else f"lower batches.padded_seconds, now {settings.padded_seconds:g}{FINDING}"
        )
        where = _batch_in_words(batch, run.manifest, run.preprocessing.sample_rate_hz)
        raise TrainingError(f"training ran out of memory at {where}; {advice}") from error


@contextmanager
def evaluation_memory_explained(
    batch: Batch, manifest: Manifest, sample_rate_hz: int, padded_seconds: float
) -> Iterator[None]:
    """The same for a micro-batch of an evaluation under a budget of `padded_seconds`.

    Raises:
        TrainingError: out of memory.
    """
    try:
        yield
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        lower = f"lower batches.evaluation_padded_seconds, now {padded_seconds:g}"
        where = _batch_in_words(batch, manifest, sample_rate_hz)
        advice = lower if len(batch.rows) > 1 else ALONE
        raise TrainingError(f"evaluation ran out of memory at {where}; {advice}") from error


def _batch_in_words(batch: Batch, manifest: Manifest, sample_rate_hz: int) -> str:
    ids = [str(manifest.column("id")[int(row)].as_py()) for row in batch.rows[:4]]
    names = ", ".join(ids) + (f" and {len(batch.rows) - 4} more" if len(batch.rows) > 4 else "")
    longest_s, padded_s = batch.longest_samples / sample_rate_hz, batch.padded_samples / sample_rate_hz
    return (
        f"a batch of {len(batch.rows)} utterances ({names}), the longest of {longest_s:.1f} s, {padded_s:.0f} padded "
        "seconds in all"
    )
