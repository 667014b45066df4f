"""Group norm that ignores padding.

wav2vec2-base and HuBERT-base normalise each channel of their first convolution over time. There, zero padding changes
mean and variance, so the output for a clip depends on the padding of its batch. With statistics over valid frames only,
each clip has the same output in a batch as alone, with the same weights.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from soritune.geometry import frames_of


class MaskedGroupNorm(nn.Module):
    """One group per channel (an instance norm over time), over the valid frames of each row only.

    Without `num_valid` it is `nn.GroupNorm`. Weights have the same names and meaning.
    """

    def __init__(self, norm: nn.GroupNorm, kernel: int, stride: int) -> None:
        super().__init__()
        if norm.num_groups != norm.num_channels:
            raise ValueError(
                f"one group per channel is needed, got {norm.num_groups} for {norm.num_channels} channels"
            )
        self.weight, self.bias, self.eps = norm.weight, norm.bias, norm.eps
        self.kernel, self.stride, self.channels = kernel, stride, norm.num_channels
        self.num_samples: Tensor | None = None
        """(batch,) int64: samples of each row, set during a forward pass."""

    def forward(self, hidden: Tensor) -> Tensor:
        """(batch, channels, frames of the first convolution) to the same."""
        if self.num_samples is None:
            return nn.functional.group_norm(hidden, self.channels, self.weight, self.bias, self.eps)
        num_valid = frames_of(self.num_samples, (self.kernel,), (self.stride,)).clamp(min=1)
        if self._by_row(hidden):
            return self._normalise_rows(hidden, num_valid.tolist())
        valid = (torch.arange(hidden.shape[2], device=hidden.device) < num_valid[:, None])[:, None, :]
        count = num_valid[:, None, None].float()
        # In float32 like group norms under autocast: the sums are over tens of thousands of frames.
        values = hidden.float()
        mean = torch.where(valid, values, 0.0).sum(-1, keepdim=True) / count
        centred = values - mean
        variance = torch.where(valid, centred, 0.0).square().sum(-1, keepdim=True) / count
        scale = torch.rsqrt(variance + self.eps) * self.weight[None, :, None].float()
        return (centred * scale + self.bias[None, :, None].float()).to(hidden.dtype)

    def _by_row(self, hidden: Tensor) -> bool:
        """Whether to normalise row by row, which takes half the time on a CPU.

        It needs the lengths on the host and records no graph.
        """
        graph = torch.is_grad_enabled() and (hidden.requires_grad or self.weight.requires_grad)
        tracing = torch.jit.is_tracing()  # type: ignore[attr-defined,no-untyped-call]
        traced = tracing or torch.compiler.is_compiling()
        return hidden.device.type == "cpu" and not graph and not traced

    def _normalise_rows(self, hidden: Tensor, num_valid: list[int]) -> Tensor:
        """Each row's valid frames by the library's own kernel; the frames after them are zero."""
        weight, bias = self.weight.float(), self.bias.float()
        result = torch.empty_like(hidden)
        for normalised, row, valid in zip(result, hidden, num_valid, strict=True):
            # In float32 like group norms under autocast: the sums are over tens of thousands of frames.
            values = row[None, :, :valid].float()
            # `nn.functional.group_norm` refuses a single frame.
            normalised[:, :valid] = torch.group_norm(values, hidden.shape[1], weight, bias, self.eps)[0]
            normalised[:, valid:] = 0.0
        return result


def mask_group_norm(encoder: nn.Module) -> None:
    """Replaces the encoder's group norm, if it has one, by a `MaskedGroupNorm`."""
    for layer in encoder.feature_extractor.conv_layers:  # type: ignore[union-attr]
        norm = getattr(layer, "layer_norm", None)
        if isinstance(norm, nn.GroupNorm):
            layer.layer_norm = MaskedGroupNorm(norm, layer.conv.kernel_size[0], layer.conv.stride[0])


@contextmanager
def sample_counts(encoder: nn.Module, num_samples: Tensor | None) -> Iterator[None]:
    """Sets the lengths (batch,) of the encoder's masked group norm inside the block."""
    first: nn.Module = encoder.feature_extractor.conv_layers[0]  # type: ignore[index,union-attr,assignment]
    norm = getattr(first, "layer_norm", None)
    if not isinstance(norm, MaskedGroupNorm):
        yield
        return
    norm.num_samples = num_samples
    yield
    # Gradient checkpointing runs the layer again in the backward pass, which needs the lengths.

    if not (getattr(first, "gradient_checkpointing", False) and first.training):
        norm.num_samples = None
