"""Logits to log-probabilities, and their mean over windows and over models.

Legend of shapes: frames, labels; an utterance output has no frame axis.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from soritune.tasks.task import OutputSpec

Float32Array = NDArray[np.float32]


def log_softmax(logits: NDArray[np.floating]) -> Float32Array:
    """Log-probabilities over the last axis, computed in float64: no overflow, no -inf from finite logits."""
    wide = logits.astype(np.float64)
    wide = wide - wide.max(axis=-1, keepdims=True, initial=-np.inf) if wide.size else wide
    result: Float32Array = (wide - np.log(np.exp(wide).sum(axis=-1, keepdims=True))).astype(np.float32)
    return result


def readable(spec: OutputSpec, logits: NDArray[np.floating]) -> Float32Array:
    """What `Task.decode` is given: log-probabilities, or the values themselves for a regression."""
    return logits.astype(np.float32) if spec.objective == "regression" else log_softmax(logits)


def mean_of(
    spec: OutputSpec, parts: Sequence[Float32Array], weights: Sequence[float] | None = None
) -> Float32Array:
    """Mean over models or windows of what `readable` gave; all parts have one shape.

    Probabilities are averaged for cross-entropy, log-probabilities (then normalised again) for CTC, because
    a mean of probabilities blurs peaks that differ by a frame; regressions are averaged as they are.
    """
    if len(parts) == 1:
        return parts[0]
    share = np.full(len(parts), 1 / len(parts)) if weights is None else np.asarray(weights, dtype=np.float64)
    share = share / share.sum()
    stacked = np.stack(parts).astype(np.float64)
    if spec.objective == "cross_entropy":
        probabilities = np.tensordot(share, np.exp(stacked), axes=1)
        tiny = np.finfo(np.float32).tiny
        logs: Float32Array = np.log(np.maximum(probabilities, tiny)).astype(np.float32)
        return logs
    mean = np.tensordot(share, stacked, axes=1)
    return mean.astype(np.float32) if spec.objective == "regression" else log_softmax(mean)
