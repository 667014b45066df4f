"""The one rate of each task by which models are chosen, with its name and unit, for lines on a terminal."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from soritune.tasks.task import Task


def headline(
    tasks: Iterable[Task], values: Mapping[str, float], epochs: Mapping[str, float] | None = None
) -> str:
    """`validation loss 1.41, phone error rate 28.3 %`: the loss, and the primary rate of each task.

    Args:
        tasks: whose rates the values have.
        values: `loss` and `TASK/RATE`; those that are missing or not finite are left out.
        epochs: by value, the epoch that it is of, which is then added: the best values may be of different epochs.
    """
    epochs = epochs or {}
    chosen = list(tasks)
    parts = []
    if math.isfinite(values.get("loss", math.nan)):
        parts.append(f"validation loss {values['loss']:.3g}{_of_epoch(epochs.get('loss'))}")
    for task in chosen:
        rate = task.primary_metric.name
        value = values.get(f"{task.name}/{rate}", math.nan)
        if not math.isfinite(value):
            continue
        # Not "F1 of errors of mispronunciation": names of rates have an "of" themselves.
        name = (f"{task.name}: " if len(chosen) > 1 else "") + common_name(task, rate)
        text = f"{100 * value:.1f} %" if is_share(task, rate) else f"{value:.3g}"
        parts.append(f"{name} {text}{_of_epoch(epochs.get(f'{task.name}/{rate}'))}")
    return ", ".join(parts)


def _of_epoch(epoch: float | None) -> str:
    return "" if epoch is None else f" (epoch {epoch:.4g})"


def common_name(task: Task, rate: str) -> str:
    """What people call a rate: its common name, or its title without what follows a comma or a colon."""
    description = task.rate_descriptions.get(rate)
    if description is None:
        return rate
    return description.known_as or description.title.split(",")[0].split(":")[0]


def is_share(task: Task, rate: str) -> bool:
    """Whether a rate is written in percent; true for rates that the task does not describe."""
    description = task.rate_descriptions.get(rate)
    return description is None or description.is_share
