"""Part of `emotion_augmentation.py`: what a frozen encoder makes of augmented clips, encoded once and stored.

A frozen encoder gives the same states of the same samples in every epoch, fold and training, and the mean over the
frames of a linear layer is that layer of the mean. So a head per utterance with mean pooling can be trained on the
means of the states alone. Samples, masks, mixed pairs and soft targets are those of the project's own collator.
"""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from soritune.corpus.manifest import Manifest
from soritune.draws import Draws
from soritune.models.mean_states import mean_states
from soritune.models.model import SpeechModel
from soritune.recipe import Recipe
from soritune.training.batches.batch import Batch
from soritune.training.batches.collate import Collator
from soritune.training.batches.sample import Sample
from soritune.training.epochs import Epochs
from soritune.training.run import TrainingRun

Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class CachedEpoch:
    """The micro-batches of one epoch of one fold."""

    visits: NDArray[np.int64]
    """(visits,) manifest rows, back to back."""
    offsets: NDArray[np.int64]
    """Micro-batch m has the visits from offsets[m] to offsets[m + 1]."""
    states: NDArray[np.float32]
    """(visits, states, hidden): means over the frames of the encoder's states 0, 1, … and of its output."""
    values: NDArray[np.float32]
    """(visits, labels): targets after smoothing and mixing."""
    counts: NDArray[np.float64]
    """(micro-batches,): denominators of the loss."""


class Encodings:
    """Encodes clips and keeps the results in a folder.

    Args:
        model: as `build_state_model` makes it.
        folder: of the cache.
    """

    def __init__(self, model: SpeechModel, folder: Path) -> None:
        self.model, self.folder = model, folder
        folder.mkdir(parents=True, exist_ok=True)

    def encode(self, batch: Batch, row: int) -> NDArray[np.float32]:
        """(states, hidden) of one row of a micro-batch, without the padding of the others."""
        length = int(batch.inputs["num_samples"][row])
        inputs: dict[str, Tensor] = {
            "waveform": batch.inputs["waveform"][row : row + 1, :length],
            "num_samples": batch.inputs["num_samples"][row : row + 1],
        }
        frames = int(self.model.geometry.num_frames(length))
        for name in ("time_mask", "feature_mask", "masked_rectangles"):
            if name in batch.inputs:
                mask = batch.inputs[name][row : row + 1]
                inputs[name] = mask[:, :frames] if name == "time_mask" else mask
        return mean_states(self.model, inputs)[0].numpy()

    def rows(self, recipe: Recipe, samples: SampleMemo, draws: Draws) -> NDArray[np.float32]:
        """(rows, states, hidden) of every row of the manifest as augmented in one epoch, but not mixed.

        Rows that no augmentation changes are not encoded again.
        """
        collator = samples.collator
        file = self.folder / f"rows-{_key(recipe, collator.manifest, draws)}.npy"
        if file.exists():
            return np.load(file)
        plain = None
        if collator.chain.waveform or collator.chain.masking:
            plain = self.rows(*without_augmentation(recipe, collator), Draws(0, 0, 0))
        unmixed = _unmixed(collator)
        states = []
        for row in range(len(collator.manifest)):
            if plain is not None and not _changed(collator, row, draws):
                states.append(plain[row])
            else:
                states.append(self.encode(unmixed.collate([samples(row, draws)], draws, 0), 0))
        return _save(file, np.stack(states))

    def epoch(
        self, recipe: Recipe, run: TrainingRun, epochs: Epochs, fold: int, epoch: int, samples: SampleMemo
    ) -> CachedEpoch:
        """One epoch of one fold; what is not stored yet is encoded."""
        collator, draws = epochs.collator, epochs.draws(epoch)
        rows = self.rows(recipe, samples, draws)
        plan = epochs.plan(epoch)
        identity = {"batches": recipe.batches.model_dump(mode="json"), "fold": fold, "labels": recipe.tasks}
        file = self.folder / f"epoch-{_key(recipe, run.manifest, draws, identity)}.npz"
        if file.exists():
            stored = dict(np.load(file))
            if not np.array_equal(stored["visits"], plan.rows):
                raise SystemExit(f"{file} is of another plan; remove it")
        else:
            stored = self._collated(plan.rows, plan.offsets, collator, draws, samples)
            temporary = file.with_suffix(".part.npz")
            np.savez(temporary, **stored)
            temporary.replace(file)
        states = rows[stored["visits"] % len(run.manifest)].copy()
        states[stored["mixed_at"]] = stored["mixed"]
        return CachedEpoch(stored["visits"], plan.offsets, states, stored["values"], stored["counts"])

    def _collated(
        self,
        visits: NDArray[np.int64],
        offsets: NDArray[np.int64],
        collator: Collator,
        draws: Draws,
        samples: SampleMemo,
    ) -> Arrays:
        """Targets and counts of every micro-batch, and the states of the rows that are mixed."""
        chosen = collator.chain.chosen(visits, draws)
        mixed = np.zeros(len(visits), dtype=bool)
        for key in collator.chain.mixing:
            mixed |= chosen[key]
        values, counts, states = [], [], []
        for number, (start, stop) in enumerate(pairwise(offsets)):
            batch = collator.collate([samples(int(v), draws) for v in visits[start:stop]], draws, number)
            (target,) = batch.targets.values()
            if batch.failed or not bool(target.present.all()):
                raise SystemExit(f"rows that cannot be trained on: {batch.failed}")
            values.append(target.values.numpy())
            counts.append(target.count)
            states += [self.encode(batch, int(row)) for row in np.flatnonzero(mixed[start:stop])]
        shape = (0, self.model.num_layers + 2, self.model.hidden_size)
        return {
            "visits": visits,
            "values": np.concatenate([part for part in values if len(part)]).astype(np.float32),
            "counts": np.array(counts, dtype=np.float64),
            "mixed_at": np.flatnonzero(mixed),
            "mixed": np.stack(states) if states else np.zeros(shape, np.float32),
        }


