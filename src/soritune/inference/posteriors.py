"""Logits to what tasks decode, and its mean over windows and over models, as the output's objective defines them.

Legend of shapes: frames, labels; an utterance output has no frame axis.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from soritune.tasks.objectives.objective import objective_of
from soritune.tasks.objectives.probabilities import Float32Array, log_softmax
from soritune.tasks.specs import OutputSpec


def readable(spec: OutputSpec, logits: NDArray[np.floating]) -> Float32Array:
    """The input of `Task.decode`, ([frames,] labels): log-probabilities, or the numbers of a regression."""
    return objective_of(spec).log_probabilities(spec, logits)


def mean_of(
    spec: OutputSpec, parts: Sequence[Float32Array], weights: Sequence[float] | None = None
) -> Float32Array:
    """Mean of results of `readable` over models or windows; all parts have the same shape."""
    return objective_of(spec).mean(spec, parts, weights)


def tempered(log_probabilities: Float32Array, temperature: float) -> Float32Array:
    """Log-probabilities of the logits divided by a temperature, (labels,); their order is kept."""
    return log_softmax(log_probabilities.astype(np.float64) / temperature)
