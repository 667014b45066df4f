"""The model: one encoder, one head per output. Next: `training/loop.py`.

Shapes: batch, samples, frames (encoder frames), hidden (encoder channels), labels.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

import torch
from torch import Tensor, nn

from soritune.errors import ModelError
from soritune.geometry import frames_of
from soritune.models.adapters import adapter_layers, add_lora, load_adapter_weights
from soritune.models.config import ModelConfig
from soritune.models.encoder import check_architecture, encoder_config, make_encoder
from soritune.models.freezing import apply_freezing, read_layers
from soritune.models.group_norm import samples_known
from soritune.models.heads import Head, reading_order
from soritune.models.losses.loss import log_probabilities, make_head
from soritune.models.spec_augment import hide
from soritune.models.starting_point import (
    BaseSource,
    StartingPoint,
    adopt_heads,
    find_start,
    merge_unless_same,
    random_architecture,
)
from soritune.tasks.task import OutputSpec

Count = TypeVar("Count")


class ModelOutput(NamedTuple):
    """What a forward pass gives."""

    logits: dict[str, Tensor]
    """By output name: (batch, frames, labels) or (batch, labels)."""
    num_frames: Tensor
    """(batch,) int64: valid frames of each row."""


@dataclass(frozen=True, slots=True)
class LoadReport:
    """What a model's weights are, in words."""

    lines: tuple[str, ...]

    @property
    def keeps_heads(self) -> bool:
        """True when every head came with the weights, whole: the model can predict before it is trained."""
        return not any(line.startswith("new: head") or "; new: " in line for line in self.lines)

    def __str__(self) -> str:
        return "; ".join(self.lines)


