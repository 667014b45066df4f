"""What is trained and what is not. Frozen means frozen: no gradient, no graph, no dropout.

The encoder is a row of stages: feature encoder, feature projection (with the mask embedding and the
positional convolution), transformer layers, final norm. Everything below the first stage that is trained runs
in evaluation mode and, since nothing below needs a gradient, autograd records nothing there.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from soritune.errors import ModelError
from soritune.models.config import ModelConfig
from soritune.tasks.task import OutputSpec

if TYPE_CHECKING:
    from soritune.models.model import SpeechModel


def stages(encoder: nn.Module) -> list[list[nn.Module]]:
    """The encoder's modules in the order a clip meets them; stage 2 + n is transformer layer n, the last the
    final norm of a pre-norm encoder (empty otherwise)."""
    transformer: nn.Module = encoder.encoder  # type: ignore[assignment]
    before: list[nn.Module] = [encoder.feature_projection, transformer.pos_conv_embed, transformer.dropout]  # type: ignore[list-item]
    after: list[nn.Module] = []
    norm: nn.Module = transformer.layer_norm  # type: ignore[assignment]
    (after if encoder.config.do_stable_layer_norm else before).append(norm)  # type: ignore[union-attr]
    return [[encoder.feature_extractor], before, *([layer] for layer in transformer.layers), after]  # type: ignore[list-item,union-attr]


def read_layers(outputs: Sequence[OutputSpec], num_layers: int) -> tuple[int, bool]:
    """Number of transformer layers that some head depends on, and whether one depends on the final norm."""
    deepest, final = 0, False
    for spec in outputs:
        if spec.layer == "last":
            deepest, final = num_layers, True
        else:
            deepest = max(deepest, num_layers if spec.layer == "weighted" else int(spec.layer))
    return deepest, final


def apply_freezing(model: SpeechModel) -> None:
    """Sets what is trained after `model.config`, and remembers the modules that stay in evaluation mode.

    Raises:
        ModelError: more layers frozen than there are, or layer drop over layers of which some are frozen.
    """
    config, freeze, encoder = model.config, model.config.freeze, model.encoder
    if freeze.layers > model.num_layers:
        raise ModelError(f"freeze.layers is {freeze.layers}; the encoder has {model.num_layers} layers")
    parts = stages(encoder)
    deepest, final = read_layers(model.outputs, model.num_layers)
    below = 2 + freeze.layers if freeze.layers else int(freeze.feature_encoder)
    for index, modules in enumerate(parts):
        unread = index >= 2 + deepest and not (index == len(parts) - 1 and final)
        fixed = index < below or unread
        for module in modules:
            for name, parameter in module.named_parameters():
                is_weight = ".lora_" not in name
                parameter.requires_grad = not (
                    fixed
                    or (
                        is_weight
                        and (freeze.encoder or (config.lora is not None and not config.lora.train_base))
                    )
                )
    for parameter in model.heads.parameters():
        parameter.requires_grad = not freeze.heads
    everything = below == 0 and not freeze.encoder and config.lora is None
    embedding = getattr(encoder, "masked_spec_embed", None)
    if isinstance(embedding, nn.Parameter):
        embedding.requires_grad = everything
    model.evaluated = _evaluated(encoder, parts, heads=list(model.heads.values()) if freeze.heads else [])
    if not _trained(parts[0]):
        # Without this transformers' feature encoder marks its input as needing a gradient, and the graph runs
        # through the whole convolution although none of its weights is trained.
        encoder.feature_extractor._freeze_parameters()  # type: ignore[union-attr,operator]
    else:
        encoder.feature_extractor._requires_grad = True  # type: ignore[union-attr]
    first = next((index for index, modules in enumerate(parts) if _trained(modules)), len(parts))
    if config.layerdrop > 0 and 2 < first < len(parts):
        raise ModelError(f"layerdrop {config.layerdrop} would drop frozen layers too; set layerdrop to 0")
    model.train(model.training)


def _trained(modules: list[nn.Module]) -> bool:
    return any(parameter.requires_grad for module in modules for parameter in module.parameters())


def _evaluated(
    encoder: nn.Module, parts: list[list[nn.Module]], heads: list[nn.Module]
) -> tuple[nn.Module, ...]:
    """Modules below the first and above the last trained stage."""
    trained = [index for index, modules in enumerate(parts) if _trained(modules)]
    if not trained:
        return (encoder, *heads)
    outside = parts[: trained[0]] + parts[trained[-1] + 1 :]
    return (*(module for modules in outside for module in modules), *heads)


def check_frozen(model: SpeechModel) -> None:
    """Compares what is trained with what `model.config` says, weight by weight and by its name alone.

    `apply_freezing` goes by modules; this is the same rule said another way, so that neither a change there nor a
    library that sets `requires_grad` goes unnoticed.

    Raises:
        ModelError: a weight is trained that should not be, or the other way round.
    """
    deepest, final = read_layers(model.outputs, model.num_layers)
    pre_norm = bool(model.encoder.config.do_stable_layer_norm)  # type: ignore[union-attr]
    for name, parameter in model.named_parameters():
        wanted = _wanted(name, model.config, deepest, final_norm_last=pre_norm, final_read=final)
        if wanted != parameter.requires_grad:
            state, order = ("trained", "frozen") if parameter.requires_grad else ("frozen", "trained")
            raise ModelError(f"{name} is {state} and should be {order} by model.freeze and model.lora")


def _wanted(name: str, config: ModelConfig, deepest: int, *, final_norm_last: bool, final_read: bool) -> bool:
    freeze = config.freeze
    if name.startswith("heads."):
        return not freeze.heads
    if not name.startswith("encoder."):
        return True  # no part of the model as built; the watch on gradients looks after it
    is_adapter = ".lora_" in name
    if not is_adapter and (freeze.encoder or (config.lora is not None and not config.lora.train_base)):
        return False
    layer = re.match(r"encoder\.encoder\.layers\.(\d+)\.", name)
    if layer:
        return freeze.layers <= int(layer[1]) < deepest
    if name.startswith("encoder.encoder.layer_norm.") and final_norm_last:
        return final_read
    if name.startswith("encoder.feature_extractor."):
        return not freeze.feature_encoder and freeze.layers == 0
    if name.endswith("masked_spec_embed"):
        return not (freeze.feature_encoder or freeze.layers or freeze.encoder or config.lora is not None)
    return freeze.layers == 0


@torch.no_grad()
def frozen_sums(model: nn.Module) -> Tensor:
    """(weights,) int64: the bits of every frozen weight, summed. Equal before and after: nothing has changed."""
    sums = [
        parameter.detach().contiguous().view(torch.int32).sum(dtype=torch.int64)
        for parameter in model.parameters()
        if not parameter.requires_grad and parameter.element_size() == 4
    ]
    return torch.stack(sums).cpu() if sums else torch.zeros(0, dtype=torch.int64)
