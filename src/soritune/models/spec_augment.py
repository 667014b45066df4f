"""SpecAugment and erased rectangles between an encoder's front and its layers (Park et al. 2019; Zhong et al. 2020).

The collator draws the masked frames and channels, seeded per utterance; nothing is random here. The masking of
transformers, which has a fixed length and uses the global generator, is never called.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


def apply_masks(
    hidden: Tensor,
    time_mask: Tensor | None,
    feature_mask: Tensor | None,
    embedding: Tensor | None,
    rectangles: Tensor | None = None,
) -> Tensor:
    """Writes the mask embedding at masked frames and zeros at masked channels and rectangles.

    Args:
        hidden: (batch, frames, hidden).
        time_mask: (batch, frames or fewer) bool, or None. Frames beyond it are not masked.
        feature_mask: (batch, hidden) bool, or None.
        embedding: (hidden,) of the encoder; None means zeros.
        rectangles: (batch, rectangles, 4) first frame, end frame, first channel and end channel, or None; ends are not
            included.
    """

    if time_mask is not None:
        beyond = hidden.shape[1] - time_mask.shape[1]
        if beyond > 0:
            time_mask = nn.functional.pad(time_mask, (0, beyond))
        filler = torch.zeros((), dtype=hidden.dtype, device=hidden.device)
        if embedding is not None:
            filler = embedding.to(hidden.dtype)
        hidden = torch.where(time_mask[:, :, None], filler, hidden)
    if feature_mask is not None:
        hidden = hidden.masked_fill(feature_mask[:, None, :], 0.0)
    if rectangles is not None:
        for corners in rectangles.unbind(dim=1):
            frames = _between(corners[:, :2], hidden.shape[1])
            channels = _between(corners[:, 2:], hidden.shape[2])
            hidden = hidden.masked_fill(frames[:, :, None] & channels[:, None, :], 0.0)
    return hidden


def _between(ends: Tensor, size: int) -> Tensor:
    """(batch, size) bool, True from the first to before the second of the (batch, 2) positions."""
    positions = torch.arange(size, device=ends.device)
    return (positions >= ends[:, :1]) & (positions < ends[:, 1:])
