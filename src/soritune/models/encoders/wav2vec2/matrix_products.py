"""The front end's convolutions as matrix products, for graphs of other programs.

Runtimes for CPUs multiply matrices of int8 fast, but not convolutions. A matrix product of the frames under the kernel
gives the same numbers as the convolution within rounding.

Shapes: batch, samples, frames (of one convolution), channels.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class FramesLinear(nn.Linear):
    """A strided convolution without padding over (batch, frames, channels).

    Args:
        convolution: over time, not grouped or dilated, with a kernel not shorter than its stride.
    """

    def __init__(self, convolution: nn.Conv1d) -> None:
        (self.kernel,), (self.stride,) = convolution.kernel_size, convolution.stride
        plain = convolution.groups == 1 and convolution.dilation == (1,) and convolution.padding == (0,)
        if not plain or self.kernel < self.stride:
            raise ValueError(f"not a plain convolution over overlapping frames: {convolution}")
        channels = convolution.in_channels
        has_bias = convolution.bias is not None
        super().__init__(self.kernel * channels, convolution.out_channels, bias=has_bias, device="meta")
        # (out, in, kernel): the frames under a kernel follow each other, each with all of its channels.
        weight = convolution.weight.detach().transpose(1, 2).reshape(convolution.out_channels, -1)
        self.weight = nn.Parameter(weight.contiguous(), requires_grad=False)
        self.bias = convolution.bias  # type: ignore[assignment]  # None without a bias, as in nn.Linear

    def forward(self, hidden: Tensor) -> Tensor:
        """(batch, frames, channels) to (batch, fewer frames, channels)."""
        batch, frames, channels = hidden.shape
        count = (frames - self.kernel) // self.stride + 1
        whole, rest = divmod(self.kernel, self.stride)
        # `stride` frames that follow each other are one row; only the rest of a kernel is picked out.
        rows = [
            hidden[:, start : start + count * self.stride].reshape(batch, count, self.stride * channels)
            for start in range(0, whole * self.stride, self.stride)
        ]
        rows += [hidden[:, whole * self.stride + shift :: self.stride][:, :count] for shift in range(rest)]
        return super().forward(torch.cat(rows, dim=2) if len(rows) > 1 else rows[0])


class MatrixFront(nn.Module):
    """The feature encoder of transformers; all convolutions but the first are matrix products.

    The first one reads samples, whose range int8 does not cover.
    """

    def __init__(self, feature_extractor: nn.Module) -> None:
        super().__init__()
        self.conv_layers: nn.ModuleList = feature_extractor.conv_layers  # type: ignore[assignment]
        for layer in list(self.conv_layers)[1:]:
            layer.conv = FramesLinear(layer.conv)  # type: ignore[arg-type]

    def forward(self, waveform: Tensor) -> Tensor:
        """(batch, samples) to (batch, channels, frames)."""
        first, *others = self.conv_layers
        hidden: Tensor = first(waveform[:, None]).transpose(1, 2)
        for layer in others:
            hidden = layer.conv(hidden)  # type: ignore[operator]
            if hasattr(layer, "layer_norm"):
                hidden = layer.layer_norm(hidden)  # type: ignore[operator]
            hidden = layer.activation(hidden)  # type: ignore[operator]
        return hidden.transpose(1, 2)
