"""Numbers as people read them: rates, intervals, counts and hours; and a model beside a baseline in a sentence."""

from __future__ import annotations

import math

from soritune.metrics.bootstrap import Interval
from soritune.reports.scores import CertainScores, SpeakerRate, TaskScores
from soritune.tasks.task import Task

UNKNOWN_NUMBER = "–"


def percent(value: float | None) -> str:
    """`0.2731` as `27.3 %`; an unknown value as a dash."""
    return UNKNOWN_NUMBER if value is None or not math.isfinite(value) else f"{100 * value:.1f} %"


def plain_number(value: float | None) -> str:
    """`0.27314` as `0.2731`; an unknown value as a dash."""
    return UNKNOWN_NUMBER if value is None or not math.isfinite(value) else f"{value:.4f}"


def has_range(interval: Interval | SpeakerRate) -> bool:
    """Whether both ends are known."""
    return math.isfinite(interval.low) and math.isfinite(interval.high)


def range_text(interval: Interval | SpeakerRate) -> str:
    """The interval as `21.0 – 33.5`; without a range a dash."""
    if not has_range(interval):
        return UNKNOWN_NUMBER
    return f"{100 * interval.low:.1f} – {100 * interval.high:.1f}"


def is_share(task: Task, rate: str) -> bool:
    """Whether a rate is written in percent; true for rates that the task does not describe."""
    description = task.rate_descriptions.get(rate)
    return description is None or description.is_share


def rate_text(task: Task, rate: str, value: float | None) -> str:
    """A rate in its unit: `27.3 %`, or `0.4231` if it is not a share, such as a loss."""
    if is_share(task, rate):
        return percent(value)
    return plain_number(value)


def rate_range_text(task: Task, rate: str, interval: Interval) -> str:
    """The interval of a rate, in the unit of `rate_text`."""
    if is_share(task, rate) or not has_range(interval):
        return range_text(interval)
    return f"{interval.low:.4f} – {interval.high:.4f}"


def counted(number: int, noun: str) -> str:
    """`1 speaker`, `1,200 clips`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def hours_text(hours: float) -> str:
    """`0.05` as `3.0 min`, `2.5` as `2.50 h`."""
    return f"{hours:.2f} h" if hours >= 1 else f"{60 * hours:.1f} min"


def certain_title(certain: CertainScores, total: int) -> str:
    """`Clips with speech and a label of at least 60.0 %: 45 of 60 (75.0 %)`."""
    return (
        f"Clips with speech and a label of at least {percent(certain.min_confidence)}: "
        f"{certain.num_utterances:,} of {total:,} ({percent(certain.share)})"
    )


def baseline_notes(task: Task, scores: TaskScores) -> list[str]:
    """The primary rate against each baseline, paired over speakers: `ua: 33.9 points above majority [26.7, 40.2]`."""
    rate = scores.primary_metric.name
    factor, unit, digits = (100, " points", 1) if is_share(task, rate) else (1, "", 4)
    notes = []
    for name, baseline in scores.baselines.items():
        difference = baseline.differences.get(rate)
        if difference is None or not math.isfinite(difference.low):
            continue
        value, low, high = factor * difference.value, factor * difference.low, factor * difference.high
        side = "above" if value >= 0 else "below"
        if value < 0:
            value, low, high = -value, -high, -low
        doubt = "" if difference.reliable else ", unreliable"
        size, bottom, top = (f"{number:.{digits}f}" for number in (value, low, high))
        notes.append(f"{rate}: {size}{unit} {side} {name} [{bottom}, {top}]{doubt}")
    return notes
