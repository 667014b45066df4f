"""Which rows, or which frames of rows, a loss with a value per label is summed over."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from soritune.tasks.specs import OutputSpec


class Cells(NamedTuple):
    """Logits and targets of one shape, and which of them count."""

    logits: Tensor
    """(batch, [frames,] labels) float32; zero on frames that do not count."""
    targets: Tensor
    """(batch, [frames,] labels, or one)."""
    counted: Tensor
    """(batch, [frames,] one) bool: rows, or frames of rows, that have a target."""


def labelled_cells(
    spec: OutputSpec,
    logits: Tensor,
    num_frames: Tensor,
    targets: Tensor,
    target_lengths: Tensor | None,
    labelled: Tensor,
) -> Cells:
    """Logits and targets with the rows, or frames, that count.

    Logits may have more frames than targets have, all of them padding; they are cut off.

    Args:
        spec: the output.
        logits: (batch, [frames,] labels).
        num_frames: (batch,) valid frames.
        targets: (batch, [frames,] labels, or one).
        target_lengths: (batch,) frames that have targets, or None for `num_frames`.
        labelled: (batch,) bool.
    """
    if not spec.per_frame:
        return Cells(logits, targets, labelled[:, None])
    frames = targets.shape[1]
    if frames > logits.shape[1]:
        raise ValueError(
            f"output '{spec.name}' has targets for {frames} frames, logits for {logits.shape[1]}"
        )
    lengths = num_frames if target_lengths is None else torch.minimum(target_lengths, num_frames)
    counted = (torch.arange(frames, device=logits.device) < lengths[:, None]) & labelled[:, None]
    return Cells(logits[:, :frames].masked_fill(~counted[..., None], 0.0), targets, counted[..., None])
