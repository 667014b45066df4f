"""Builds a model from a recipe's settings: weights, heads, adapters, freezing. Next: `training/loop.py`."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from soritune.errors import ModelError
from soritune.models.adapters import adapter_layers, add_lora, load_adapter_weights
from soritune.models.adoption import adopt_heads, adopt_inputs
from soritune.models.architecture import check_architecture, encoder_config, make_encoder
from soritune.models.config import ModelConfig
from soritune.models.encoders.encoder import family_of, with_front
from soritune.models.freezing import apply_freezing, input_modules, read_layers
from soritune.models.model import SpeechModel
from soritune.models.pretrained import described_architecture
from soritune.models.sizes import check_weights
from soritune.models.starting_point import StartingPoint, find_start, merge_unless_same
from soritune.tasks.specs import InputSpec, OutputSpec


def build_model(
    config: ModelConfig,
    outputs: Sequence[OutputSpec],
    *,
    seed: int,
    inputs: Sequence[InputSpec] = (),
    sample_rate_hz: int = 16000,
) -> SpeechModel:
    """Builds a model; `model.load_report` describes where its weights came from.

    Initial weights depend only on `seed` and the output's name; adding an output leaves the other heads unchanged.

    Args:
        config: the model's settings.
        outputs: its outputs, the primary one first.
        seed: seed of all random weights.
        inputs: its inputs beside the waveform.
        sample_rate_hz: sample rate of the waveforms (`preprocessing.sample_rate_hz`).

    Raises:
        ModelError: the starting point cannot be read or does not fit; settings that contradict each other.
    """
    _check_names(outputs)
    start = find_start(config)
    hf = encoder_config(
        with_front(start.architecture, config.front, start.source),
        source=start.source,
        dropout=config.dropout,
        layerdrop=config.layerdrop,
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
    model.notice = start.notice
    model.load_report = start.report
    return model


def count_model(
    config: ModelConfig,
    outputs: Sequence[OutputSpec],
    *,
    from_recipe: bool = True,
    inputs: Sequence[InputSpec] = (),
    sample_rate_hz: int = 16000,
) -> SpeechModel:
    """The same model without memory (meta device), for counting parameters.

    Nothing is loaded or downloaded if the configuration has its `architecture`.

    Args:
        config: the model's settings.
        outputs: its outputs.
        from_recipe: whether the architecture was written by hand, so that unknown keys are refused. The config.json of
            an older model may hold such keys.
        inputs: its inputs beside the waveform.
        sample_rate_hz: sample rate of the waveforms.

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
    """A seed derived from `seed` and `name`; the same in every process."""
    return (seed * 1_000_003 + zlib.crc32(name.encode())) % 2**63


def _check_names(outputs: Sequence[OutputSpec]) -> None:
    names = [spec.name for spec in outputs]
    if not names:
        raise ModelError("a model needs at least one output; give it a task")
    duplicate = next((name for name in names if names.count(name) > 1), None)
    if duplicate is not None:
        raise ModelError(f"two outputs are called '{duplicate}'; output names must differ")
    odd = next((name for name in names if "." in name or not name), None)
    if odd is not None:
        raise ModelError(f"output name '{odd}' has a dot or is empty; weights are named after it")


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
    with torch.random.fork_rng(devices=[]):
        with torch.device("meta"):
            model = SpeechModel(encoder, outputs, config, inputs)
        check_weights(model, start.source if start else "the model")
        if meta:
            return model
        with torch.device("cpu"):
            return SpeechModel(encoder, outputs, config, inputs)


def _with_lora_targets(config: ModelConfig, model_type: str) -> ModelConfig:
    """The settings, with the family's own targets of adapters if the recipe has no targets."""
    if config.lora is None or config.lora.targets is not None:
        return config
    targets = family_of(model_type, "the encoder").lora_targets
    return config.model_copy(update={"lora": config.lora.model_copy(update={"targets": targets})})


def _layers_with_adapters(
    config: ModelConfig, outputs: Sequence[OutputSpec], num_layers: int
) -> tuple[int, int] | None:
    """First and last layer that get adapters: above the frozen layers, up to the deepest one that a head reads."""
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
        for module in input_modules(model):
            module.checkpoint_activations()
