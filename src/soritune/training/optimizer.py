"""AdamW with a learning rate per group, and the schedules. Next: `training/step.py`."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from typing import Protocol

from torch import nn
from torch.optim import AdamW

from soritune.errors import TrainingError
from soritune.training.config import TrainingSettings

_LAYER_GROUP = re.compile(r"layers\.(\d+)-(\d+)")
_ENCODER_OF_INPUT = re.compile(r"inputs\.\w+\.encoder\.")


class Layered(Protocol):
    """What the optimizer needs of a model."""

    def named_parameters(self) -> Iterable[tuple[str, nn.Parameter]]:
        """As for any module."""
        ...

    def layer_of(self, name: str) -> int | None:
        """Transformer layer of a parameter, or None."""
        ...


def group_of(name: str, groups: Iterable[str], layer: int | None) -> str | None:
    """Which of `groups` a parameter belongs to, or None for the default rate.

    The pretrained encoder of an input is "text", its adapters too. Other adapters are "lora" before anything else; then
    come layer groups; then "heads", "inputs" and "encoder".

    Args:
        name: of the parameter.
        groups: names of groups that have a rate of their own.
        layer: transformer layer of the parameter, or None (`SpeechModel.layer_of`).
    """
    groups = set(groups)
    if _ENCODER_OF_INPUT.match(name):
        return "text" if "text" in groups else None
    if "lora_" in name:
        return "lora" if "lora" in groups else None
    if layer is not None:
        for group in groups:
            span = _LAYER_GROUP.fullmatch(group)
            if span and int(span[1]) <= layer <= int(span[2]):
                return group
    side = next((part for part in ("heads", "inputs") if name.startswith(f"{part}.")), "encoder")
    return side if side in groups else None


def check_groups(settings: TrainingSettings) -> None:
    """Raises TrainingError if `learning_rates` names an unknown group."""
    for group in settings.learning_rates:
        if group not in ("heads", "inputs", "text", "encoder", "lora") and not _LAYER_GROUP.fullmatch(group):
            raise TrainingError(
                f"train.learning_rates has the group '{group}'; groups are heads, inputs, text, "
                "encoder, lora and layers.FIRST-LAST"
            )


def make_optimizer(model: Layered, settings: TrainingSettings) -> AdamW:
    """AdamW over the trainable parameters, fused if the device allows it.

    Biases and norm weights (one-dimensional tensors) are not decayed.
    """
    check_groups(settings)
    buckets: dict[tuple[str, bool], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            group = group_of(name, settings.learning_rates, model.layer_of(name)) or "default"
            buckets.setdefault((group, parameter.ndim > 1), []).append(parameter)
    unused = set(settings.learning_rates) - {group for group, _ in buckets}
    if buckets and unused:
        raise TrainingError(
            f"train.learning_rates names {', '.join(sorted(unused))}, but no trained weight belongs there; "
            "look at model.freeze and model.lora, or remove the group"
        )
    _refuse_missing_layers(settings, [model.layer_of(name) for name, _ in model.named_parameters()])
    if not buckets:
        raise TrainingError(
            "nothing is trainable: model.freeze freezes the heads too; set model.freeze.heads=false"
        )
    parameter_groups = [
        {
            "params": parameters,
            "lr": (peak := settings.learning_rates.get(group, settings.learning_rate)),
            "peak": peak,
            "weight_decay": settings.weight_decay if decayed else 0.0,
            "name": group,
        }
        for (group, decayed), parameters in sorted(buckets.items())
    ]
    fused = all(p.is_floating_point() for ps in buckets.values() for p in ps)
    return AdamW(parameter_groups, betas=settings.betas, eps=settings.epsilon, fused=fused)


def _refuse_missing_layers(settings: TrainingSettings, layers: Iterable[int | None]) -> None:
    """Refuses a group of layers that ends after the model's last one.

    Raises:
        TrainingError: there is such a group.
    """
    last = max((layer for layer in layers if layer is not None), default=-1)
    for group in settings.learning_rates:
        span = _LAYER_GROUP.fullmatch(group)
        if span and last >= 0 and int(span[2]) > last:
            raise TrainingError(
                f"train.learning_rates has {group}, and the layers of the encoder are 0-{last}; end the group there"
            )


def warmup_of(settings: TrainingSettings, total_steps: int) -> int:
    """Warm-up steps of a run of `total_steps`."""
    if settings.warmup_share is not None:
        return round(settings.warmup_share * total_steps)
    if settings.warmup_steps * 3 > total_steps:
        return total_steps // 3
    return settings.warmup_steps


def set_learning_rates(optimizer: AdamW, step: int, settings: TrainingSettings, total_steps: int) -> None:
    """Sets every group's rate to its peak times the schedule's factor at `step`; it depends on the step alone."""
    factor = schedule_factor(step, settings, total_steps)
    for group in optimizer.param_groups:
        group["lr"] = group["peak"] * factor


def schedule_factor(step: int, settings: TrainingSettings, total_steps: int) -> float:
    """Factor of the peak rate at optimizer step `step`, counted from 0."""
    if settings.schedule == "one_cycle":
        peak = max(round(0.3 * total_steps), 1)
        if step < peak:
            return 0.04 + 0.96 * 0.5 * (1 - math.cos(math.pi * step / peak))
        done = min((step - peak) / max(total_steps - peak, 1), 1.0)
        return 1e-4 + (1 - 1e-4) * 0.5 * (1 + math.cos(math.pi * done))
    warmup = warmup_of(settings, total_steps)
    if step < warmup:
        return (step + 1) / warmup
    if settings.schedule == "constant":
        return 1.0
    done = min((step - warmup) / max(total_steps - warmup, 1), 1.0)
    return 1.0 - done if settings.schedule == "linear" else 0.5 * (1 + math.cos(math.pi * done))
