"""What the card of a bundle has about its error: rates that were measured with it on named sets of recordings."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from soritune.tasks.results import RateDescription
from soritune.tasks.task import Task

KEY = "measured"
"""The key of the card."""


@dataclass(frozen=True, slots=True)
class Measured:
    """One entry of the card's `measured`."""

    set: str
    """The recordings, as part of a sentence: "real Korean, studio reading"."""
    rate: str
    """A task and one of its rates: "phoneme/per"."""
    value: float
    interval: tuple[float, float] | None = None
    """95 %, over speakers."""
    speakers: int | None = None

    def __post_init__(self) -> None:
        numbers = (self.value, *(self.interval or ()))
        if not (isinstance(self.set, str) and isinstance(self.rate, str) and self.rate.count("/") == 1):
            raise ValueError("each entry has a set and a rate such as 'phoneme/per'")
        if not all(_is_number(number) and math.isfinite(number) for number in numbers):
            raise ValueError(f"the values of {self.rate} are not finite numbers")
        if self.interval is not None and not self.interval[0] <= self.value <= self.interval[1]:
            raise ValueError(f"the interval of {self.rate} does not hold its value")
        if self.speakers is not None and not (isinstance(self.speakers, int) and self.speakers > 0):
            raise ValueError(f"the number of speakers of {self.rate} is {self.speakers!r}")


def measured_from_json(content: Any) -> tuple[Measured, ...]:
    """The entries of the card's `measured`.

    Raises:
        ValueError: it is not a list of such entries.
    """
    if not isinstance(content, list):
        raise ValueError("it is not a list")
    entries = []
    for entry in content:
        try:
            interval = entry.get("interval")
            low_high = None if interval is None else (interval[0], interval[1])
            entries.append(Measured(**{**entry, "interval": low_high}))
        except (AttributeError, IndexError, KeyError, OverflowError, TypeError) as error:
            raise ValueError(str(error)) from error
    return tuple(entries)


def measured_text(measured: Sequence[Measured], tasks: Sequence[Task]) -> str:
    """The entries on one line: `phone error rate 69.4 % [67.1, 71.4] (real Korean, studio reading, 10 speakers)`.

    Args:
        measured: of one bundle.
        tasks: its tasks, which describe the rates; others are written under their names, as shares.
    """
    descriptions = {
        f"{task.name}/{rate}": description
        for task in tasks
        for rate, description in task.rate_descriptions.items()
    }
    by_rate: dict[str, list[str]] = {}
    for entry in measured:
        by_rate.setdefault(entry.rate, []).append(_value_text(entry, descriptions.get(entry.rate)))
    titles = {rate: description.title.split(",")[0] for rate, description in descriptions.items()}
    return "; ".join(f"{titles.get(rate, rate)} {', '.join(values)}" for rate, values in by_rate.items())


def _value_text(entry: Measured, description: RateDescription | None) -> str:
    factor, places, unit = (100, 1, " %") if description is None or description.is_share else (1, 4, "")
    text = f"{factor * entry.value:.{places}f}{unit}"
    if entry.interval is not None:
        text += f" [{', '.join(f'{factor * end:.{places}f}' for end in entry.interval)}]"
    people = "" if entry.speakers is None else f", {entry.speakers} speaker{'s' * (entry.speakers != 1)}"
    return f"{text} ({entry.set}{people})"


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