class SpeechModel(nn.Module):
    """Waveforms to logits, for any number of outputs.

    Padding changes nothing: every encoder gets an attention mask, and a group norm counts valid frames only.

    Attributes:
        encoder: transformers' base model, repaired (`models/encoder.py`).
        heads: a head per output, by name.
        outputs: their declarations, the primary one first.
        config: what the model was built from.
        load_report: where the weights came from.
        base: what an adapter-only bundle may name as its base, or None.
        evaluated: frozen modules that stay in evaluation mode under `train()`.
    """

    def __init__(self, encoder: nn.Module, outputs: Sequence[OutputSpec], config: ModelConfig) -> None:
        super().__init__()
        hf: Any = encoder.config
        self.encoder, self.outputs, self.config = encoder, tuple(outputs), config
        self.load_report = LoadReport(())
        self.base: BaseSource | None = None
        self.evaluated: tuple[nn.Module, ...] = ()
        self.hidden_size: int = hf.hidden_size
        self.num_layers: int = hf.num_hidden_layers
        self.conv_geometry: tuple[tuple[int, ...], tuple[int, ...]] = (
            tuple(hf.conv_kernel),
            tuple(hf.conv_stride),
        )
        """Kernels and strides of the feature encoder, for `frames_of`."""
        self._order = reading_order(self.outputs)
        width = {spec.name: len(spec.labels) for spec in self.outputs}
        self.heads = nn.ModuleDict()
        for spec in self.outputs:
            self.heads[spec.name] = make_head(
                spec,
                hidden_size=self.hidden_size,
                num_layers=self.num_layers,
                read_width=width[spec.reads] if spec.reads else 0,
                dropout=hf.final_dropout,
                utterance_dropout=config.dropout or 0.0,
                projector_size=config.projector_size or hf.classifier_proj_size,
                pooling=config.pooling,
            )
        self._kept_layers = self._layers_to_keep()

    @property
    def frame_rate_hz(self) -> float:
        """Frames per second at 16 kHz."""
        return 16000 / math.prod(self.conv_geometry[1])

    @property
    def least_samples(self) -> int:
        """Samples that make one frame: the receptive field."""
        needed = 1
        for kernel, stride in zip(*(reversed(axis) for axis in self.conv_geometry), strict=True):
            needed = (needed - 1) * stride + kernel
        return needed

    def num_frames_for(self, num_samples: Count) -> Count:
        """Frames of a number of samples: int, NumPy array or tensor."""
        return frames_of(num_samples, *self.conv_geometry)

    def train(self, mode: bool = True) -> SpeechModel:
        """As for any module, but frozen parts stay in evaluation mode."""
        super().train(mode)
        for module in self.evaluated:
            module.eval()
        return self

    def forward(
        self,
        waveform: Tensor,
        num_samples: Tensor,
        *,
        time_mask: Tensor | None = None,
        feature_mask: Tensor | None = None,
    ) -> ModelOutput:
        """One pass.

        Args:
            waveform: (batch, samples) float32, normalised, zero-padded.
            num_samples: (batch,) int64, on the waveform's device.
            time_mask: (batch, frames) bool, frames SpecAugment hides, or None.
            feature_mask: (batch, hidden) bool, channels SpecAugment hides, or None.
        """
        missing = self.least_samples - waveform.shape[1]
        if missing > 0:
            waveform = nn.functional.pad(waveform, (0, missing))
        num_frames = self.num_frames_for(num_samples)
        last, states, valid = self._encode(waveform, num_samples, num_frames, time_mask, feature_mask)
        logits: dict[str, Tensor] = {}
        specs = {spec.name: spec for spec in self.outputs}
        for name in self._order:
            head: Head = self.heads[name]  # type: ignore[assignment]
            state = head.state(last, states)
            source = specs[name].reads
            if source is not None:
                seen = log_probabilities(specs[source], logits[source]).to(state.dtype)
                if seen.ndim == 2:
                    seen = seen[:, None, :].expand(-1, state.shape[1], -1)
                state = torch.cat([state, seen], dim=-1)
            logits[name] = head(state, valid)
        return ModelOutput({spec.name: logits[spec.name] for spec in self.outputs}, num_frames)

    def _encode(
        self,
        waveform: Tensor,
        num_samples: Tensor,
        num_frames: Tensor,
        time_mask: Tensor | None,
        feature_mask: Tensor | None,
    ) -> tuple[Tensor, dict[int, Tensor], Tensor]:
        """The base model's forward pass, its parts called one by one: last state (batch, frames, hidden),
        states that heads read by layer, and the valid frames (batch, frames) bool."""
        encoder: Any = self.encoder
        with samples_known(self.encoder, num_samples):
            features = encoder.feature_extractor(waveform).transpose(1, 2)
        projected = encoder.feature_projection(features)
        hidden = projected[0] if isinstance(projected, tuple) else projected
        hidden = hide(hidden, time_mask, feature_mask, getattr(encoder, "masked_spec_embed", None))
        # A row without a frame keeps one, so that no softmax runs over nothing; the caller drops such rows.
        valid = torch.arange(hidden.shape[1], device=hidden.device) < num_frames[:, None].clamp(min=1)
        with self._states(encoder.encoder) as states:
            last = encoder.encoder(hidden, attention_mask=valid).last_hidden_state
        for layer in range(1, self.num_layers + 1):
            # A layer that layer drop skipped hands on what it was given.
            if layer in self._kept_layers and layer not in states:
                states[layer] = states[max(kept for kept in states if kept < layer)]
        return last, states, valid

    def _layers_to_keep(self) -> frozenset[int]:
        layers = {spec.layer for spec in self.outputs} - {"last"}
        if "weighted" in layers:
            return frozenset(range(self.num_layers + 1))
        numbers = frozenset(int(layer) for layer in layers)
        # With layer drop, the state below may have to stand in.
        return frozenset(range(max(numbers) + 1)) if numbers and self.config.layerdrop > 0 else numbers

    @contextmanager
    def _states(self, transformer: Any) -> Iterator[dict[int, Tensor]]:
        """Keeps the states heads read while the block runs: 0 is what the first layer is given, n what layer
        n gives, before any final norm. That is transformers' `hidden_states`."""
        states: dict[int, Tensor] = {}

        def keep(number: int) -> Any:
            def hook(module: nn.Module, args: tuple[Any, ...], output: Any) -> None:
                states[number] = output[0] if isinstance(output, tuple) else output

            return hook

        handles = []
        for number in sorted(self._kept_layers):
            # The dropout before the layers stands for layer 0: layer drop may skip the first layer.
            source = transformer.layers[number - 1] if number else transformer.dropout
            handles.append(source.register_forward_hook(keep(number)))
        try:
            yield states
        finally:
            for handle in handles:
                handle.remove()


