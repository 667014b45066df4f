"""Whisper's encoder for clips of any length: padding changes nothing, and nothing is padded to 30 s.

Shapes: batch, samples, frames (encoder frames), hidden (encoder channels).
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any

import torch
from torch import Tensor, nn

from soritune.errors import ModelError
from soritune.geometry import Geometry
from soritune.models.encoder_module import ENTRY, FIRST_LAYER, FRONT, EncoderModule
from soritune.models.encoders.whisper.log_mel import LogMel

_LAYER = re.compile(r"layers\.(\d+)\.")


class Positions(nn.Module):
    """Fixed positions under the name of transformers' embedding; they are never trained, there as here."""

    weight: Tensor

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.register_buffer("weight", weight.detach().clone())


class WhisperEncoder(EncoderModule):
    """Owns the parts of transformers' `WhisperEncoder` under their names and calls them one by one.

    transformers' own forward pass insists on clips of 30 s and takes no mask.
    """

    conv1: nn.Conv1d
    conv2: nn.Conv1d
    layer_norm: nn.LayerNorm
    traced: bool = False
    """True in a graph of another program, where no branch may depend on values."""
    masked: bool = True
    """False in a graph for batches without padding."""

    def __init__(self, config: Any, geometry: Geometry) -> None:
        super().__init__()
        from transformers.models.whisper import modeling_whisper

        config._attn_implementation = "sdpa"
        hf = modeling_whisper.WhisperEncoder(config)
        self.config, self.geometry = hf.config, geometry
        # Its parts are registered below; registering the whole would duplicate their names.
        self.__dict__["hf"] = hf
        for name, module in hf.named_children():
            # Not by `add_module`, which refuses a name that the contract has as a property (`layers`).
            is_positions = name == "embed_positions"
            self._modules[name] = Positions(hf.embed_positions.weight) if is_positions else module
        self.log_mel = LogMel(config.num_mel_bins, config.level_dbfs)

    @property
    def hidden_size(self) -> int:
        """`d_model`."""
        return int(self.config.d_model)

    @property
    def layers(self) -> nn.ModuleList:
        """The layers of the transformer."""
        layers: nn.ModuleList = self._modules["layers"]  # type: ignore[assignment]
        return layers

    @property
    def head_dropout(self) -> float:
        """`dropout`."""
        return float(self.config.dropout)

    @property
    def projector_size(self) -> int:
        """`classifier_proj_size`."""
        return int(self.config.classifier_proj_size)

    def front(self, waveform: Tensor, num_samples: Tensor) -> Tensor:
        """Level, spectrogram and convolutions."""
        mel, frames = self.log_mel(waveform, num_samples, self.geometry.appended_samples)
        beyond = torch.arange(mel.shape[-1], device=mel.device) >= frames[:, None]
        hidden = nn.functional.gelu(self.conv1(mel))
        # A clip alone ends in the zeros of the second convolution's padding.
        hidden = nn.functional.gelu(self.conv2(hidden.masked_fill(beyond[:, None, :], 0.0)))
        features: Tensor = hidden.transpose(1, 2)
        return features

    def run(
        self, features: Tensor, valid: Tensor, keep_layers: Collection[int]
    ) -> tuple[Tensor, dict[int, Tensor]]:
        """Positions, transformer layers and the last norm; see `EncoderModule.run`.

        Raises:
            ModelError: more frames than positions.
        """
        frames = features.shape[1]
        positions: Tensor = self.embed_positions.weight  # type: ignore[assignment, union-attr]
        if not self.traced and frames > len(positions):
            raise ModelError(
                f"a clip has {frames:,} frames and the encoder {len(positions):,} positions; set "
                f"preprocessing.max_duration_s to {self.geometry.longest_samples / self.geometry.sample_rate_hz:.1f} "
                "or less, or cut the clips"
            )
        hidden = features + positions[:frames].to(features.dtype)
        hidden = nn.functional.dropout(hidden, self.config.dropout, self.training)
        needless = not self.masked or (not self.traced and bool(valid.all()))
        mask = None if needless else valid[:, None, None, :]
        states = {0: hidden} if 0 in keep_layers else {}
        top = self.num_layers if self.top_layer is None else self.top_layer
        for number, layer in enumerate(self.layers[:top], start=1):
            if not (self.training and torch.rand(()) < self.config.encoder_layerdrop):
                hidden = layer(hidden, mask)
            if number in keep_layers:
                states[number] = hidden
        if top < self.num_layers:
            return hidden, states
        last: Tensor = self.layer_norm(hidden)
        if self.num_layers in keep_layers:
            # As in transformers, whose weighted sum of layers has the last state behind the norm.
            states[self.num_layers] = last
        return last, states

    def prepare_tracing(self, *, padded: bool) -> None:
        """The spectrogram by convolutions with fixed kernels, and no branch that depends on lengths."""
        self.traced, self.masked = True, padded
        self.log_mel.use_convolutions()

    def fill_buffers(self) -> None:
        """The window and the filters of the spectrogram."""
        self.log_mel.fill()

    def stages(self) -> tuple[tuple[nn.Module, ...], ...]:
        """Convolutions; nothing that is trained (the positions are fixed); the layers; the last norm."""
        layers = ((layer,) for layer in self.layers)
        return ((self.conv1, self.conv2), (), *layers, (self.layer_norm,))

    def stage_of(self, name: str) -> int | None:
        """See `EncoderModule.stage_of`."""
        layer = _LAYER.match(name)
        if layer:
            return FIRST_LAYER + int(layer[1])
        if name.startswith("layer_norm."):
            return FIRST_LAYER + self.num_layers
        return ENTRY if name.startswith("embed_positions.") else FRONT

    def checkpoint_activations(self) -> None:
        """Checkpointing of transformers, without reentrant autograd."""
        hf: Any = self.__dict__["hf"]
        hf.activation_checkpointing_enable({"use_reentrant": False})
