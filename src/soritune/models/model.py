"""The model: one encoder, one head per output. Next: `training/loop.py`.

Shapes: batch, samples, frames (encoder frames), hidden (encoder channels), labels.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from soritune.errors import ModelError
from soritune.geometry import Geometry
from soritune.models.adapters import adapter_layers, add_lora, load_adapter_weights
from soritune.models.architecture import check_architecture, encoder_config, make_encoder
from soritune.models.checkpoint import described_architecture
from soritune.models.config import ModelConfig
from soritune.models.encoder_module import EncoderModule
from soritune.models.encoders.encoder import family_of
from soritune.models.freezing import apply_freezing, read_layers
from soritune.models.heads import Head, reading_order
from soritune.models.inputs.input import InputModule, make_input
from soritune.models.losses.loss import log_probabilities, make_head
from soritune.models.spec_augment import apply_masks
from soritune.models.starting_point import (
    BaseSource,
    StartingPoint,
    adopt_heads,
    adopt_inputs,
    find_start,
    merge_unless_same,
)
from soritune.tasks.specs import InputSpec, OutputSpec


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
    new_parts: tuple[str, ...] = ()
    """Heads and inputs with new weights, wholly or for some labels."""

    @property
    def is_complete(self) -> bool:
        """True when every head and input came with the weights, whole: the model can predict before it is trained."""
        return not self.new_parts

    def __str__(self) -> str:
        return "; ".join(self.lines)


class SpeechModel(nn.Module):
    """Waveforms to logits, for any number of outputs.

    Padding changes nothing: every encoder gets an attention mask, and a group norm counts valid frames only.

    Attributes:
        encoder: what gives frames (`models/encoder_module.py`).
        heads: a head per output, by name.
        outputs: their declarations, the primary one first.
        inputs: a module per input beside the waveform, by name.
        config: what the model was built from.
        load_report: where the weights came from.
        base: what an adapter-only bundle may name as its base, or None.
        evaluated: frozen modules that stay in evaluation mode under `train()`.
    """

    def __init__(
        self,
        encoder: EncoderModule,
        outputs: Sequence[OutputSpec],
        config: ModelConfig,
        inputs: Sequence[InputSpec] = (),
    ) -> None:
        super().__init__()
        self.encoder, self.outputs, self.config = encoder, tuple(outputs), config
        self.load_report = LoadReport(())
        self.base: BaseSource | None = None
        self.evaluated: tuple[nn.Module, ...] = ()
        self.inputs = nn.ModuleDict({spec.name: make_input(spec) for spec in inputs})
        self._order = reading_order(self.outputs)
        width = {spec.name: len(spec.labels) for spec in self.outputs}
        self.heads = nn.ModuleDict()
        for spec in self.outputs:
            self.heads[spec.name] = make_head(
                spec,
                hidden_size=self.hidden_size,
                num_layers=self.num_layers,
                read_width=(width[spec.reads] if spec.reads else 0) + self._width_of(spec.inputs, spec.name),
                dropout=encoder.head_dropout,
                utterance_dropout=config.dropout or 0.0,
                projector_size=config.projector_size or encoder.projector_size,
                pooling=config.pooling,
            )
        self._kept_layers = self._layers_to_keep()

    @property
    def input_specs(self) -> tuple[InputSpec, ...]:
        """The inputs beside the waveform."""
        return tuple(module.spec for module in self._input_modules())

    def _input_modules(self) -> list[InputModule]:
        return list(self.inputs.values())  # type: ignore[arg-type]

    def _width_of(self, names: Sequence[str], output: str) -> int:
        unknown = [name for name in names if name not in self.inputs]
        if unknown:
            raise ModelError(f"output '{output}' reads the input '{unknown[0]}', which no task declares")
        return sum(module.width for module in self._input_modules() if module.spec.name in names)

    @property
    def silent_weights(self) -> tuple[str, ...]:
        """Ends of names of trained weights whose gradient may be zero without a fault."""
        inputs = (
            f"inputs.{module.spec.name}.{name}" for module in self._input_modules() for name in module.silent
        )
        return (*self.encoder.silent_weights, *inputs)

    @property
    def hidden_size(self) -> int:
        """Encoder channels."""
        return self.encoder.hidden_size

    @property
    def num_layers(self) -> int:
        """Transformer layers."""
        return self.encoder.num_layers

    @property
    def geometry(self) -> Geometry:
        """How samples become frames."""
        return self.encoder.geometry

    def layer_of(self, name: str) -> int | None:
        """Transformer layer of one of the model's weights, counted from 0; None for any other weight."""
        return self.encoder.layer_of(name.removeprefix("encoder.")) if name.startswith("encoder.") else None

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
        **inputs: Tensor,
    ) -> ModelOutput:
        """One pass; takes what `Batch.inputs` holds.

        Args:
            waveform: (batch, samples) float32, normalised, zero-padded.
            num_samples: (batch,) int64, on the waveform's device.
            time_mask: (batch, frames) bool, frames SpecAugment hides, or None.
            feature_mask: (batch, hidden) bool, channels SpecAugment hides, or None.
            inputs: arrays of the other inputs, as `tasks/inputs` names them.
        """
        missing = self.geometry.least_samples - waveform.shape[1]
        if missing > 0:
            waveform = nn.functional.pad(waveform, (0, missing))
        num_frames: Tensor = self.geometry.num_frames(num_samples)
        last, states, valid = self.encode(waveform, num_samples, time_mask, feature_mask)
        logits: dict[str, Tensor] = {}
        specs = {spec.name: spec for spec in self.outputs}
        joined = {
            module.spec.name: _per_frame(module(inputs, len(last), last.shape[1]), last.shape[1])
            for module in self._input_modules()
        }
        for name in self._order:
            head: Head = self.heads[name]  # type: ignore[assignment]
            state = head.state(last, states)
            source = specs[name].reads
            if source is not None:
                seen = log_probabilities(specs[source], logits[source]).to(state.dtype)
                state = torch.cat([state, _per_frame(seen, state.shape[1])], dim=-1)
            if specs[name].inputs:
                more = [joined[given].to(state.dtype) for given in specs[name].inputs]
                state = torch.cat([state, *more], dim=-1)
            logits[name] = head(state, valid)
        return ModelOutput({spec.name: logits[spec.name] for spec in self.outputs}, num_frames)

    def encode(
        self,
        waveform: Tensor,
        num_samples: Tensor,
        time_mask: Tensor | None = None,
        feature_mask: Tensor | None = None,
    ) -> tuple[Tensor, dict[int, Tensor], Tensor]:
        """The encoder alone; arguments as for `forward`, no fewer samples than make a frame.

        Returns:
            The last state (batch, frames, hidden), the states that heads read by layer, and the valid frames
            (batch, frames) bool. A row without a frame keeps one, so that no softmax runs over nothing; the caller
            drops such rows.
        """
        geometry = self.geometry
        features = self.encoder.front(waveform, num_samples)
        hidden = apply_masks(features, time_mask, feature_mask, self.encoder.mask_embedding)
        valid = _valid(geometry.num_computed_frames(num_samples), hidden.shape[1])
        last, states = self.encoder.run(hidden, valid, self._kept_layers)
        if geometry.appended_samples:
            frames = max(geometry.num_frames(waveform.shape[1]), 1)
            last, states = last[:, :frames], {layer: state[:, :frames] for layer, state in states.items()}
            valid = _valid(geometry.num_frames(num_samples), frames)
        return last, states, valid

    def _layers_to_keep(self) -> frozenset[int]:
        layers = {spec.layer for spec in self.outputs} - {"last"}
        if "weighted" in layers:
            return frozenset(range(self.num_layers + 1))
        numbers = frozenset(int(layer) for layer in layers)
        # With layer drop, the state below may have to stand in.
        return frozenset(range(max(numbers) + 1)) if numbers and self.config.layerdrop > 0 else numbers


