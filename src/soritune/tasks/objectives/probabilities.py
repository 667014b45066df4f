"""Log-probabilities of logits and their means, in NumPy."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

Float32Array = NDArray[np.float32]


def log_softmax(logits: NDArray[np.floating]) -> Float32Array:
    """Log-probabilities over the last axis, computed in float64: no overflow, no -inf from finite logits."""
    wide = logits.astype(np.float64)
    with np.errstate(invalid="ignore"):  # infinite logits give NaN, which `non_finite_output` finds
        wide = wide - wide.max(axis=-1, keepdims=True, initial=-np.inf) if wide.size else wide
    result: Float32Array = (wide - np.log(np.exp(wide).sum(axis=-1, keepdims=True))).astype(np.float32)
    return result


def log_sigmoid(logits: NDArray[np.floating]) -> Float32Array:
    """log σ(x) = -log(1 + exp(-x)) of each logit, computed in float64."""
    result: Float32Array = (-np.logaddexp(0.0, -logits.astype(np.float64))).astype(np.float32)
    return result


def non_finite_output(outputs: Mapping[str, NDArray[np.floating]]) -> str | None:
    """Name of the first output with a value that is not finite, such as NaN; None if all are finite.

    Finite logits never give such values, and decoding them would give the first label.
    """
    return next((name for name, values in outputs.items() if not np.isfinite(values).all()), None)


def mean_of_probabilities(parts: NDArray[np.float64], shares: NDArray[np.float64]) -> Float32Array:
    """Logarithm of the weighted mean of exp(parts); at least that of the smallest normal float32.

    Args:
        parts: (parts, …) log-probabilities.
        shares: (parts,), summing to one.

    """
    probabilities = np.tensordot(shares, np.exp(parts), axes=1)
    tiny = np.finfo(np.float32).tiny
    logs: Float32Array = np.log(np.maximum(probabilities, tiny)).astype(np.float32)
    return logs
