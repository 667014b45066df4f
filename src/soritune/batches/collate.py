"""Manifest rows to one padded micro-batch. Everything drawn here is seeded per utterance, so it does not matter
which process loads a row, in which order, or after which interruption. Next: `batches/loader.py`.

Legend of shapes: batch (utterances), samples, frames (encoder frames), hidden (encoder channels), labels, symbols.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from soritune.audio.augment.chain import Chain
from soritune.audio.augment.mixing import MixableBatch, refusals
from soritune.audio.augment.settings import AugmentSettings
from soritune.audio.preprocessing import Preprocessing
from soritune.corpus.manifest import Manifest
from soritune.draws import Draws, seed_of
from soritune.errors import AudioError, AugmentationError, SorituneError
from soritune.tasks.objectives.objective import PaddedTargets, objective_of, unmixable
from soritune.tasks.task import OutputSpec, Task


@dataclass(slots=True)
class Target:
    """What one output is trained on in a micro-batch."""

    values: Tensor
    """ctc: (batch, symbols) int64; others, per utterance, (batch, labels) and, per frame, (batch, frames, labels)
    float32. Zero-padded (`Objective.pad`)."""
    lengths: Tensor
    """(batch,) int64: symbols or frames of each row; zeros for an output per utterance."""
    present: Tensor
    """(batch,) bool: rows that have this label and could be read."""
    count: float
    """The loss's denominator, as the objective counts it."""

    def to(self, device: torch.device) -> Target:
        """The same on `device`."""
        return Target(
            self.values.to(device, non_blocking=True),
            self.lengths.to(device, non_blocking=True),
            self.present.to(device, non_blocking=True),
            self.count,
        )

    def pin_memory(self) -> Target:
        """The same in memory that a GPU can copy from while others compute; the loader calls it."""
        return Target(
            self.values.pin_memory(), self.lengths.pin_memory(), self.present.pin_memory(), self.count
        )


@dataclass(slots=True)
class Batch:
    """One micro-batch."""

    waveform: Tensor
    """(batch, samples) float32, zero-padded."""
    num_samples: Tensor
    """(batch,) int64."""
    targets: dict[str, Target]
    rows: NDArray[np.int64]
    """Manifest rows, (batch,)."""
    seed: int
    """For everything random in the model's forward pass."""
    time_mask: Tensor | None = None
    """(batch, frames) bool: frames SpecAugment hides."""
    feature_mask: Tensor | None = None
    """(batch, hidden) bool: channels SpecAugment hides."""
    audio_s: float = 0.0
    """Seconds of speech, without padding."""
    masked_share: float = 0.0
    """Share of the valid frames that SpecAugment hides."""
    failed: list[tuple[int, str]] = field(default_factory=list)
    """(row, reason) of rows that could not be read, or not be learnt from by some output; they weigh nothing there."""
    unread: frozenset[int] = frozenset()
    """Rows of `failed` that are silence here because they could not be read."""

    def to(self, device: torch.device) -> Batch:
        """The same with its tensors on `device`."""
        return self._with(
            lambda tensor: tensor.to(device, non_blocking=True), lambda target: target.to(device)
        )

    def pin_memory(self) -> Batch:
        """The same in memory that a GPU can copy from while others compute; the loader calls it."""
        return self._with(Tensor.pin_memory, Target.pin_memory)

    def _with(self, move: Callable[[Tensor], Tensor], move_target: Callable[[Target], Target]) -> Batch:
        return replace(
            self,
            waveform=move(self.waveform),
            num_samples=move(self.num_samples),
            targets={name: move_target(target) for name, target in self.targets.items()},
            time_mask=None if self.time_mask is None else move(self.time_mask),
            feature_mask=None if self.feature_mask is None else move(self.feature_mask),
        )


