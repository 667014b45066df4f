"""A micro-batch as tensors: the inputs of a model and the targets of its outputs. Next: `collate.py`.

Legend of shapes: batch (utterances), samples, frames (encoder frames), hidden (encoder channels), labels, symbols.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


@dataclass(slots=True)
class Target:
    """The targets of one output in a micro-batch, as its objective pads them (`tasks/objectives/`)."""

    values: Tensor
    """(batch, …): label ids, or a dense target."""
    lengths: Tensor
    """(batch,) int64: length of each row along the second axis of `values`; zeros without such an axis."""
    present: Tensor
    """(batch,) bool: rows that have this label and could be read."""
    count: float
    """The loss's denominator."""

    def to(self, device: torch.device) -> Target:
        """The same on `device`."""
        return Target(
            self.values.to(device, non_blocking=True),
            self.lengths.to(device, non_blocking=True),
            self.present.to(device, non_blocking=True),
            self.count,
        )

    def pin_memory(self) -> Target:
        """The same in pinned memory, from which a GPU copies while it computes; the loader calls it."""
        return Target(
            self.values.pin_memory(), self.lengths.pin_memory(), self.present.pin_memory(), self.count
        )


@dataclass(slots=True)
class Batch:
    """One micro-batch; `model(**batch.inputs)` is the forward pass."""

    inputs: dict[str, Tensor]
    """`waveform` (batch, samples) float32, zero-padded; `num_samples` (batch,) int64; `time_mask` (batch, frames) and
    `feature_mask` (batch, hidden) bool, True where SpecAugment hides, absent without it; `masked_rectangles` (batch,
    rectangles, 4), absent without any; and the arrays of the other inputs (`tasks/inputs/`). With stored states of
    the encoder, `states` (batch, frames, states, hidden) float16 replaces `waveform` and the masks."""
    targets: dict[str, Target]
    rows: NDArray[np.int64]
    """Manifest rows, (batch,)."""
    seed: int
    """Of everything random in the model's forward pass."""
    audio_s: float = 0.0
    """Seconds of speech, without padding."""
    masked_share: float = 0.0
    """Share of the valid frames that SpecAugment hides."""
    failed: list[tuple[int, str]] = field(default_factory=list)
    """(row, reason) of rows that could not be read, or that some output cannot be trained on; their weight there is
    zero."""
    unread: frozenset[int] = frozenset()
    """Rows of `failed` that are silence here because they could not be read."""

    @property
    def longest_samples(self) -> int:
        """Samples of the longest row."""
        waveform = self.inputs.get("waveform")
        return int(self.inputs["num_samples"].max() if waveform is None else waveform.shape[1])

    @property
    def padded_samples(self) -> int:
        """Samples of all rows, padding included."""
        return len(self.rows) * self.longest_samples

    def to(self, device: torch.device) -> Batch:
        """The same with its tensors on `device`."""
        return self._with(
            lambda tensor: tensor.to(device, non_blocking=True), lambda target: target.to(device)
        )

    def pin_memory(self) -> Batch:
        """The same in pinned memory, from which a GPU copies while it computes; the loader calls it."""
        return self._with(Tensor.pin_memory, Target.pin_memory)

    def _with(self, move: Callable[[Tensor], Tensor], move_target: Callable[[Target], Target]) -> Batch:
        return replace(
            self,
            inputs={name: move(tensor) for name, tensor in self.inputs.items()},
            targets={name: move_target(target) for name, target in self.targets.items()},
        )