def _per_frame(values: Tensor, frames: int) -> Tensor:
    """(batch, width) as (batch, frames, width); values that have frames stay."""
    return values if values.ndim == 3 else values[:, None, :].expand(-1, frames, -1)


def _valid(num_frames: Tensor, width: int) -> Tensor:
    """(batch, width) bool; at least the first frame of each row."""
    return torch.arange(width, device=num_frames.device) < num_frames[:, None].clamp(min=1)


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


def build_model(
    config: ModelConfig,
    outputs: Sequence[OutputSpec],
    *,
    seed: int,
    inputs: Sequence[InputSpec] = (),
    sample_rate_hz: int = 16000,
) -> SpeechModel:
    """Builds a model: weights, heads, adapters, freezing. `model.load_report` says in words what came from
    where.

    Initial weights depend only on `seed` and the output's name; adding an output leaves the other heads unchanged.

    Args:
        config: the model's settings.
        outputs: what it gives, the primary one first.
        seed: of everything drawn.
        inputs: what it reads beside the waveform.
        sample_rate_hz: rate of the samples it will be given (`preprocessing.sample_rate_hz`).

    Raises:
        ModelError: the starting point cannot be read or does not fit; settings that contradict each other.
    """
    _check_names(outputs)
    start = find_start(config)
    hf = encoder_config(
        start.architecture, source=start.source, dropout=config.dropout, layerdrop=config.layerdrop
    )
    config = _with_lora_targets(config, hf.model_type)
    layers = _layers_with_adapters(config, outputs, family_of(hf.model_type, start.source).num_layers(hf))
    merge_unless_same(start, None if config.lora is None or layers is None else (config.lora, layers))
    model = _assemble(
        config, outputs, hf, start.encoder, start, inputs=inputs, seed=seed, sample_rate_hz=sample_rate_hz
    )
    for name, head in model.heads.items():
        head.initialise(seed_for(seed, name))  # type: ignore[operator]
    for name, module in model.inputs.items():
        module.initialise(torch.Generator().manual_seed(seed_for(seed, f"input {name}")))  # type: ignore[operator]
    adopt_heads(start, model.heads)  # type: ignore[arg-type]
    adopt_inputs(start, model.inputs)
    _add_adapters_and_freeze(model, layers, seed)
    if start.adapter is not None:
        load_adapter_weights(model.encoder, start.adapter[1])
    model.base = start.base
    model.load_report = LoadReport(tuple(start.words), tuple(start.new_parts))
    return model


