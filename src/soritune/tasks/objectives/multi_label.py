"""Multi-label: each label applies or not, independently of the others, per utterance or per frame."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from soritune.tasks.objectives.dense import DenseObjective
from soritune.tasks.objectives.objective import ConstantGuess
from soritune.tasks.objectives.probabilities import Float32Array, log_sigmoid
from soritune.tasks.specs import OutputSpec

ABSENT = -30.0
"""Log-probability of each label in the constant guess that none applies."""


class MultiLabel(DenseObjective):
    """Target: ([n,] labels) probability, 0 to 1, that each label applies. The loss is the binary cross-entropy.

    Count: labels of rows, or of frames, with a target. Decoded: log σ(logit), the log-probability that each label
    applies; the probabilities do not sum to one over the labels.
    """

    def value_fault(self, spec: OutputSpec, values: NDArray[Any]) -> str | None:
        """Values outside of 0 … 1."""
        # A comparison with nan is False.
        return None if ((values >= 0) & (values <= 1)).all() else "values must be in 0 … 1"

    def values(self, spec: OutputSpec, target: NDArray[Any], label_smoothing: float) -> NDArray[np.float32]:
        """Probabilities; `label_smoothing` spreads a share of each evenly over "applies" and "does not apply"."""
        return (1.0 - label_smoothing) * super().values(spec, target, label_smoothing) + label_smoothing / 2

    def is_mixable(self, spec: OutputSpec) -> bool:
        """True per utterance: each value is a probability."""

        return not spec.per_frame

    def log_probabilities(self, spec: OutputSpec, logits: NDArray[np.floating]) -> Float32Array:
        """log σ of each logit."""
        return log_sigmoid(logits)

    def logits(self, spec: OutputSpec, log_probabilities: NDArray[np.floating]) -> NDArray[np.floating]:
        """log(p / (1 - p)) of each label."""
        wide = np.minimum(log_probabilities.astype(np.float64), -np.finfo(np.float64).tiny)
        logits: NDArray[np.floating] = (wide - np.log(-np.expm1(wide))).astype(np.float32)
        return logits

    def constant_guess(self, spec: OutputSpec) -> ConstantGuess | None:
        """Per utterance: no label applies."""
        if spec.per_frame:
            return None
        output = np.full(len(spec.labels), ABSENT, dtype=np.float32)
        return ConstantGuess("empty", (("no label in any utterance", output),))


OBJECTIVE = MultiLabel()