def _check_names(outputs: Sequence[OutputSpec]) -> None:
    names = [spec.name for spec in outputs]
    if not names:
        raise ModelError("a model needs at least one output; give it a task")
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ModelError(f"two outputs are called '{twice}'; output names must differ")
    odd = next((name for name in names if "." in name or not name), None)
    if odd is not None:
        raise ModelError(f"output name '{odd}' has a dot or is empty; weights are named after it")


def build_model(config: ModelConfig, outputs: Sequence[OutputSpec], *, seed: int) -> SpeechModel:
    """Builds a model: weights, heads, adapters, freezing. `model.load_report` says in words what came from
    where.

    Everything drawn hangs on `seed` and the output's name, so an output more or less changes no other head.

    Raises:
        ModelError: the starting point cannot be read or does not fit; settings that contradict each other.
    """
    _check_names(outputs)
    start = find_start(config)
    hf = encoder_config(
        start.architecture, source=start.source, dropout=config.dropout, layerdrop=config.layerdrop
    )
    layers = _layers_with_adapters(config, outputs, hf.num_hidden_layers)
    merge_unless_same(start, None if config.lora is None or layers is None else (config.lora, layers))
    model = _assemble(config, outputs, hf, start.encoder, start, seed=seed)
    for name, head in model.heads.items():
        head.initialise(seed_for(seed, name))  # type: ignore[operator]
    adopt_heads(start, model.heads)  # type: ignore[arg-type]
    _finish(model, layers, seed)
    if start.adapter is not None:
        load_adapter_weights(model.encoder, start.adapter[1])
    model.base = start.base
    model.load_report = LoadReport(tuple(start.words))
    return model


def count_model(
    config: ModelConfig, outputs: Sequence[OutputSpec], *, from_recipe: bool = True
) -> SpeechModel:
    """The same model without memory (meta device), for counting parameters; nothing is loaded or downloaded
    when the configuration has its `architecture`.

    Args:
        config: the model's settings.
        outputs: what it gives.
        from_recipe: the architecture was written by hand, so a key that transformers does not know is refused.
            The config.json of an older checkpoint may hold such keys.

    Raises:
        ModelError: settings that contradict each other, or that no encoder can be built from.
    """
    if from_recipe:
        check_architecture(config.architecture)
    hf = encoder_config(random_architecture(config), dropout=config.dropout, layerdrop=config.layerdrop)
    model = _assemble(config, outputs, hf, None, None, meta=True)
    _finish(model, _layers_with_adapters(config, outputs, model.num_layers), seed=0)
    return model


def seed_for(seed: int, name: str) -> int:
    """A seed for what is called `name`; the same in every process."""
    return (seed * 1_000_003 + zlib.crc32(name.encode())) % 2**63


def _assemble(
    config: ModelConfig,
    outputs: Sequence[OutputSpec],
    hf: Any,
    weights: dict[str, Tensor] | None,
    start: StartingPoint | None,
    *,
    seed: int = 0,
    meta: bool = False,
) -> SpeechModel:
    encoder = make_encoder(
        hf, weights, seed=seed_for(seed, "encoder"), source=start.source if start else "", meta=meta
    )
    with torch.random.fork_rng(devices=[]), torch.device("meta" if meta else "cpu"):
        return SpeechModel(encoder, outputs, config)


def _layers_with_adapters(
    config: ModelConfig, outputs: Sequence[OutputSpec], num_layers: int
) -> tuple[int, int] | None:
    """First and last layer that get adapters: above the frozen ones, no higher than a head reads."""
    if config.lora is None:
        return None
    deepest, _ = read_layers(outputs, num_layers)
    return adapter_layers(config.lora, num_layers, config.freeze.layers, max(deepest - 1, 0))


def _finish(model: SpeechModel, layers: tuple[int, int] | None, seed: int) -> None:
    if layers is not None and model.config.lora is not None:
        add_lora(model.encoder, model.config.lora, *layers, seed=seed_for(seed, "adapters"))
    apply_freezing(model)
    if model.config.gradient_checkpointing:
        encoder: Any = model.encoder
        # The second is its name before transformers 5.23.
        enable = (
            getattr(encoder, "activation_checkpointing_enable", None) or encoder.gradient_checkpointing_enable
        )
        enable({"use_reentrant": False})
