"""Kullback-Leibler divergence to a teacher's distribution over the labels, per utterance or per frame."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from soritune.errors import TaskError
from soritune.tasks.objectives.cross_entropy import CrossEntropy
from soritune.tasks.objectives.dense import DenseObjective
from soritune.tasks.objectives.objective import is_number
from soritune.tasks.specs import OutputSpec

TOLERANCE = 1e-3
"""Allowed difference of a sum of a teacher's probabilities from one, for half precision."""


class KlDivergence(CrossEntropy):
    """Target: the teacher's probabilities ([n,] labels), not their logarithms, summing to one; or label ids, () per
    utterance and (n,) per frame, each for a probability of one. Options: `temperature` (1), above 0.

    The loss is Σ p log(p / q). With a temperature T, p and q are the distributions of logits divided by T, and the
    loss is multiplied by T², which keeps the size of its gradient (Hinton et al. 2015, §2). Count: rows, or frames of
    rows, with a target. Decoded: log-probabilities at temperature 1. Labels are not smoothed.
    """

    is_smoothed: ClassVar[bool] = False
    options: ClassVar[tuple[str, ...]] = ("temperature",)

    def check_options(self, spec: OutputSpec) -> None:
        """The temperature must be finite and above 0."""
        temperature = spec.options.get("temperature", 1.0)
        if not is_number(temperature) or not 0 < temperature < math.inf:
            raise TaskError(
                f"output '{spec.name}' has temperature {temperature!r}; it must be a finite number above 0"
            )

    def id_fault(self, spec: OutputSpec, ids: NDArray[Any]) -> str | None:
        """Ids that no label has; every frame needs a label."""

        return DenseObjective.id_fault(self, spec, ids)

    def value_fault(self, spec: OutputSpec, values: NDArray[Any]) -> str | None:
        """Values that are not probabilities, or that do not sum to one."""
        sums = values.sum(axis=-1, dtype=np.float64)
        if not ((values >= 0).all() and (np.abs(sums - 1) <= TOLERANCE).all()):
            worst = float(np.ravel(sums)[np.abs(np.ravel(sums) - 1).argmax()]) if sums.size else 1.0
            return (
                "a teacher's probabilities must not be below 0 and must sum to 1 over the labels "
                f"(the least fitting sum is {worst:.4g}); give probabilities, not their logarithms"
            )
        return None

    def values(self, spec: OutputSpec, target: NDArray[Any], label_smoothing: float) -> NDArray[np.float32]:
        """Probabilities, scaled to sum to one."""
        values = DenseObjective.values(self, spec, target, label_smoothing)
        scaled: NDArray[np.float32] = values / values.sum(axis=-1, keepdims=True)
        return scaled

    def count(self, spec: OutputSpec, values: NDArray[np.float32], num_cells: int) -> float:
        """Rows, or frames of rows, with a target."""
        return float(num_cells)


OBJECTIVE = KlDivergence()
