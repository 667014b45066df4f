"""Weights as int8: each row of a large array as whole numbers from -127 to 127 and one scale, the rest in float16.

A row is what belongs to one output channel: index 0 of the array. The scale of a row is its largest magnitude / 127, so
that a value changes by half a scale at most. A quarter of the size of float32.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

LARGEST = 127
LEAST_VALUES = 65_536
"""Smaller arrays, vectors and scalars stay in half precision: int8 would save less than 64 KiB each."""
SCALE = ".int8_scale"
"""What follows an array's name in the name of its scales."""


def to_int8(weights: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Arrays as they are stored: large ones as int8 with their scales (rows,) in float32, others in float16.

    Raises:
        ValueError: a value that is not finite, or does not fit into half precision.
    """
    stored: dict[str, NDArray[Any]] = {}
    for name, value in weights.items():
        if not np.isfinite(value).all():
            raise ValueError(f"{name} has values that are not finite")
        if value.ndim < 2 or value.size < LEAST_VALUES:
            stored[name] = _half(name, value)
            continue
        rows = value.astype(np.float32).reshape(len(value), -1)
        scale = np.abs(rows).max(axis=1) / np.float32(LARGEST)
        steps = np.divide(rows, scale[:, None], out=np.zeros_like(rows), where=scale[:, None] > 0)
        # The largest value of a row of denormals can be divided to more than 127.
        stored[name] = np.rint(steps).clip(-LARGEST, LARGEST).astype(np.int8).reshape(value.shape)
        stored[name + SCALE] = scale
    return stored


def from_int8(stored: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """What `to_int8` stored, in float32.

    Raises:
        ValueError: an int8 array without scales, scales without an array, or scales of another size or kind.
    """
    weights: dict[str, NDArray[Any]] = {}
    for name, value in stored.items():
        if name.endswith(SCALE):
            if name.removesuffix(SCALE) not in stored:
                raise ValueError(f"it has scales of {name.removesuffix(SCALE)}, which it lacks")
            continue
        if value.dtype != np.int8:
            weights[name] = value.astype(np.float32)
            continue
        scale = stored.get(name + SCALE)
        if scale is None:
            raise ValueError(f"the scales of {name} are missing")
        if value.ndim < 2 or scale.shape != (len(value),) or scale.dtype != np.float32:
            raise ValueError(
                f"the scales of {name} are {scale.dtype} {scale.shape}, which do not fit its shape {value.shape}"
            )
        if not (np.isfinite(scale).all() and (scale >= 0).all()):
            raise ValueError(f"the scales of {name} are not finite numbers from 0")
        weights[name] = value.astype(np.float32) * scale.reshape(-1, *[1] * (value.ndim - 1))
    return weights


def _half(name: str, value: NDArray[Any]) -> NDArray[np.float16]:
    with np.errstate(over="ignore"):
        half = value.astype(np.float16)
    if not np.isfinite(half).all():
        raise ValueError(f"{name} does not fit into half precision")
    return half
