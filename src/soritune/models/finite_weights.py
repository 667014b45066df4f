"""Weights that are not finite numbers: one of them makes every prediction meaningless, without an error."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from soritune.errors import ModelError


def first_non_finite(weights: Mapping[str, Tensor]) -> str | None:
    """Name of the first weight that holds NaN or an infinity; None if all are finite."""
    for name, value in weights.items():
        # A sum is finite only if its terms are, and is quicker than looking at each of them.
        if not bool(torch.isfinite(value.sum())) and not bool(torch.isfinite(value).all()):
            return name
    return None


def refuse_non_finite(weights: Mapping[str, Tensor], source: str) -> None:
    """Refuses weights that are not finite.

    Args:
        weights: by name.
        source: name of the model in errors.

    Raises:
        ModelError: a weight holds NaN or an infinity.
    """
    name = first_non_finite(weights)
    if name is not None:
        raise ModelError(
            f"{source} has weights that are NaN or infinite, first {name}; it was damaged in training or in copying, "
            "use another checkpoint of it"
        )
