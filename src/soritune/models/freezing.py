"""Which parameters are trained. Frozen parts have no gradient, no graph and no dropout.

The encoder is a sequence of stages (`EncoderModule.stages`): front end, the modules between it and the layers,
transformer layers, final norm. All stages below the first trained one run in evaluation mode. They need no gradient, so
autograd records nothing there.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

import torch
from torch import Tensor, nn

from soritune.errors import ModelError
from soritune.models.config import FreezeSettings, ModelConfig
from soritune.models.encoder_module import ENTRY, FIRST_LAYER, FRONT, EncoderModule
from soritune.models.inputs.input import InputModule
from soritune.tasks.specs import OutputSpec, layer_numbers


class Freezable(Protocol):
    """The parts of a model that freezing uses."""

    config: ModelConfig
    encoder: EncoderModule
    outputs: tuple[OutputSpec, ...]
    heads: nn.ModuleDict
    inputs: nn.ModuleDict
    evaluated: tuple[nn.Module, ...]
    training: bool

    def train(self, mode: bool = True) -> nn.Module:
        """As for any module."""
        ...

    def named_parameters(self) -> Iterable[tuple[str, nn.Parameter]]:
        """As for any module."""
        ...


def read_layers(outputs: Sequence[OutputSpec], num_layers: int) -> tuple[int, bool]:
    """Number of transformer layers that heads depend on, and whether a head depends on the final norm."""
    deepest, final = 0, False
    for spec in outputs:
        if spec.layer == "last":
            deepest, final = num_layers, True
        elif spec.layer == "weighted":
            deepest = num_layers
        else:
            deepest = max(deepest, *layer_numbers(spec), 0)
    return deepest, final


def apply_freezing(model: Freezable) -> None:
    """Sets `requires_grad` as `model.config` describes, and `evaluated`, the modules that stay in evaluation mode.

    Raises:
        ModelError: more frozen layers than the encoder has, or layer drop with some layers frozen.
    """
    config, freeze, encoder = model.config, model.config.freeze, model.encoder
    if freeze.layers > encoder.num_layers:
        raise ModelError(f"freeze.layers is {freeze.layers}; the encoder has {encoder.num_layers} layers")
    parts = encoder.stages()
    deepest, final = read_layers(model.outputs, encoder.num_layers)
    below = FIRST_LAYER + freeze.layers if freeze.layers else int(freeze.feature_encoder)
    only_adapters = _trains_only_adapters(config)
    for index, modules in enumerate(parts):
        unread = index >= FIRST_LAYER + deepest and not (index == len(parts) - 1 and final)
        frozen = index < below or unread
        for module in modules:
            for name, parameter in module.named_parameters():
                is_weight = ".lora_" not in name
                parameter.requires_grad = not (frozen or (is_weight and only_adapters))
    for parameter in model.heads.parameters():
        parameter.requires_grad = not freeze.heads
    for module in input_modules(model):
        for name, parameter in module.named_parameters():
            parameter.requires_grad = not freeze.heads and module.is_trained(name)
    everything = below == 0 and not freeze.encoder and config.lora is None
    embedding = encoder.mask_embedding
    if isinstance(embedding, nn.Parameter):
        embedding.requires_grad = everything
    model.evaluated = (
        *_evaluated(encoder, parts, heads=list(model.heads.values()) if freeze.heads else []),
        *(
            part
            for module in input_modules(model)
            for part in ((module,) if freeze.heads else module.frozen_modules())
        ),
    )
    encoder.set_front_graph(_trained(parts[FRONT]))
    first = next((index for index, modules in enumerate(parts) if _trained(modules)), len(parts))
    if config.layerdrop > 0 and FIRST_LAYER < first < len(parts):
        raise ModelError(f"layerdrop {config.layerdrop} would drop frozen layers too; set layerdrop to 0")
    model.train(model.training)


def input_modules(model: Freezable) -> list[InputModule]:
    """The modules of the inputs beside the waveform."""
    return list(model.inputs.values())  # type: ignore[arg-type]


def _trains_only_adapters(config: ModelConfig) -> bool:
    """Whether no weight of the encoder is trained except its adapters, if it has any."""
    return config.freeze.encoder or (config.lora is not None and not config.lora.train_base)


def _trained(modules: Sequence[nn.Module]) -> bool:
    return any(parameter.requires_grad for module in modules for parameter in module.parameters())


def _evaluated(
    encoder: nn.Module, parts: Sequence[tuple[nn.Module, ...]], heads: Sequence[nn.Module]
) -> tuple[nn.Module, ...]:
    """Modules below the first and above the last trained stage."""
    trained = [index for index, modules in enumerate(parts) if _trained(modules)]
    if not trained:
        return (encoder, *heads)
    outside = (*parts[: trained[0]], *parts[trained[-1] + 1 :])
    return (*(module for modules in outside for module in modules), *heads)


def check_frozen(model: Freezable) -> None:
    """Compares `requires_grad` of every weight with `model.config`, by the weight's name alone.

    `apply_freezing` sets it by modules. This states the same rule by names, so that a defect there or a library that
    sets `requires_grad` is noticed.

    Raises:
        ModelError: a weight is trained and should be frozen, or the reverse.
    """
    deepest, final = read_layers(model.outputs, model.encoder.num_layers)
    for name, parameter in model.named_parameters():
        should_train = _should_train(name, model, model.config, deepest, final_read=final)
        if should_train != parameter.requires_grad:
            state, order = ("trained", "frozen") if parameter.requires_grad else ("frozen", "trained")
            raise ModelError(f"{name} is {state} and should be {order} by model.freeze and model.lora")


def _should_train(
    name: str, model: Freezable, config: ModelConfig, deepest: int, *, final_read: bool
) -> bool:
    freeze, encoder = config.freeze, model.encoder
    if name.startswith("inputs."):
        _, owner, rest = name.split(".", 2)
        return not freeze.heads and model.inputs[owner].is_trained(rest)  # type: ignore[operator]
    if name.startswith("heads."):
        return not freeze.heads
    if not name.startswith("encoder."):
        return True  # added after `build_model`; `GradientWatch` watches it
    is_adapter = ".lora_" in name
    if not is_adapter and _trains_only_adapters(config):
        return False
    stage = encoder.stage_of(name.removeprefix("encoder."))
    if stage is None:
        return not (freeze.feature_encoder or freeze.layers or freeze.encoder or config.lora is not None)
    if stage == FRONT:
        return not freeze.feature_encoder and freeze.layers == 0
    if stage == ENTRY:
        return freeze.layers == 0
    layer = stage - FIRST_LAYER
    return final_read if layer == encoder.num_layers else freeze.layers <= layer < deepest


def trained_names(model: Freezable, freeze: FreezeSettings) -> frozenset[str]:
    """Names of the weights that are trained under `freeze`; the model is not changed.

    The rule is that of `check_frozen`.
    """
    config = model.config.model_copy(update={"freeze": freeze})
    deepest, final = read_layers(model.outputs, model.encoder.num_layers)
    return frozenset(
        name
        for name, _ in model.named_parameters()
        if _should_train(name, model, config, deepest, final_read=final)
    )


@torch.no_grad()
def frozen_sums(model: nn.Module) -> Tensor:
    """(weights,) int64: the sum of the bits of every frozen weight; equal sums mean unchanged weights."""

    sums = [
        parameter.detach().contiguous().view(torch.int32).sum(dtype=torch.int64)
        for parameter in model.parameters()
        if not parameter.requires_grad and parameter.element_size() == 4
    ]
    return torch.stack(sums).cpu() if sums else torch.zeros(0, dtype=torch.int64)