class SampleMemo:
    """Samples of one epoch by visit, so that folds do not read and augment a clip again."""

    def __init__(self, collator: Collator) -> None:
        self.collator = collator
        self._samples: dict[int, Sample] = {}

    def __call__(self, visit: int, draws: Draws) -> Sample:
        """The sample of a visit."""
        if visit not in self._samples:
            self._samples[visit] = self.collator.read(visit, draws)
        return self._samples[visit]


def _unmixed(collator: Collator) -> Collator:
    """The same collator without mixing; the draws of a choice stay as they are."""
    unmixed = copy.copy(collator)
    unmixed.chain = copy.copy(collator.chain)
    unmixed.chain.mixing = {}
    return unmixed


def without_augmentation(recipe: Recipe, collator: Collator) -> tuple[Recipe, SampleMemo]:
    """The recipe without augmentation, and a reader of its samples."""
    augment = type(recipe.augment)()
    plain = Collator(
        collator.manifest,
        collator.tasks,
        collator.preprocessing,
        num_frames=collator.num_frames,
        hidden_size=collator.hidden_size,
        augment=augment,
    )
    return recipe.model_copy(update={"augment": augment}), SampleMemo(plain)


def _changed(collator: Collator, row: int, draws: Draws) -> bool:
    """Whether an augmentation of the waveform or a mask changes a row in this epoch."""
    chain = collator.chain
    chosen = chain.chosen(np.array([row]), draws)
    return bool(chain.drawn(row, draws)) or any(bool(chosen.get(key, [True])[0]) for key in chain.masking)


def _key(recipe: Recipe, manifest: Manifest, draws: Draws, more: Mapping[str, Any] | None = None) -> str:
    """A digest of everything that the encodings of an epoch depend on."""
    augment = recipe.augment.identity()
    content = [
        recipe.model.encoder,
        manifest.hash,
        recipe.preprocessing.model_dump(mode="json"),
        augment,
        [draws.seed, draws.phase, draws.epoch] if augment else None,
        None if more is None else [more, draws.seed, draws.epoch],
    ]
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()[:16]


def _save(file: Path, array: NDArray[np.float32]) -> NDArray[np.float32]:
    temporary = file.with_suffix(".part.npy")
    np.save(temporary, array)
    temporary.replace(file)
    return array
