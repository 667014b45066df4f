"""The contract of augmentations that mix the utterances of a micro-batch, such as MixUp and CutMix.

They are members of the open folder `audio/augment`, as augmentations of the waveform are, and a recipe names
them in the same mapping: `augment: {mixup: {probability: 0.5}}`. Mixing averages targets, so that every
output of the run needs soft targets: a probability for every label of an utterance. Label sequences of CTC
cannot be averaged.
Next: `audio/augment/chain.py`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from soritune.audio.channels import Float32Array
from soritune.errors import AugmentationError
from soritune.settings import Settings


@dataclass(frozen=True, slots=True)
class MixableBatch:
    """The arrays of a micro-batch."""

    waveform: Float32Array
    """(batch, samples), zero-padded."""
    num_samples: NDArray[np.int64]
    """(batch,)"""
    targets: dict[str, NDArray[np.float32]]
    """(batch, labels) soft targets by output; zero in a row without a label."""
    present: dict[str, NDArray[np.bool_]] = field(default_factory=dict)
    """(batch,) by output: rows that have a label. If a member returns it empty, that of the batch is kept."""


class Mixing(Settings, ABC):
    """Settings of a kind of mixing, and how it is applied."""

    probability: float = Field(0.5, ge=0, le=1)
    """Share of micro-batches that are mixed. In a choice such as `one_of`, utterances are chosen instead."""

    @abstractmethod
    def mix(self, batch: MixableBatch, rng: np.random.Generator) -> MixableBatch:
        """Mixes the utterances of a micro-batch with one another.

        Args:
            batch: must not be changed in place.
            rng: depends only on the run's seed, the phase, the epoch and the index of the micro-batch.

        Returns:
            Arrays of the same shapes.
        """


def partners(batch: MixableBatch, rng: np.random.Generator) -> NDArray[np.int64]:
    """A partner for each utterance, drawn among those that have labels for the same outputs.

    Args:
        batch: its arrays; without `present`, every row counts as labelled.
        rng: of the micro-batch.

    Returns:
        (batch,) rows. The utterances with the same outputs form one ring, so that none is its own partner unless it is
        the only one. A row without any label is its own partner.
    """
    count = len(batch.num_samples)
    partner = np.arange(count)
    flags = np.stack([*batch.present.values()], axis=1) if batch.present else np.ones((count, 1), dtype=bool)
    _, group = np.unique(flags, axis=0, return_inverse=True)
    order = rng.permutation(count)
    for name in range(int(group.max(initial=-1)) + 1):
        ring = order[group[order] == name]
        if flags[ring[0]].any():
            partner[ring] = np.roll(ring, 1)
    return partner


def refusals(mixing: Iterable[str], unmixable: Sequence[str]) -> list[str]:
    """Why a run cannot mix its batches: a message for each key and each part.

    Args:
        mixing: where the `Mixing` members are in the recipe, below `augment`.
        unmixable: parts of the run that cannot be averaged over utterances, each as a clause that states why.
    """
    return [
        f"augment.{key}: mixes several utterances, but {cause}; "
        f"switch it off (augment.{key}=null) or leave that task out"
        for key in mixing
        for cause in unmixable
    ]


def mixed_where(chosen: NDArray[np.bool_], before: MixableBatch, after: MixableBatch) -> MixableBatch:
    """`after` in the rows that are chosen, `before` in the others.

    Args:
        chosen: (batch,).
        before, after: of the same shapes.
    """

    def rows(old: NDArray[Any], new: NDArray[Any]) -> NDArray[Any]:
        return np.where(chosen.reshape(-1, *[1] * (old.ndim - 1)), new, old)

    return MixableBatch(
        rows(before.waveform, after.waveform),
        rows(before.num_samples, after.num_samples),
        {name: rows(target, after.targets[name]) for name, target in before.targets.items()},
        {name: rows(flags, after.present[name]) for name, flags in before.present.items()},
    )


def checked(key: str, before: MixableBatch, after: MixableBatch) -> MixableBatch:
    """`after` as float32, checked against the contract.

    Raises:
        AugmentationError: other shapes or outputs, values that are not finite, or lengths beyond the batch.
    """
    pairs: list[tuple[NDArray[Any], NDArray[Any]]]
    pairs = [(before.waveform, after.waveform), (before.num_samples, after.num_samples)]
    pairs += [(before.targets[name], after.targets.get(name, np.zeros(0))) for name in before.targets]
    present = after.present or before.present
    pairs += [(before.present[name], present.get(name, np.zeros(0))) for name in before.present]
    if before.targets.keys() != after.targets.keys() or any(old.shape != new.shape for old, new in pairs):
        raise AugmentationError(
            f"augment.{key} returned a micro-batch with other outputs or shapes than it received"
        )
    if not all(np.isfinite(new).all() for _, new in pairs):
        raise AugmentationError(f"augment.{key} returned values that are NaN or infinite")
    if (after.num_samples < 0).any() or (after.num_samples > after.waveform.shape[1]).any():
        raise AugmentationError(f"augment.{key} returned numbers of samples that exceed the micro-batch")
    return MixableBatch(
        after.waveform.astype(np.float32, copy=False),
        after.num_samples.astype(np.int64, copy=False),
        {name: target.astype(np.float32, copy=False) for name, target in after.targets.items()},
        {name: flags.astype(bool, copy=False) for name, flags in present.items()},
    )
