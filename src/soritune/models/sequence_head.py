"""Heads per frame with layers along time: residual convolutions, or a bidirectional GRU.

They are the torch half of `tasks/frame_heads.py`, for encoders that are not trained themselves. A clip alone and in a
padded batch give the same logits.

Shapes: batch, frames, width (channels that the head reads), channels (its own), labels.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from soritune.errors import ModelError
from soritune.models.heads import Head, HeadSettings, initialise_uniformly
from soritune.settings import first_fault
from soritune.tasks.frame_heads import FrameHeadSettings
from soritune.tasks.specs import OutputSpec


class SequenceHead(Head):
    """Layer norm, projection, layers along time, and a linear layer with a row per label."""

    def __init__(self, spec: OutputSpec, width: int, num_layers: int, settings: FrameHeadSettings) -> None:
        super().__init__(spec, num_layers)
        self.norm = nn.LayerNorm(width)
        self.projection = nn.Linear(width, settings.width)
        self.dropout = nn.Dropout(settings.dropout)
        self.body: ResidualConvolutions | BidirectionalGru = (
            ResidualConvolutions(settings) if settings.kind == "convolution" else BidirectionalGru(settings)
        )
        self.linear = nn.Linear(settings.width, len(spec.labels))

    @classmethod
    def of(cls, spec: OutputSpec, settings: HeadSettings) -> SequenceHead:
        """A head for `spec`.

        Raises:
            ModelError: `spec.head` has a fault.
        """
        try:
            chosen = FrameHeadSettings.model_validate(dict(spec.head))
        except ValueError as error:
            raise ModelError(
                f"the head of output '{spec.name}' has a fault ({first_fault(error)})"
            ) from error
        return cls(spec, settings.width, settings.num_layers, chosen)

    def forward(self, state: Tensor, valid: Tensor) -> Tensor:
        """(batch, frames, width) and (batch, frames) bool to (batch, frames, labels)."""
        hidden = nn.functional.gelu(self.projection(self.norm(state)))
        logits: Tensor = self.linear(self.body(self.dropout(hidden), valid))
        return logits

    def last_linear(self) -> nn.Linear:
        """The linear layer with a row per label."""
        return self.linear

    def initialise(self, seed: int) -> None:
        """New weights, as `initialise_uniformly` draws them."""
        initialise_uniformly(self, seed)


class ResidualConvolutions(nn.Module):
    """Convolutions along time, each with a layer norm before it and added to its input."""

    def __init__(self, settings: FrameHeadSettings) -> None:
        super().__init__()
        self.norms = nn.ModuleList(nn.LayerNorm(settings.width) for _ in range(settings.layers))
        self.convolutions = nn.ModuleList(
            nn.Conv1d(settings.width, settings.width, settings.kernel_frames, padding="same")
            for _ in range(settings.layers)
        )
        self.dropout = nn.Dropout(settings.dropout)

    def forward(self, hidden: Tensor, valid: Tensor) -> Tensor:
        """(batch, frames, channels) and (batch, frames) bool to (batch, frames, channels)."""
        for norm, convolution in zip(self.norms, self.convolutions, strict=True):
            # A clip alone ends in the zeros of the padding.
            known = norm(hidden).masked_fill(~valid[:, :, None], 0.0)
            changed = convolution(known.transpose(1, 2)).transpose(1, 2)
            hidden = hidden + self.dropout(nn.functional.gelu(changed))
        return hidden


class BidirectionalGru(nn.Module):
    """A bidirectional GRU (Cho et al. 2014) that ends with each clip's last frame.

    Both directions are GRUs of torch over the padded batch; for the second one, each clip is reversed in its place. On
    a CPU this takes less than half the time of packed sequences.
    """

    def __init__(self, settings: FrameHeadSettings) -> None:
        super().__init__()
        sizes = [(settings.width, settings.width // 2)] * settings.layers
        self.forwards = nn.ModuleList(nn.GRU(*size, batch_first=True) for size in sizes)
        self.backwards = nn.ModuleList(nn.GRU(*size, batch_first=True) for size in sizes)
        self.dropout = nn.Dropout(settings.dropout)

    def forward(self, hidden: Tensor, valid: Tensor) -> Tensor:
        """(batch, frames, channels) and (batch, frames) bool to (batch, frames, channels)."""
        position = torch.arange(hidden.shape[1], device=hidden.device)
        from_end = valid.sum(dim=1, keepdim=True) - 1 - position
        # Frames behind a clip stay where they are, behind it.
        order = torch.where(from_end >= 0, from_end, position)[:, :, None]
        for ahead, back in zip(self.forwards, self.backwards, strict=True):
            reverse = back(hidden.gather(1, order.expand_as(hidden)))[0]
            states = (ahead(hidden)[0], reverse.gather(1, order.expand_as(reverse)))
            hidden = self.dropout(torch.cat(states, dim=-1))
        return hidden
