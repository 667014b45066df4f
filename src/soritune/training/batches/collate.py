"""Samples to one padded micro-batch. Next: `training/batches/loader.py`.

Legend of shapes: batch (utterances), samples, frames (encoder frames), hidden (encoder channels), labels.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
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
from soritune.errors import AugmentationError
from soritune.tasks.inputs.input import pad_inputs
from soritune.tasks.mixable import unmixable_parts
from soritune.tasks.objectives.objective import PaddedTargets, objective_of
from soritune.tasks.specs import OutputSpec
from soritune.tasks.task import Task
from soritune.training.batches.batch import Batch, Target
from soritune.training.batches.sample import Sample, SampleReader
from soritune.training.batches.state_keys import KeyedRows


class Collator:
    """Makes micro-batches of rows.

    Args:
        manifest: where the rows are.
        tasks: declare outputs and inputs, and make targets.
        preprocessing: how audio is read.
        num_frames: encoder frames of a number of samples.
        hidden_size: encoder channels, for feature masks.
        augment: augmentations of training; None for evaluation, in which no input is left out either.
        label_smoothing: share of the mass of classification targets spread over all labels.
        states: stored states of the encoder, which a batch has in place of waveforms; None reads the audio.

    Raises:
        AugmentationError: batches are to be mixed, and an output or an input cannot be mixed.
        TaskError: inputs of two tasks contradict each other.
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
        states: KeyedRows | None = None,
    ) -> None:
        self.manifest, self.tasks, self.preprocessing = manifest, tuple(tasks), preprocessing
        self.num_frames, self.hidden_size = num_frames, hidden_size
        self.chain, self.label_smoothing = Chain.of(augment or AugmentSettings()), label_smoothing
        self.states = states
        self.read = SampleReader(
            manifest, tasks, preprocessing, self.chain, drops_inputs=augment is not None, states=states
        )
        self.outputs = {spec.name: spec for task in tasks for spec in task.outputs}
        reasons = refusals(self.chain.mixing, unmixable_parts(self.tasks))
        if reasons:
            raise AugmentationError("; ".join(reasons))

    def __call__(self, visits: NDArray[np.int64], draws: Draws, micro_batch: int) -> Batch:
        """Reads rows and joins them; a row that fails becomes silence of weight zero and is named in `failed`.

        Args:
            visits: manifest rows. A number beyond the manifest's length is a further visit, with new random numbers, to
                that number modulo the length.
            draws: of the epoch.
            micro_batch: index in the epoch.
        """
        return self.collate([self.read(int(visit), draws) for visit in visits], draws, micro_batch)

    def collate(self, samples: Sequence[Sample], draws: Draws, micro_batch: int) -> Batch:
        """One micro-batch of samples; arguments as for the call."""
        rows = np.array([sample.row for sample in samples], dtype=np.int64)
        visits = np.array([sample.visit for sample in samples], dtype=np.int64)
        failed = [(sample.row, sample.failure) for sample in samples if sample.failure is not None]
        unread = frozenset(row for row, _ in failed)
        failed += [(sample.row, fault) for sample in samples for fault in sample.faults]
        lengths = np.array([sample.num_samples for sample in samples], dtype=np.int64)
        frames = self._frames(lengths)
        padded = np.zeros((len(samples), int(lengths.max(initial=0))), dtype=np.float32)
        for line, sample in zip(padded, samples, strict=True):
            line[: len(sample.waveform)] = sample.waveform
        targets = {
            name: self._target(spec, [sample.targets.get(name) for sample in samples], frames, rows, failed)
            for name, spec in self.outputs.items()
        }
        if self.chain.mixing and len(samples):
            padded, lengths, targets = self._mixed(padded, lengths, targets, draws, micro_batch, visits)
            frames = self._frames(lengths)
        arrays: dict[str, NDArray[Any]] = {"num_samples": lengths}
        if self.states is None:
            arrays = {"waveform": padded, **arrays}
        else:
            arrays["states"] = _padded_states(samples, frames, self.states.shape)
        arrays |= pad_inputs(self.read.inputs, [sample.inputs for sample in samples], frames)
        # Stored states were computed with their masks.
        masks = None if self.states else self.chain.masks(visits, frames, self.hidden_size, draws)
        masked_share = 0.0
        if masks is not None:
            arrays["time_mask"], arrays["feature_mask"] = masks.time, masks.feature
            if masks.rectangles.size:
                arrays["masked_rectangles"] = masks.rectangles
            masked_share = float(masks.time.sum()) / max(int(frames.sum()), 1)
        return Batch(
            inputs={name: _tensor(array) for name, array in arrays.items()},
            targets=targets,
            rows=rows,
            seed=seed_of(draws.seed, draws.phase, draws.epoch, "model", micro_batch),
            audio_s=float(lengths.sum()) / self.preprocessing.sample_rate_hz,
            masked_share=masked_share,
            failed=failed,
            unread=unread,
        )

    def _frames(self, lengths: NDArray[np.int64]) -> NDArray[np.int64]:
        return np.array([self.num_frames(int(n)) for n in lengths], dtype=np.int64)

    def _target(
        self,
        spec: OutputSpec,
        values: list[NDArray[Any] | None],
        frames: NDArray[np.int64],
        rows: NDArray[np.int64],
        failed: list[tuple[int, str]],
    ) -> Target:
        """The targets of one output; rows that it cannot be trained on are added to `failed`."""
        objective = objective_of(spec)
        for i, value in enumerate(values):
            reason = None if value is None else objective.row_fault(spec, value, int(frames[i]))
            if reason is not None:
                failed.append((int(rows[i]), reason))
                values[i] = None
        return _target(objective.pad(spec, values, frames, label_smoothing=self.label_smoothing))

    def _mixed(
        self,
        padded: NDArray[np.float32],
        lengths: NDArray[np.int64],
        targets: Mapping[str, Target],
        draws: Draws,
        micro_batch: int,
        visits: NDArray[np.int64],
    ) -> tuple[NDArray[np.float32], NDArray[np.int64], dict[str, Target]]:
        """Waveforms, their lengths and targets after mixing."""
        values = {name: target.values.numpy() for name, target in targets.items()}
        has_label = {name: target.present.numpy() for name, target in targets.items()}
        batch = MixableBatch(padded, lengths, values, has_label)
        mixed = self.chain.mix(batch, draws, micro_batch, visits)
        built = {}
        for name, mass in mixed.targets.items():
            is_present = mixed.present[name]
            rows = [row if present else None for row, present in zip(mass, is_present, strict=True)]
            built[name] = _target(objective_of(self.outputs[name]).pad(self.outputs[name], rows, lengths))
        return mixed.waveform, mixed.num_samples, built


def _padded_states(
    samples: Sequence[Sample], frames: NDArray[np.int64], shape: tuple[int, int]
) -> NDArray[np.float16]:
    """(batch, frames, states, hidden) zero-padded; zeros for a sample without states."""
    clips = [sample.encoded for sample in samples]
    padded = np.zeros((len(samples), max(int(frames.max(initial=1)), 1), *shape), dtype=np.float16)
    for line, clip in zip(padded, clips, strict=True):
        if clip is not None:
            line[: len(clip.states)] = clip.states
    return padded


def _target(padded: PaddedTargets) -> Target:
    return Target(_tensor(padded.values), _tensor(padded.lengths), _tensor(padded.present), padded.count)


def _tensor(array: NDArray[Any]) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(array))
