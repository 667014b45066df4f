"""Objectives with a value per label: targets of one shape per row, and the assignment of targets to frames.

Legend of shapes: targets (of one utterance along time), frames (encoder frames), labels.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from soritune.tasks.objectives.objective import Objective, PaddedTargets
from soritune.tasks.specs import OutputSpec, Resolution


def targets_of_frames(num_targets: int, num_frames: int) -> NDArray[np.int64]:
    """Index of the target that each frame takes, (frames,).

    Targets and frames each cover the utterance evenly, so their numbers may differ: labels may have another rate than
    the encoder, and a change of speed changes only the number of frames. Target i covers [i, i + 1) / targets of the
    utterance, the centre of frame t is at (t + 1/2) / frames, and the frame takes the target that covers its centre.
    """
    return (2 * np.arange(num_frames, dtype=np.int64) + 1) * num_targets // (2 * num_frames)


class DenseObjective(Objective):
    """An objective whose target has a value per label: (labels,) per utterance, (targets, labels) per frame."""

    resolutions: ClassVar[tuple[Resolution, ...]] = ("frame", "utterance")
    takes_ids: ClassVar[bool] = False
    """Whether a target may be label ids instead of values: an integer () per utterance, (targets,) per frame."""

    def target_fault(self, spec: OutputSpec, target: NDArray[Any]) -> str | None:
        """A wrong shape or type, an empty target, or a fault that `value_fault` or `id_fault` reports."""
        target, width = np.asarray(target), len(spec.labels)
        axes = int(spec.per_frame)
        if self.takes_ids and target.ndim == axes:
            fault = (
                self.id_fault(spec, target)
                if target.dtype.kind in "iu"
                else f"label ids must be integers, got {target.dtype}"
            )
        elif target.ndim != axes + 1 or target.shape[-1] != width:
            fault = f"it has the shape {target.shape}, expected {self._shapes(spec)}"
        elif target.dtype.kind not in "biuf":
            fault = f"values must be numbers, got {target.dtype}"
        else:
            fault = self.value_fault(spec, target)
        if fault is None and spec.per_frame and len(target) == 0:
            fault = "it has no entry"
        return None if fault is None else f"its {spec.name} target cannot be used: {fault}"

    def _shapes(self, spec: OutputSpec) -> str:
        width = len(spec.labels)
        values = f"(n, {width})" if spec.per_frame else f"({width},)"
        ids = "(n,)" if spec.per_frame else "()"
        return f"{values} values" + (f" or {ids} label ids" if self.takes_ids else "")

    def id_fault(self, spec: OutputSpec, ids: NDArray[Any]) -> str | None:
        """The fault of label ids, or None; by default ids that no label has."""
        if ((ids < 0) | (ids >= len(spec.labels))).any():
            return f"label ids must be 0 … {len(spec.labels) - 1}, got {int(ids.min())} … {int(ids.max())}"
        return None

    @abstractmethod
    def value_fault(self, spec: OutputSpec, values: NDArray[Any]) -> str | None:
        """The fault of the values of a target with the right shape, or None."""

    def values(self, spec: OutputSpec, target: NDArray[Any], label_smoothing: float) -> NDArray[np.float32]:
        """([targets,] labels) of a valid target, as the loss takes them."""
        target = np.asarray(target)
        if target.ndim > int(spec.per_frame):
            return target.astype(np.float32)
        one_hot: NDArray[np.float32] = (target[..., None] == np.arange(len(spec.labels))).astype(np.float32)
        return one_hot

    def count(self, spec: OutputSpec, values: NDArray[np.float32], num_cells: int) -> float:
        """The denominator of the loss; by default the number of values.

        Args:
            spec: the output.
            values: (batch, [frames,] labels), zero without a target.
            num_cells: rows, or frames of rows, with a target.
        """

        return float(num_cells) * len(spec.labels)

    def pad(
        self,
        spec: OutputSpec,
        targets: Sequence[NDArray[Any] | None],
        num_frames: NDArray[np.int64],
        *,
        label_smoothing: float = 0.0,
    ) -> PaddedTargets:
        """`values` (batch, labels) with zero lengths, or (batch, frames, labels) with each row's frames as lengths."""
        present = np.array([target is not None for target in targets], dtype=bool)
        lengths = (
            np.where(present, num_frames, 0).astype(np.int64)
            if spec.per_frame
            else np.zeros(len(targets), dtype=np.int64)
        )
        frames = (max(int(lengths.max(initial=0)), 1),) if spec.per_frame else ()
        padded = np.zeros((len(targets), *frames, len(spec.labels)), dtype=np.float32)
        for row, target in enumerate(targets):
            if target is None:
                continue
            values = self.values(spec, target, label_smoothing)
            if spec.per_frame:
                length = int(lengths[row])
                padded[row, :length] = values[targets_of_frames(len(values), length)]
            else:
                padded[row] = values
        cells = int(lengths.sum()) if spec.per_frame else int(present.sum())
        return PaddedTargets(padded, lengths, present, self.count(spec, padded, cells))
