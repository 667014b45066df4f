"""LoRA (Hu et al. 2021) on an encoder by peft: adding adapters, merging them, and their weights.

Adapters are inside the encoder under peft's names (`q_proj.base_layer`, `q_proj.lora_A.default`). Heads have no
adapters; they are peft's `modules_to_save`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from soritune.errors import ModelError
from soritune.models.config import LoraSettings
from soritune.models.encoder_module import EncoderModule
from soritune.models.quick_dropout import quicken_dropout
from soritune.models.transformers_import import import_for_adapters

ADAPTER = "default"
"""peft's name of the one adapter a model has."""


def adapter_layers(
    settings: LoraSettings, num_layers: int, lowest: int = 0, highest: int | None = None
) -> tuple[int, int]:
    """First and last layer that get adapters: `settings.layers`, or without it `lowest` to `highest`.

    Args:
        settings: of the adapters.
        num_layers: transformer layers of the encoder.
        lowest: the first layer that is not frozen.
        highest: the last layer that a head depends on; None is the last of all.

    Raises:
        ModelError: layers that the encoder does not have or that are frozen.
    """
    first, last = settings.layers or (lowest, num_layers - 1 if highest is None else highest)
    if not 0 <= first <= last < num_layers:
        raise ModelError(
            f"lora.layers is {first} … {last}; the encoder has layers 0 … {num_layers - 1}, first ≤ last"
        )
    if first < lowest:
        raise ModelError(
            f"lora.layers begins at {first}, but the lower {lowest} layers are frozen; begin at {lowest}, or "
            "set freeze.layers lower"
        )
    return first, last


def peft_config(settings: LoraSettings, first: int, last: int, *, layers_pattern: str, **more: Any) -> Any:
    """The `LoraConfig` for adapters on layers `first` to `last` of the list that peft finds by `layers_pattern`."""
    from peft import LoraConfig

    return LoraConfig(
        r=settings.rank,
        lora_alpha=settings.alpha,  # type: ignore[arg-type]
        lora_dropout=settings.dropout,
        target_modules=list(settings.targets or ()),
        layers_to_transform=list(range(first, last + 1)),
        layers_pattern=layers_pattern,
        bias="none",
        **more,
    )


def add_lora(encoder: EncoderModule, settings: LoraSettings, first: int, last: int, *, seed: int) -> None:
    """Puts adapters on layers `first` to `last`, in place: A random from `seed`, B zero, so that outputs stay equal.

    Raises:
        ModelError: no targets, or a target that is not the name of a linear module of a layer.
    """
    from peft import inject_adapter_in_model

    import_for_adapters()
    layer = encoder.layers[first]
    linear = sorted(
        {name.rpartition(".")[2] for name, module in layer.named_modules() if isinstance(module, nn.Linear)}
    )
    unknown = [target for target in settings.targets or () if target not in linear]
    if unknown or not settings.targets:
        raise ModelError(
            f"lora.targets names {', '.join(unknown) or 'nothing'}; the encoder has {', '.join(linear)}"
        )
    meta = next(encoder.parameters()).is_meta
    with torch.random.fork_rng(devices=[]), torch.device("meta" if meta else "cpu"):
        torch.manual_seed(seed)
        adapters = peft_config(settings, first, last, layers_pattern=encoder.layers_name)
        inject_adapter_in_model(adapters, encoder, adapter_name=ADAPTER)
    quicken_dropout(encoder)


def adapted_modules(encoder: nn.Module) -> dict[str, Any]:
    """The encoder's linear modules that have an adapter, by name."""
    from peft.tuners.lora import LoraLayer

    return {name: module for name, module in encoder.named_modules() if isinstance(module, LoraLayer)}


