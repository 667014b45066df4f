"""WavLM's attention, called through its own projections.

transformers 5.23 passes `q_proj.weight` and the other weights to a function, so an adapter on `q_proj` is never called,
gets no gradient and changes nothing. It also has no fused attention and repeats the position bias for every row. The
attention here gives the same numbers through `scaled_dot_product_attention`.

Chen et al. 2022, "WavLM", section III-A: gated relative position bias.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn


class WavLMAttention(nn.Module):
    """Has the submodules and parameters of transformers' `WavLMAttention`, under the same names."""

    q_proj: nn.Module
    k_proj: nn.Module
    v_proj: nn.Module
    out_proj: nn.Module
    gru_rel_pos_linear: nn.Module
    rel_attn_embed: nn.Module

    def __init__(self, original: nn.Module) -> None:
        super().__init__()
        for name, module in original.named_children():
            self.add_module(name, module)
        self.gru_rel_pos_const: nn.Parameter = original.gru_rel_pos_const  # type: ignore[assignment]
        self.num_heads: int = original.num_heads  # type: ignore[assignment]
        self.head_dim: int = original.head_dim  # type: ignore[assignment]
        self.dropout: float = original.dropout  # type: ignore[assignment]
        self.num_buckets: int = original.num_buckets  # type: ignore[assignment]
        self.max_distance: int = original.max_distance  # type: ignore[assignment]

    def forward(
        self,
        hidden_states: Tensor,
        attention_mask: Tensor | None = None,
        position_bias: Tensor | None = None,
        index: int = 0,
        **kwargs: Any,
    ) -> tuple[Tensor, None, Tensor]:
        """Self-attention.

        Args:
            hidden_states: (batch, frames, hidden).
            attention_mask: (batch, frames) bool, True at valid frames.
            position_bias: (1, heads, frames, frames) from the first layer; computed when None.
            index: ignored.
            kwargs: ignored.

        Returns:
            (batch, frames, hidden), None for the attention weights, and the position bias for the next layer.
        """
        batch, frames, _ = hidden_states.shape
        if position_bias is None:
            position_bias = self.position_bias(frames)
        query, key, value = (
            projection(hidden_states).view(batch, frames, self.num_heads, self.head_dim).transpose(1, 2)
            for projection in (self.q_proj, self.k_proj, self.v_proj)
        )
        bias = (self._gate(hidden_states) * position_bias).to(query.dtype)
        if attention_mask is not None:
            bias = bias.masked_fill(~attention_mask.bool()[:, None, None, :], -math.inf)
        attended = nn.functional.scaled_dot_product_attention(
            query, key, value, attn_mask=bias, dropout_p=self.dropout if self.training else 0.0
        )
        output: Tensor = self.out_proj(attended.transpose(1, 2).reshape(batch, frames, -1))
        return output, None, position_bias

    def _gate(self, hidden_states: Tensor) -> Tensor:
        """(batch, heads, frames, 1): the factor of the position bias for each query."""
        by_head = hidden_states.view(*hidden_states.shape[:2], self.num_heads, -1).transpose(1, 2)
        projected: Tensor = self.gru_rel_pos_linear(by_head).view(*by_head.shape[:-1], 2, 4).sum(-1)
        update, reset = torch.sigmoid(projected).chunk(2, dim=-1)
        gate: Tensor = update * (reset * self.gru_rel_pos_const - 1.0) + 2.0
        return gate

    def position_bias(self, frames: int) -> Tensor:
        """(1, heads, frames, frames): learnt bias of each distance; distances are in buckets of logarithmic width."""
        position = torch.arange(frames, device=self.gru_rel_pos_const.device)
        buckets = self._buckets(position[None, :] - position[:, None])
        bias: Tensor = self.rel_attn_embed(buckets).permute(2, 0, 1)[None]
        return bias

    def _buckets(self, distance: Tensor) -> Tensor:
        """Bucket of each signed distance: exact up to a quarter of the buckets, then logarithmic (as T5)."""
        half = self.num_buckets // 2
        exact = half // 2
        size = distance.abs()
        share = torch.log(size.float() / exact) / math.log(self.max_distance / exact)
        far = (exact + share * (half - exact)).clamp(max=half - 1).to(torch.long)
        return (distance > 0).to(torch.long) * half + torch.where(size < exact, size, far)


def replace_wavlm_attention(encoder: nn.Module) -> None:
    """Replaces each layer's attention by a `WavLMAttention`."""

    for layer in encoder.encoder.layers:  # type: ignore[union-attr]
        layer.attention = WavLMAttention(layer.attention)
