"""Targets that are label ids of a sequence, (symbols,) int64, for the objectives that have them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from soritune.tasks.objectives.objective import PaddedTargets
from soritune.tasks.specs import OutputSpec


def ids_fault(spec: OutputSpec, ids: NDArray[Any], blank: int) -> str | None:
    """A wrong shape or type, ids that no label has, or the blank among them; None without a fault."""
    if ids.ndim != 1 or ids.dtype.kind not in "iu":
        return f"it has the shape {ids.shape} and type {ids.dtype}, expected integer label ids (n,)"
    if ((ids < 0) | (ids >= len(spec.labels)) | (ids == blank)).any():
        return f"label ids must be 0 … {len(spec.labels) - 1} and not the blank, {blank}"
    return None


def padded_ids(targets: Sequence[NDArray[Any] | None]) -> PaddedTargets:
    """`values` (batch, symbols) int64, padded with 0; `lengths` in symbols."""
    lengths = np.array([0 if target is None else len(target) for target in targets], dtype=np.int64)
    ids = np.zeros((len(targets), max(int(lengths.max(initial=0)), 1)), dtype=np.int64)
    for line, target in zip(ids, targets, strict=True):
        if target is not None:
            line[: len(target)] = target
    return PaddedTargets(ids, lengths, lengths > 0, float(lengths.sum()))
