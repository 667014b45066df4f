"""Cross-entropy: one of the labels, per utterance or per frame."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from soritune.errors import TaskError
from soritune.tasks.objectives.dense import DenseObjective
from soritune.tasks.objectives.objective import ConstantGuess, is_number
from soritune.tasks.specs import OutputSpec

NO_LABEL = -1
"""The label id of a frame without a label."""
FALSE = -30.0
"""Log-probability of the labels that a constant guess does not choose."""


class CrossEntropy(DenseObjective):
    """Target: mass of each label ([n,] labels), not below 0; or label ids, () per utterance and (n,) per frame, -1 for
    a frame without a label. Options: `class_weights`, one weight per label or None.

    Ids and mass differ in the number of axes, not in the type: integers (n,) of an output per frame are ids even if n
    is the number of labels. One mass for all frames must be (1, labels), not a one-hot vector (labels,).

    Count: weighted target mass, so that the loss is PyTorch's weighted mean. Decoded: log-probabilities.
    """

    options: ClassVar[tuple[str, ...]] = ("class_weights",)
    takes_ids: ClassVar[bool] = True

    def check_options(self, spec: OutputSpec) -> None:
        """Each label needs a finite weight, not below 0, and one weight must be above 0."""
        weights = spec.options.get("class_weights")
        if weights is None:
            return
        if not isinstance(weights, list | tuple) or len(weights) != len(spec.labels):
            raise TaskError(
                f"class weights of output '{spec.name}' must be one number for each of its {len(spec.labels)} labels, "
                f"got {weights!r}"
            )
        if not all(is_number(weight) and 0 <= weight < math.inf for weight in weights):
            raise TaskError(
                f"class weights of output '{spec.name}' must be finite numbers, not below 0, got {weights!r}"
            )
        if not any(weights):
            raise TaskError(
                f"class weights of output '{spec.name}' are all 0, so the output would not be trained; give one above 0"
            )

    def id_fault(self, spec: OutputSpec, ids: NDArray[Any]) -> str | None:
        """Ids that no label has. A frame may have `NO_LABEL`; an utterance without a label has no target."""
        return super().id_fault(spec, ids[ids != NO_LABEL] if spec.per_frame else ids)

    def value_fault(self, spec: OutputSpec, values: NDArray[Any]) -> str | None:
        """Mass below 0 or not finite."""
        if not (np.isfinite(values).all() and (values >= 0).all()):
            return "the mass of a label must be finite and not below 0"
        return None

    def values(self, spec: OutputSpec, target: NDArray[Any], label_smoothing: float) -> NDArray[np.float32]:
        """Mass of each label; `label_smoothing` spreads a share of it evenly over all labels."""
        mass = super().values(spec, target, label_smoothing)
        even = mass.sum(axis=-1, keepdims=True) / mass.shape[-1]
        smoothed: NDArray[np.float32] = (1.0 - label_smoothing) * mass + label_smoothing * even
        return smoothed

    def count(self, spec: OutputSpec, values: NDArray[np.float32], num_cells: int) -> float:
        """Mass, times the class weights."""
        weights = np.asarray(spec.options.get("class_weights") or np.ones(values.shape[-1]), dtype=np.float64)
        return float((values * weights).sum())

    def is_mixable(self, spec: OutputSpec) -> bool:
        """True per utterance: labels may share the mass."""
        return not spec.per_frame

    def is_choice(self, spec: OutputSpec) -> bool:
        """True per utterance."""
        return not spec.per_frame

    def constant_guess(self, spec: OutputSpec) -> ConstantGuess | None:
        """Per utterance the same label for all utterances; the best one is the most frequent label."""

        if spec.per_frame:
            return None
        candidates = []
        for index, label in enumerate(spec.labels):
            output = np.full(len(spec.labels), FALSE, dtype=np.float32)
            output[index] = 0.0
            candidates.append((f"always '{label}', the most frequent class of these references", output))
        return ConstantGuess("majority", tuple(candidates))


OBJECTIVE = CrossEntropy()