def count_model(
    config: ModelConfig,
    outputs: Sequence[OutputSpec],
    *,
    from_recipe: bool = True,
    inputs: Sequence[InputSpec] = (),
    sample_rate_hz: int = 16000,
) -> SpeechModel:
    """The same model without memory (meta device), for counting parameters; nothing is loaded or downloaded
    when the configuration has its `architecture`.

    Args:
        config: the model's settings.
        outputs: what it gives.
        from_recipe: the architecture was written by hand, so a key that transformers does not know is refused.
            The config.json of an older checkpoint may hold such keys.
        inputs: what it reads beside the waveform.
        sample_rate_hz: rate of the samples it will be given.

    Raises:
        ModelError: settings that contradict each other, or that no encoder can be built from.
    """
    if from_recipe:
        check_architecture(config.architecture)
    hf = encoder_config(described_architecture(config), dropout=config.dropout, layerdrop=config.layerdrop)
    config = _with_lora_targets(config, hf.model_type)
    model = _assemble(
        config, outputs, hf, None, None, meta=True, inputs=inputs, sample_rate_hz=sample_rate_hz
    )
    _add_adapters_and_freeze(model, _layers_with_adapters(config, outputs, model.num_layers), seed=0)
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
    inputs: Sequence[InputSpec],
    sample_rate_hz: int,
    seed: int = 0,
    meta: bool = False,
) -> SpeechModel:
    encoder = make_encoder(
        hf,
        weights,
        sample_rate_hz=sample_rate_hz,
        seed=seed_for(seed, "encoder"),
        source=start.source if start else "",
        meta=meta,
    )
    with torch.random.fork_rng(devices=[]), torch.device("meta" if meta else "cpu"):
        return SpeechModel(encoder, outputs, config, inputs)


def _with_lora_targets(config: ModelConfig, model_type: str) -> ModelConfig:
    """The settings with the family's own targets of adapters where the recipe names none."""
    if config.lora is None or config.lora.targets is not None:
        return config
    targets = family_of(model_type, "the encoder").lora_targets
    return config.model_copy(update={"lora": config.lora.model_copy(update={"targets": targets})})


def _layers_with_adapters(
    config: ModelConfig, outputs: Sequence[OutputSpec], num_layers: int
) -> tuple[int, int] | None:
    """First and last layer that get adapters: above the frozen ones, no higher than a head reads."""
    if config.lora is None:
        return None
    deepest, _ = read_layers(outputs, num_layers)
    return adapter_layers(config.lora, num_layers, config.freeze.layers, max(deepest - 1, 0))


def _add_adapters_and_freeze(model: SpeechModel, layers: tuple[int, int] | None, seed: int) -> None:
    if layers is not None and model.config.lora is not None:
        add_lora(model.encoder, model.config.lora, *layers, seed=seed_for(seed, "adapters"))
    apply_freezing(model)
    if model.config.gradient_checkpointing:
        model.encoder.checkpoint_activations()
