"""The base model of wav2vec2, HuBERT and WavLM, repaired: padding changes nothing, adapters on WavLM run.

Shapes: batch, samples, frames (encoder frames), hidden (encoder channels).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn
from torch.nn.utils import parametrize

from soritune.geometry import Geometry
from soritune.models.encoder_module import ENTRY, FIRST_LAYER, FRONT, EncoderModule
from soritune.models.encoders.wav2vec2.group_norm import mask_group_norm, sample_counts
from soritune.models.encoders.wav2vec2.matrix_products import MatrixFront
from soritune.models.encoders.wav2vec2.wavlm_attention import replace_wavlm_attention

_LAYER = re.compile(r"encoder\.layers\.(\d+)\.")


class Wav2Vec2Encoder(EncoderModule):
    """Owns the parts of transformers' base model under their names and calls them one by one.

    Masks of SpecAugment therefore come from the collator, and states are kept only if a head reads them. The masking of
    transformers, which has a fixed length and uses the global generator, is never called.
    """

    feature_extractor: nn.Module
    feature_projection: nn.Module
    encoder: nn.Module
    masked: bool = True
    """False in a graph for batches without padding."""

    def __init__(self, config: Any, geometry: Geometry) -> None:
        super().__init__()
        from transformers import AutoModel

        attention = "eager" if config.model_type == "wavlm" else "sdpa"
        from_config: Callable[..., Any] = AutoModel.from_config
        hf = from_config(config, attn_implementation=attention)
        self.config, self.geometry = hf.config, geometry
        # Its parts are registered below; registering the whole would duplicate their names.
        self.__dict__["hf"] = hf
        for name, parameter in hf.named_parameters(recurse=False):
            self.register_parameter(name, parameter)
        for name, module in hf.named_children():
            self.add_module(name, module)
        mask_group_norm(self)
        if config.model_type == "wavlm":
            replace_wavlm_attention(self)

    @property
    def hidden_size(self) -> int:
        """`hidden_size`."""
        return int(self.config.hidden_size)

    @property
    def layers(self) -> nn.ModuleList:
        """The layers of the transformer."""
        layers: nn.ModuleList = self.encoder.layers  # type: ignore[assignment]
        return layers

    @property
    def head_dropout(self) -> float:
        """`final_dropout`, the dropout of `ForCTC`."""
        return float(self.config.final_dropout)

    @property
    def projector_size(self) -> int:
        """`classifier_proj_size`."""
        return int(self.config.classifier_proj_size)

    @property
    def mask_embedding(self) -> Tensor | None:
        """`masked_spec_embed`."""
        return getattr(self, "masked_spec_embed", None)

    @property
    def silent_weights(self) -> tuple[str, ...]:
        """Weights whose gradient may be zero.

        A key bias shifts all scores of a query by the same amount, which softmax ignores. The mask embedding is read
        only at frames that SpecAugment masks. The group norm removes a bias before it.
        """
        return ("k_proj.bias", "masked_spec_embed", "conv_layers.0.conv.bias")

    def front(self, waveform: Tensor, num_samples: Tensor) -> Tensor:
        """Convolutions and projection."""
        with sample_counts(self, num_samples if self.masked else None):
            features = self.feature_extractor(waveform).transpose(1, 2)
        projected = self.feature_projection(features)
        hidden: Tensor = projected[0] if isinstance(projected, tuple) else projected
        return hidden

    def run(
        self, features: Tensor, valid: Tensor, keep_layers: Collection[int]
    ) -> tuple[Tensor, dict[int, Tensor]]:
        """Positions and transformer layers; see `EncoderModule.run`."""
        with self._states(keep_layers) as states:
            last: Tensor = self.encoder(
                features, attention_mask=valid if self.masked else None
            ).last_hidden_state
        for layer in range(1, self.num_layers + 1):
            # A layer that layer drop skipped passes its input on.
            if layer in keep_layers and layer not in states:
                states[layer] = states[max(kept for kept in states if kept < layer)]
        return last, states

    @contextmanager
    def _states(self, keep_layers: Collection[int]) -> Iterator[dict[int, Tensor]]:
        """Collects the states of `keep_layers` while the block runs."""
        states: dict[int, Tensor] = {}

        def keep(number: int) -> Any:
            def hook(module: nn.Module, args: tuple[Any, ...], output: Any) -> None:
                states[number] = output[0] if isinstance(output, tuple) else output

            return hook

        handles = []
        for number in sorted(keep_layers):
            # State 0 is the output of the dropout before the layers: layer drop may skip the first layer.
            source: Any = self.layers[number - 1] if number else self.encoder.dropout
            handles.append(source.register_forward_hook(keep(number)))
        try:
            yield states
        finally:
            for handle in handles:
                handle.remove()

    @property
    def _has_final_norm(self) -> bool:
        """Whether the norm follows the layers (a pre-norm transformer) or precedes them."""
        return bool(self.config.do_stable_layer_norm)

    def stages(self) -> tuple[tuple[nn.Module, ...], ...]:
        """Convolutions; projection, positional convolution and any first norm; the layers; any last norm."""
        transformer: Any = self.encoder
        entry: list[nn.Module] = [self.feature_projection, transformer.pos_conv_embed, transformer.dropout]
        final: list[nn.Module] = []
        (final if self._has_final_norm else entry).append(transformer.layer_norm)
        layers = ((layer,) for layer in self.layers)
        return ((self.feature_extractor,), tuple(entry), *layers, tuple(final))

    def stage_of(self, name: str) -> int | None:
        """See `EncoderModule.stage_of`."""
        layer = _LAYER.match(name)
        if layer:
            return FIRST_LAYER + int(layer[1])
        if name.startswith("feature_extractor."):
            return FRONT
        if name == "masked_spec_embed":
            return None
        if name.startswith("encoder.layer_norm.") and self._has_final_norm:
            return FIRST_LAYER + self.num_layers
        return ENTRY

    def set_front_graph(self, needed: bool) -> None:
        """Sets or clears the flag with which transformers' feature encoder lets its input require a gradient.

        With the flag, autograd records the whole convolution although none of its weights is trained.
        """
        front: Any = self.feature_extractor
        if needed:
            front._requires_grad = True
        else:
            front._freeze_parameters()

    def prepare_tracing(self, *, padded: bool) -> None:
        """Leaves out the masks of attention and group norm where no row is padded. The front end's convolutions become
        matrix products. The weights of the positional convolution, which are stored as length and direction, become
        plain ones."""
        self.masked = padded
        if not isinstance(self.feature_extractor, MatrixFront):
            self.feature_extractor = MatrixFront(self.feature_extractor)
        convolution: nn.Module = self.encoder.pos_conv_embed.conv  # type: ignore[union-attr,assignment]
        if parametrize.is_parametrized(convolution, "weight"):
            parametrize.remove_parametrizations(convolution, "weight")

    def checkpoint_activations(self) -> None:
        """Checkpointing of transformers, without reentrant autograd."""
        hf: Any = self.__dict__["hf"]
        # The second name is that before transformers 5.23.

        enable = getattr(hf, "activation_checkpointing_enable", None) or hf.gradient_checkpointing_enable
        enable({"use_reentrant": False})