def merge_adapters(model: nn.Module) -> int:
    """Adds every adapter to the weights below it and removes it, in place; returns the number of adapters.

    Takes an encoder or a `SpeechModel`, whose `config.lora` becomes None.
    """
    encoder: nn.Module = getattr(model, "encoder") if hasattr(model, "heads") else model  # noqa: B009
    adapted = adapted_modules(encoder)
    for name, module in adapted.items():
        module.merge(safe_merge=False)
        parent = encoder.get_submodule(name.rpartition(".")[0])
        setattr(parent, name.rpartition(".")[2], module.base_layer)
    if hasattr(model, "heads") and hasattr(model, "config"):
        model.config = model.config.model_copy(update={"lora": None})  # type: ignore[operator,union-attr]
    return len(adapted)


def plain_weights(encoder: nn.Module) -> dict[str, Tensor]:
    """The encoder's weights with adapters merged, under the names of one without; the encoder is left unchanged."""
    weights = dict(encoder.state_dict())
    for name, module in adapted_modules(encoder).items():
        merged = weights[f"{name}.base_layer.weight"] + module.get_delta_weight(ADAPTER).detach()
        for key in [key for key in weights if key.startswith(f"{name}.")]:
            value = weights.pop(key)
            if key == f"{name}.base_layer.bias":
                weights[f"{name}.bias"] = value
        weights[f"{name}.weight"] = merged
    return weights


def base_weights(encoder: nn.Module) -> dict[str, Tensor]:
    """The encoder's weights below its adapters, under the names of one without; the memory is the encoder's own."""
    return {
        name.replace(".base_layer.", "."): value
        for name, value in encoder.state_dict().items()
        if ".lora_" not in name
    }


def adapter_weights(encoder: nn.Module) -> dict[str, Tensor]:
    """The adapters alone, under peft's names on disk (without the adapter's name)."""
    return {
        name.replace(f".{ADAPTER}.", "."): value
        for name, value in encoder.state_dict().items()
        if ".lora_" in name
    }


def load_adapter_weights(encoder: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Fills the encoder's adapters with `weights` (names as in `adapter_weights`).

    Raises:
        ModelError: other adapters than the encoder has.
    """
    names = {name.replace(f".{ADAPTER}.", "."): name for name in encoder.state_dict() if ".lora_" in name}
    if set(names) != set(weights):
        odd = sorted(set(names) ^ set(weights))
        raise ModelError(f"the adapters do not fit the encoder: {len(odd)} weights differ, first {odd[0]}")
    encoder.load_state_dict({names[name]: value for name, value in weights.items()}, strict=False)


def check_stored_adapters(settings: LoraSettings, weights: Mapping[str, Tensor], num_layers: int) -> None:
    """Compares stored adapters (names as in `adapter_weights`) with their settings, before anything is built from them.

    Raises:
        ModelError: layers that the encoder does not have, another rank, or half of an adapter.
    """
    adapter_layers(settings, num_layers)
    for name, value in weights.items():
        for own, partner, axis in (
            (".lora_A.weight", ".lora_B.weight", 0),
            (".lora_B.weight", ".lora_A.weight", 1),
        ):
            if name.endswith(own):
                rank = value.shape[axis] if value.ndim == 2 else None
                if rank != settings.rank or name.removesuffix(own) + partner not in weights:
                    raise ModelError(
                        f"the adapter weight {name} has the shape {tuple(value.shape)}, or lacks its partner; the "
                        f"settings state rank {settings.rank}"
                    )


def merge_adapter_weights(plain: dict[str, Tensor], adapters: Mapping[str, Tensor], scale: float) -> None:
    """Adds adapters (names as in `adapter_weights`) to plain encoder weights, in place: W + scale · B A.

    Raises:
        ModelError: an adapter on a module the encoder does not have.
    """
    for name, down in adapters.items():
        if not name.endswith(".lora_A.weight"):
            continue
        module = name.removesuffix(".lora_A.weight")
        up = adapters[f"{module}.lora_B.weight"]
        if f"{module}.weight" not in plain:
            raise ModelError(
                f"the adapter belongs to the module {module}, which the encoder does not have; it has another base"
            )
        weight = plain[f"{module}.weight"]
        if weight.shape != (up.shape[0], down.shape[1]):
            raise ModelError(
                f"the adapter of {module} has another size than the encoder; it has another base"
            )
        plain[f"{module}.weight"] = weight + scale * (up @ down)
