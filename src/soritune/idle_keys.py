"""Keys of a recipe that a user gave and that change nothing, as sentences.

A key counts as given if it is in an override, in a preset that was requested, or in a recipe file of the user's own.
Keys of the built-in recipes are defaults, and are not reported.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from soritune.tasks.objectives.objective import objective_of
from soritune.tasks.task import Task

Settings = Mapping[str, Any]
Rule = tuple[str, Callable[[Settings, Sequence[Task]], str | None]]
"""A key, and why it changes nothing in these settings; None if it acts."""


def idle_keys(recipe: Settings, tasks: Sequence[Task], given: Iterable[str]) -> list[str]:
    """One sentence for each reason for which given keys change nothing.

    Args:
        recipe: the resolved settings, as plain data.
        tasks: of the recipe.
        given: dotted keys that the user gave.
    """
    keys = set(given)
    idle: dict[str, list[str]] = {}
    reasons = [(key, reason_of(recipe, tasks)) for key, reason_of in _RULES if _is_set(recipe, key)]
    for task in tasks:
        reasons += [(f"tasks.{task.name}.{name}", why) for name, why in task.config.idle_settings().items()]
    reasons += [
        (f"augment.{name}", f"with augment.{name}.probability=0; augment.{name}=null leaves it out")
        for name, member in (recipe.get("augment") or {}).items()
        if isinstance(member, Mapping) and member.get("probability") == 0
    ]
    for key, reason in reasons:
        if reason is not None and any(name == key or name.startswith(f"{key}.") for name in keys):
            idle.setdefault(reason, []).append(key)
    return [
        f"{' and '.join(names)} {'has' if len(names) == 1 else 'have'} no effect {reason}"
        for reason, names in idle.items()
    ]


def leaves(data: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """The dotted keys of nested mappings that lead to a value."""
    for key, value in data.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping) and value:
            yield from leaves(value, f"{name}.")
        else:
            yield name


def value_at(data: Any, key: str) -> Any:
    """The value of a dotted key in nested mappings; None if a part of it is missing."""
    for part in key.split("."):
        data = data.get(part) if isinstance(data, Mapping) else None
    return data


def _is_set(recipe: Settings, key: str) -> bool:
    """Whether a key has a value that could act: not null, false, or empty."""
    value = value_at(recipe, key)
    return value is not None and value is not False and value not in ("", [], {})


def _with_given_split(recipe: Settings, tasks: Sequence[Task]) -> str | None:
    given = recipe["split"]["given"]
    return None if given is None else f"while split.given={given}; set split.given=null to split anew"


def _ratios_of_given_split(recipe: Settings, tasks: Sequence[Task]) -> str | None:
    # A ratio of 0 still states that the given split need not have this part.
    ratios = recipe["split"]["ratios"]
    is_used = any(ratios.get(name, 0) == 0 for name in ("train", "val", "test"))
    return None if is_used else _with_given_split(recipe, tasks)


def _random_split(recipe: Settings, tasks: Sequence[Task]) -> str | None:
    split = recipe["split"]
    is_random = split["given"] is None and list(split["by"]) == ["random"]
    return "in a random split; set split.by to speaker or script" if is_random else None


def _without_utterance_output(recipe: Settings, tasks: Sequence[Task]) -> str | None:
    has_one = any(not spec.per_frame for task in tasks for spec in task.outputs)
    return None if has_one else "because no task has an output for whole utterances"


def _without_smoothing(recipe: Settings, tasks: Sequence[Task]) -> str | None:
    acts = any(objective_of(spec).is_smoothed for task in tasks for spec in task.outputs)
    acts = acts or recipe["batches"]["label_smoothing"] == 0
    return None if acts else "because no output has labels that can be smoothed"


def _without_choice(recipe: Settings, tasks: Sequence[Task]) -> str | None:
    has_one = any(objective_of(spec).is_choice(spec) for task in tasks for spec in task.outputs)
    return None if has_one else "because no task has an output with one label per utterance"


def _ascending(recipe: Settings, tasks: Sequence[Task]) -> str | None:
    return "with batches.order=ascending" if recipe["batches"]["order"] == "ascending" else None


def _without_windows(recipe: Settings, tasks: Sequence[Task]) -> str | None:
    order = recipe["batches"]["order"]
    return None if order == "shard_window" else f"with batches.order={order}"


def _with_start(recipe: Settings, tasks: Sequence[Task]) -> str | None:
    source = recipe["model"]["init_from"]
    return None if source is None else f"with model.init_from={source}"


def _encoder_with_start(recipe: Settings, tasks: Sequence[Task]) -> str | None:
    is_named = recipe["model"]["encoder"] != "none"
    return _with_start(recipe, tasks) if is_named else None


def _with_share(recipe: Settings, tasks: Sequence[Task]) -> str | None:
    share = recipe["train"]["warmup_share"]
    return (
        None
        if share is None or recipe["train"]["phases"]
        else f"with train.warmup_share={share:g}; set that to null"
    )


def _one_cycle(recipe: Settings, tasks: Sequence[Task]) -> str | None:
    is_used = recipe["train"]["schedule"] == "one_cycle" and not recipe["train"]["phases"]
    return "with train.schedule=one_cycle, which has a warm-up of its own" if is_used else None


def _frozen_encoder(recipe: Settings, tasks: Sequence[Task]) -> str | None:
    freeze = recipe["model"]["freeze"]
    return "with model.freeze.encoder=true" if freeze["encoder"] and freeze["layers"] else None


def _without_augmentation(recipe: Settings, tasks: Sequence[Task]) -> str | None:
    phases = [phase.get("augment") or {} for phase in recipe["train"]["phases"] or ()]
    members = [value for each in (recipe.get("augment") or {}, *phases) for value in each.values()]
    is_plain = all(member is None for member in members)
    return "because nothing is augmented, so that each row has one version" if is_plain else None


def _stored_states(recipe: Settings, tasks: Sequence[Task]) -> str | None:
    is_stored = recipe["batches"]["encoder_states"] is not None
    return "with batches.encoder_states, because the encoder is not trained" if is_stored else None


_RULES: tuple[Rule, ...] = (
    *((f"split.{name}", _with_given_split) for name in ("by", "seed", "stratify")),
    ("split.ratios", _ratios_of_given_split),
    ("split.stratify", _random_split),
    *((f"model.{name}", _without_utterance_output) for name in ("pooling", "projector_size")),
    ("model.encoder", _encoder_with_start),
    ("model.random_weights", _with_start),
    ("model.freeze.layers", _frozen_encoder),
    ("batches.label_smoothing", _without_smoothing),
    ("batches.encoder_states.copies", _without_augmentation),
    ("model.layerdrop", _stored_states),
    ("batches.first_epoch_ascending", _ascending),
    ("batches.window_shards", _without_windows),
    ("evaluate.calibrate", _without_choice),
    ("train.warmup_steps", _with_share),
    ("train.warmup_steps", _one_cycle),
    ("train.warmup_share", _one_cycle),
)
