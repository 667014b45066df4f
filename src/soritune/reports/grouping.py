"""Groups of utterances: by each value of a field, or by quarters if a number has many values."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

UNKNOWN = "(unknown)"
MANY_VALUES = 10
"""A numeric field with more distinct values is cut into quarters."""


def group_names(values: Sequence[Any]) -> list[str]:
    """The name of the group of each value, in the given order; None and "" are unknown.

    >>> group_names([7.0, None, "F"])
    ['7', '(unknown)', 'F']
    """
    known = [value for value in values if _is_known(value)]
    numeric = bool(known) and all(
        isinstance(value, int | float) and not isinstance(value, bool) for value in known
    )
    if not numeric or len(set(known)) <= MANY_VALUES:
        return [_name(value) if _is_known(value) else UNKNOWN for value in values]
    edges = np.unique(np.quantile(np.asarray(known, dtype=np.float64), [0, 0.25, 0.5, 0.75, 1]))
    return [_quarter(float(value), edges.tolist()) if _is_known(value) else UNKNOWN for value in values]


def sorted_names(names: Sequence[str]) -> list[str]:
    """Distinct names: numbers and ranges by size, then words, the unknown last."""

    def key(name: str) -> tuple[int, float, str]:
        if name == UNKNOWN:
            return (2, 0.0, name)
        try:
            return (0, float(name.split(" to ")[0]), name)
        except ValueError:
            return (1, 0.0, name)

    return sorted(set(names), key=key)


def _is_known(value: Any) -> bool:
    return value is not None and value != "" and not (isinstance(value, float) and np.isnan(value))


def _name(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _quarter(value: float, edges: list[float]) -> str:
    for low, high in itertools.pairwise(edges):
        if value <= high:
            return f"{low:.3g} to {high:.3g}"
    return f"{edges[-2]:.3g} to {edges[-1]:.3g}"
