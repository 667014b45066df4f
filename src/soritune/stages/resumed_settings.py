"""Settings of a run that is resumed, compared with those that it was started with: which differ, and added epochs."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml

from soritune.errors import SorituneError, TrainingError
from soritune.idle_keys import leaves
from soritune.progress import SILENT, Console
from soritune.recipe import Recipe, check_recipe
from soritune.run_folder import RunFolder

EPOCHS = "train.epochs"


def settings_before(
    recipe: Recipe,
    folder: Path,
    affecting: Callable[[dict[str, Any]], dict[str, Any]],
    *,
    console: Console = SILENT,
) -> Recipe | None:
    """The recipe that the run was started with, if this one only adds epochs to it; None if they agree.

    Args:
        recipe: that is given now.
        folder: of the run.
        affecting: gives the part of the settings that results depend on.
        console: where added epochs are reported.

    Raises:
        TrainingError: settings differ; the message has their keys with both values.
    """
    before = _stored_recipe(folder)
    if before is None:
        return None  # a run of an older version; its checkpoints have hashes of the settings
    old, new = affecting(before.resolved()), affecting(recipe.resolved())
    keys = differing_keys(old, new)
    epochs = before.train.epochs, recipe.train.epochs
    if not keys:
        return None
    if list(keys) == [EPOCHS] and epochs[1] > epochs[0] and not recipe.train.phases:
        console.message(
            f"{EPOCHS} is {epochs[1]} now, and was {epochs[0]}: {epochs[1] - epochs[0]} more, at the learning rates "
            f"of a schedule over {epochs[1]}. The result is not that of a run with {epochs[1]} from its start"
        )
        return before
    values = [f"{key} was {_shown(was)} and is {_shown(now)}" for key, (was, now) in keys.items()]
    advice = f"; {EPOCHS} may only become more" if EPOCHS in keys and not recipe.train.phases else ""
    raise TrainingError(
        f"{folder} was started with another recipe: {'; '.join(values[:5])}"
        f"{f'; and {len(values) - 5} more' if len(values) > 5 else ''}. Resume with the values of before{advice}, or "
        "train anew: --overwrite replaces the run, another --output keeps it"
    )


def differing_keys(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Dotted keys whose values differ, with the values of before and now; None for a key that one of them lacks."""
    keys = dict.fromkeys([*leaves(old), *leaves(new)])
    pairs = {key: (_value(old, key), _value(new, key)) for key in keys}
    return {key: pair for key, pair in pairs.items() if pair[0] != pair[1]}


def _value(data: Any, key: str) -> Any:
    """The value of a dotted key; a part of the key may have dots itself, as the name of a group of layers."""
    if not isinstance(data, Mapping):
        return None
    if key in data:
        return data[key]
    head, _, rest = key.partition(".")
    return _value(data.get(head), rest) if rest else None


def _stored_recipe(folder: Path) -> Recipe | None:
    file = RunFolder(folder).recipe
    try:
        return check_recipe(str(file), yaml.safe_load(file.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, yaml.YAMLError, SorituneError, AttributeError):
        return None


def _shown(value: Any) -> str:
    return "not set" if value is None else json.dumps(value, ensure_ascii=False, default=str)[:60]