class Collator:
    """Makes micro-batches of rows.

    Args:
        manifest: where the rows are.
        tasks: what gives targets.
        preprocessing: how audio is read.
        num_frames: encoder frames of a number of samples.
        hidden_size: encoder channels, for feature masks.
        augment: what training changes; None for evaluation.
        label_smoothing: share of the mass of classification targets spread over all labels.

    Raises:
        AugmentationError: batches are to be mixed, and an output has targets that cannot be.
    """

    def __init__(
        self,
        manifest: Manifest,
        tasks: Sequence[Task],
        preprocessing: Preprocessing,
        *,
        num_frames: Callable[[int], int],
        hidden_size: int,
        augment: AugmentSettings | None = None,
        label_smoothing: float = 0.0,
    ) -> None:
        self.manifest, self.tasks, self.preprocessing = manifest, tuple(tasks), preprocessing
        self.num_frames, self.hidden_size = num_frames, hidden_size
        self.chain, self.label_smoothing = Chain.of(augment or AugmentSettings()), label_smoothing
        self.outputs = {spec.name: spec for task in tasks for spec in task.outputs}
        reasons = refusals(self.chain.mixing, unmixable(self.outputs.values()))
        if reasons:
            raise AugmentationError("; ".join(reasons))

    def __call__(self, visits: NDArray[np.int64], draws: Draws, micro_batch: int) -> Batch:
        """Reads rows; one that fails is silence that weighs nothing and is named in `failed`.

        Args:
            visits: manifest rows; one beyond the manifest's length is a further visit to the row it is modulo that,
                with draws of its own.
            draws: of the epoch.
            micro_batch: index in it.
        """
        rows = visits % len(self.manifest)
        waveforms: list[NDArray[np.float32]] = []
        targets: list[Mapping[str, NDArray[Any] | None]] = []
        failed: list[tuple[int, str]] = []
        for row, visit in zip(rows, visits, strict=True):
            try:
                waveform, target = self._row(int(row), int(visit), draws)
            except SorituneError as error:
                failed.append((int(row), error.reason if isinstance(error, AudioError) else str(error)))
                waveform, target = np.zeros(self.preprocessing.sample_rate_hz, np.float32), {}
            waveforms.append(waveform)
            targets.append(target)
        unread = frozenset(row for row, _ in failed)
        lengths = np.array([len(waveform) for waveform in waveforms], dtype=np.int64)
        frames = np.array([self.num_frames(int(n)) for n in lengths], dtype=np.int64)
        padded = np.zeros((len(rows), int(lengths.max(initial=0))), dtype=np.float32)
        for line, waveform in zip(padded, waveforms, strict=True):
            line[: len(waveform)] = waveform
        built = {
            name: self._target(spec, targets, frames, rows, failed) for name, spec in self.outputs.items()
        }
        if self.chain.mixing and len(rows):
            padded, lengths, built = self._mixed(padded, lengths, built, draws, micro_batch)
            frames = np.array([self.num_frames(int(n)) for n in lengths], dtype=np.int64)
        masks = self.chain.masks(visits, frames, self.hidden_size, draws)
        time_mask, feature_mask = (None, None) if masks is None else (_tensor(mask) for mask in masks)
        return Batch(
            waveform=torch.from_numpy(padded),
            num_samples=torch.from_numpy(lengths),
            targets=built,
            rows=rows,
            seed=seed_of(draws.seed, draws.phase, draws.epoch, "model", micro_batch),
            time_mask=time_mask,
            feature_mask=feature_mask,
            audio_s=float(lengths.sum()) / self.preprocessing.sample_rate_hz,
            masked_share=0.0 if time_mask is None else float(time_mask.sum()) / max(int(frames.sum()), 1),
            failed=failed,
            unread=unread,
        )

    def _row(
        self, row: int, visit: int, draws: Draws
    ) -> tuple[NDArray[np.float32], dict[str, NDArray[Any] | None]]:
        utterance = self.manifest.utterance(row)
        waveform = self.preprocessing.read(
            self.manifest.audio_path(utterance),
            start_s=utterance.start_s,
            duration_s=utterance.duration_s if utterance.start_s is not None else None,
            channel=utterance.channel,
        )
        waveform = self.chain.apply(waveform, self.preprocessing.sample_rate_hz, visit, draws)
        targets: dict[str, NDArray[Any] | None] = {}
        for task in self.tasks:
            targets.update(task.targets(utterance))
        return self.preprocessing.finish(waveform), targets

    def _target(
        self,
        spec: OutputSpec,
        targets: Sequence[Mapping[str, NDArray[Any] | None]],
        frames: NDArray[np.int64],
        rows: NDArray[np.int64],
        failed: list[tuple[int, str]],
    ) -> Target:
        objective = objective_of(spec)
        values = [target.get(spec.name) for target in targets]
        for i, value in enumerate(values):
            reason = None if value is None else objective.row_fault(spec, value, int(frames[i]))
            if reason is not None:
                failed.append((int(rows[i]), reason))
                values[i] = None
        padded = objective.pad(spec, values, frames, label_smoothing=self.label_smoothing)
        return _target(padded)

    def _mixed(
        self,
        padded: NDArray[np.float32],
        lengths: NDArray[np.int64],
        targets: Mapping[str, Target],
        draws: Draws,
        micro_batch: int,
    ) -> tuple[NDArray[np.float32], NDArray[np.int64], dict[str, Target]]:
        """Waveforms, their lengths and targets after mixing; a row has a label if any of its parts has."""
        arrays = {name: target.values.numpy() for name, target in targets.items()}
        mixed = self.chain.mix(MixableBatch(padded, lengths, arrays), draws, micro_batch)
        built = {}
        for name, mass in mixed.targets.items():
            rows = [row if row.any() else None for row in mass]
            built[name] = _target(objective_of(self.outputs[name]).pad(self.outputs[name], rows, lengths))
        return mixed.waveform, mixed.num_samples, built


def _target(padded: PaddedTargets) -> Target:
    return Target(_tensor(padded.values), _tensor(padded.lengths), _tensor(padded.present), padded.count)


def _tensor(array: NDArray[Any]) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(array))
