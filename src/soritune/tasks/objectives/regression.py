"""Regression: numbers, per utterance or per frame."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from soritune.tasks.objectives.dense import DenseObjective
from soritune.tasks.objectives.probabilities import Float32Array
from soritune.tasks.specs import OutputSpec


class Regression(DenseObjective):
    """Target: ([n,] labels) finite numbers, one per label. The loss is the squared error.

    Count: numbers of rows, or of frames, with a target. Decoded: the numbers.
    """

    is_smoothed: ClassVar[bool] = False

    def value_fault(self, spec: OutputSpec, values: NDArray[Any]) -> str | None:
        """Values that are not finite."""
        return None if np.isfinite(values).all() else "values must be finite"

    def log_probabilities(self, spec: OutputSpec, logits: NDArray[np.floating]) -> Float32Array:
        """The logits are the numbers themselves."""
        return logits.astype(np.float32)

    def weighted_mean(self, parts: NDArray[np.float64], shares: NDArray[np.float64]) -> Float32Array:
        """The numbers are averaged."""
        mean: Float32Array = np.tensordot(shares, parts, axes=1).astype(np.float32)
        return mean


OBJECTIVE = Regression()
