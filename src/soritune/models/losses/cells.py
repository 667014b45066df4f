"""The rows, or frames of rows, over which a loss with a value per label is summed."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from soritune.tasks.specs import OutputSpec


class Cells(NamedTuple):
    """Logits and targets of the same shape, and which of them count."""

    logits: Tensor
    """(batch, [frames,] labels) float32; zero on frames that do not count."""
    targets: Tensor
    """(batch, [frames,] labels or 1)."""
    counted: Tensor
    """(batch, [frames,] 1) bool: rows, or frames of rows, with a target."""


def labelled_cells(
    spec: OutputSpec,
    logits: Tensor,
    num_frames: Tensor,
    targets: Tensor,
    target_lengths: Tensor | None,
    labelled: Tensor,
) -> Cells:
    """The logits and targets of an output, and the rows or frames that count.

    Logits may have more frames than the targets; these are padding and are cut off.

    Args:
        spec: the output.
        logits: (batch, [frames,] labels).
        num_frames: (batch,) valid frames.
        targets: (batch, [frames,] labels or 1).
        target_lengths: (batch,) frames with targets; None means `num_frames`.

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
