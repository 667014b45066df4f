"""Groups of utterances: by each value of a field, or by quarters if a number has many values."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

UNKNOWN = "(unknown)"
MANY_VALUES = 10
"""A numeric field with more distinct values is cut into quarters."""


class Grouping(NamedTuple):
    """Values by group."""

    names: list[str]
    """The name of the group of each value, in the given order."""
    ordered: list[str]
    """The distinct names: numbers and quarters by size, then words, the unknown last."""


class _Group(NamedTuple):
    name: str
    rank: int
    """0 numbers, 1 words, 2 unknown."""
    size: float = 0.0


def grouping(values: Sequence[Any]) -> Grouping:
    """Groups values; None, "" and nan are unknown.

    >>> grouping([7.0, None, "F"])
    Grouping(names=['7', '(unknown)', 'F'], ordered=['7', 'F', '(unknown)'])
    """
    known = [value for value in values if _is_known(value)]
    if known and all(_is_number(value) for value in known) and len(set(known)) > MANY_VALUES:
        edges = np.unique(np.quantile(np.asarray(known, dtype=np.float64), [0, 0.25, 0.5, 0.75, 1])).tolist()
        if all(float(value).is_integer() for value in known):
            edges = list(dict.fromkeys(math.floor(edge) for edge in edges))  # no one is 24.5 years old
        groups = [
            _quarter(float(value), edges) if _is_known(value) else _Group(UNKNOWN, 2) for value in values
        ]
    else:
        groups = [_group(value) for value in values]
    ordered = sorted(set(groups), key=lambda group: (group.rank, group.size, group.name))
    return Grouping([group.name for group in groups], list(dict.fromkeys(group.name for group in ordered)))


def _is_known(value: Any) -> bool:
    return value is not None and value != "" and not (isinstance(value, float) and np.isnan(value))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _group(value: Any) -> _Group:
    """A group for one value; a text that is a number is ordered as one."""
    if not _is_known(value):
        return _Group(UNKNOWN, 2)
    name = f"{value:g}" if isinstance(value, float) else str(value)
    try:
        size = float(name)
    except ValueError:
        return _Group(name, 1)
    return _Group(name, 0, size) if math.isfinite(size) else _Group(name, 1)


def _quarter(value: float, edges: Sequence[int] | Sequence[float]) -> _Group:
    pairs = list(itertools.pairwise(edges))
    place = next((place for place, (_, high) in enumerate(pairs) if value <= high), len(pairs) - 1)
    low, high = pairs[place]
    if isinstance(low, int):  # quarters of whole numbers do not share an end
        low += place > 0
        return _Group(str(low) if low == high else f"{low} to {high}", 0, float(low))
    return _Group(f"{low:.3g} to {high:.3g}", 0, float(f"{low:.3g}"))
