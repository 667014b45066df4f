"""Fills a new model's heads and inputs with the stored ones of its starting point, as far as they match."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from soritune.bundles.notice import joined_notices
from soritune.models.heads import Head
from soritune.models.inputs.input import InputModule
from soritune.models.starting_point import UNNAMED, StartingPoint, StoredHead
from soritune.tasks.objectives.objective import objective_of, same_kind
from soritune.tasks.specs import OutputSpec


class Adopted(NamedTuple):
    """The outcome for one head."""

    text: str
    """Which labels kept their weights, for the load report."""
    is_whole: bool
    """Whether all labels kept them."""


def adopt_heads(start: StartingPoint, heads: Mapping[str, Head]) -> None:
    """Fills new heads with stored ones and reports it in `start.messages` and `start.new_parts`.

    Each label that a stored head has too keeps its row; rows of other labels stay new. The objective decides which
    labels match (`Objective.matching_rows`). A stored head without a name goes to the first output of its kind.
    """
    free = {stored.name: stored for stored in start.heads}
    new: list[str] = []
    for name, head in heads.items():
        stored = free.get(name) or _unnamed(free, head.spec)
        adopted = None if stored is None else adopt(head, stored)
        if stored is None or adopted is None:
            new.append(name)
            start.new_parts.append(f"head {name}")
            continue
        if not adopted.is_whole:
            start.new_parts.append(f"head {name}")
        start.messages.append(f"head {name}: {adopted.text}")
        del free[stored.name]
    if new:
        start.messages.append(f"new: {'head' if len(new) == 1 else 'heads'} {', '.join(new)}")


def _unnamed(free: Mapping[str, StoredHead], spec: OutputSpec) -> StoredHead | None:
    stored = free.get(UNNAMED)
    return stored if stored is not None and same_kind(stored.spec, spec) else None


def adopt(head: Head, stored: StoredHead) -> Adopted | None:
    """Copies the rows of labels that `stored` has too into `head`; None when nothing may be copied.

    Nothing may be copied from a head that reads other inputs or another output, or that has other layers below its
    rows: its columns have other meanings.
    """
    reads_same = (stored.spec.inputs, stored.spec.reads) == (head.spec.inputs, head.spec.reads)
    is_built_same = _without_dropout(stored.spec.head) == _without_dropout(head.spec.head)
    if not same_kind(stored.spec, head.spec) or not stored.weights or not (reads_same and is_built_same):
        return None
    state = head.state_dict()
    last = next(name for name, module in head.named_modules() if module is head.last_linear())
    row_names = (f"{last}.weight", f"{last}.bias")
    if not _shapes_fit(state, stored.weights, row_names):
        return None
    rows = objective_of(head.spec).matching_rows(head.spec, stored.spec)
    kept = {label for label, row in zip(head.spec.labels, rows, strict=True) if row is not None}
    if not kept:
        return None
    with torch.no_grad():
        for name, tensor in state.items():
            if name not in row_names:
                tensor.copy_(stored.weights[name])
                continue
            for index, row in enumerate(rows):
                if row is not None:
                    tensor[index].copy_(stored.weights[name][row])
    adopted = _adopted(head.spec.labels, stored.spec.labels, kept)
    if stored.name == UNNAMED or _layers(stored.spec) == _layers(head.spec):
        return adopted
    text = (
        f"{adopted.text}; it was trained on layer {_layers(stored.spec)} and reads layer {_layers(head.spec)}"
    )
    return adopted._replace(text=text)


def _layers(spec: OutputSpec) -> str:
    """The layers that a head reads, in words."""
    return " and ".join(map(str, spec.layer)) if isinstance(spec.layer, tuple) else str(spec.layer)


def _without_dropout(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in settings.items() if name != "dropout"}


def _shapes_fit(
    state: Mapping[str, Tensor], weights: Mapping[str, Tensor], row_names: tuple[str, ...]
) -> bool:
    """Whether the stored weights have the shapes of `state`; those of `row_names` may have another number of rows."""
    for name, tensor in state.items():
        stored = weights.get(name)
        if stored is None or stored.shape[1:] != tensor.shape[1:]:
            return False
        if name not in row_names and stored.shape != tensor.shape:
            return False
    return True


def _adopted(labels: tuple[str, ...], stored: tuple[str, ...], kept: set[str]) -> Adopted:
    new = [label for label in labels if label not in kept]
    if new:
        shown = ", ".join(new[:8]) + (" …" if len(new) > 8 else "")
        return Adopted(f"kept for {len(kept)} of {len(labels)} labels; new: {shown}", is_whole=False)
    order = "" if labels == stored else " (reordered)"
    rest = f" of its {len(stored)}" if len(stored) > len(kept) else order
    return Adopted(f"kept, all {len(kept)} labels{rest}", is_whole=True)


def adopt_inputs(start: StartingPoint, inputs: nn.ModuleDict) -> None:
    """Fills new inputs with stored weights of the same names, shapes and meaning, and reports it in `start`."""
    before = {(spec.name, spec.encoding): spec for spec in start.input_specs}
    modules: dict[str, InputModule] = dict(inputs.items())  # type: ignore[arg-type]
    for name, module in modules.items():
        state = module.state_dict()
        stored = start.inputs.get(name, {})
        fits = stored.keys() == state.keys() and all(stored[key].shape == state[key].shape for key in state)
        source = before.get((name, module.spec.encoding))
        fits = fits and (source is None or module.can_keep(source))
        if fits:
            module.load_state_dict(stored)
        else:
            start.new_parts.append(f"input {name}")
            start.notice = joined_notices([start.notice, module.notice()])
        start.messages.append(
            f"input {name}: {'kept' if fits else 'new weights'}{_changed_options(start, module)}"
        )


def _changed_options(start: StartingPoint, module: InputModule) -> str:
    """The difference from the input that the weights were trained on, as the end of a message; empty without one."""
    after = module.spec
    before = next((spec for spec in start.input_specs if spec.name == after.name), None)
    if before is None or (before.encoding, dict(before.options)) == (after.encoding, dict(after.options)):
        return ""
    return f", but its options were {dict(before.options)} and are {dict(after.options)}"
