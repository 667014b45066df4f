"""Numbers as people read them: rates, intervals, counts and hours; and a model beside a baseline in a sentence."""

from __future__ import annotations

import math

from soritune.metrics.bootstrap import Interval
from soritune.reports.confidence_scores import CertainScores
from soritune.reports.scores import SpeakerRate, TaskScores
from soritune.tasks.headline import is_share
from soritune.tasks.task import Task
from soritune.terminal_text import counted

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


def rate_text(task: Task, rate: str, value: float | None) -> str:
    """A rate in its unit: `27.3 %`, or `0.4231` if it is not a share, such as a loss."""
    if is_share(task, rate):
        return percent(value)
    return plain_number(value)


def points_text(task: Task, rate: str, value: float) -> str:
    """A difference of a rate with its sign: `+3.2` points of a share, `-0.0412` of another rate."""
    if not math.isfinite(value):
        return UNKNOWN_NUMBER
    return f"{100 * value:+.1f}" if is_share(task, rate) else f"{value:+.4f}"


def rate_name(task: Task, rate: str) -> str:
    """`phone error rate (per)`, or the rate alone if it has no other name."""
    description = task.rate_descriptions.get(rate)
    return f"{description.known_as} ({rate})" if description and description.known_as else rate


def rate_range_text(task: Task, rate: str, interval: Interval | SpeakerRate) -> str:
    """The interval of a rate, in the unit of `rate_text`."""
    if is_share(task, rate) or not has_range(interval):
        return range_text(interval)
    return f"{interval.low:.4f} – {interval.high:.4f}"


def doubt_text(interval: Interval, before: str = ", ") -> str:
    """What stands behind an interval over few speakers: `, unreliable, 2 speakers`; nothing behind others."""
    return "" if interval.reliable else f"{before}unreliable, {counted(interval.num_speakers, 'speaker')}"


def hours_text(hours: float) -> str:
    """`0.05` as `3.0 min`, `2.5` as `2.50 h`."""
    return f"{hours:.2f} h" if hours >= 1 else f"{60 * hours:.1f} min"


def duration_text(seconds: float) -> str:
    """`64.2` as `1 min 4 s`, `7500` as `2 h 5 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min"


def certain_title(certain: CertainScores, total: int) -> str:
    """`Clips with speech and a label of at least 60.0 %: 45 of 60 (75.0 %)`; with the coverage that was stated."""
    stated = "" if certain.coverage is None else f", stated coverage {certain.coverage:.0%}"
    return (
        f"Clips with speech and a label of at least {percent(certain.min_confidence)}: "
        f"{certain.num_utterances:,} of {total:,} ({percent(certain.share)}{stated})"
    )


COVERAGE_TITLE = "Clips that keep their label"
COVERAGE_NOTE = (
    "Labels below the threshold are uncertain, and clips without speech keep no label. The thresholds are those of the "
    "validation clips, so the share of the judged clips differs from the stated one."
)


def coverage_rows(task: Task, scores: TaskScores) -> tuple[list[str], list[list[str]]]:
    """Titles and cells of a table of rates against coverage; no cells if there are no thresholds."""
    primary = scores.primary_metric.name
    others = [rate for rate in scores.rates if rate != primary and is_share(task, rate)]
    rates = [primary, *others[:1]]
    titles = ["stated", "threshold", "clips", "share", *(text for rate in rates for text in (rate, "95 %"))]
    rows = []
    for row in scores.coverages:
        cells = [f"{row.coverage:.0%}", f"{row.threshold:.3f}", f"{row.num_utterances:,}", percent(row.share)]
        for rate in rates:
            interval = row.rates.get(rate)
            cells.append(rate_text(task, rate, None if interval is None else interval.value))
            cells.append(UNKNOWN_NUMBER if interval is None else rate_range_text(task, rate, interval))
        rows.append(cells)
    return titles, rows


def speaker_rows(task: Task, scores: TaskScores) -> tuple[list[str], list[list[str]]]:
    """Titles and cells of a table of speakers: clips, the primary rate with its range over the speaker's own clips, and
    another rate. No cells for tasks whose predictions are not one label, and without speakers."""
    primary = scores.primary_metric.name
    others = [rate for rate in scores.rates if rate != primary and is_share(task, rate)][:1]
    titles = ["speaker", "clips", primary, "95 % interval", *others]
    rows = []
    for name, speaker in scores.speakers.items() if task.single_label else ():
        rate = speaker.rates.get(primary)
        cells = [name, f"{speaker.num_utterances:,}", rate_text(task, primary, _value_of(rate))]
        cells.append(UNKNOWN_NUMBER if rate is None else rate_range_text(task, primary, rate))
        cells += [rate_text(task, each, _value_of(speaker.rates.get(each))) for each in others]
        rows.append(cells)
    return titles, rows


def _value_of(rate: SpeakerRate | None) -> float | None:
    return None if rate is None else rate.value


def temperature_note(scores: TaskScores) -> str | None:
    """What the temperature changes: `Expected calibration error 0.041, and 0.112 without the temperature 1.83 …`."""
    before, after = scores.uncalibrated, scores.calibration
    if before is None or after is None:
        return None
    speakers = counted(before.fitted_speakers, "speaker") if before.fitted_speakers else "unknown speakers"
    return (
        f"Expected calibration error {after.ece:.3f}, and {before.calibration.ece:.3f} without the temperature "
        f"{before.temperature:.2f}, which was fitted on {counted(before.fitted_rows, 'validation clip')} of "
        f"{speakers}."
    )


def baseline_notes(task: Task, scores: TaskScores) -> list[str]:
    """The primary rate against each baseline, paired over speakers: `ua: 33.9 points above majority [26.7, 40.2]`."""
    rate = scores.primary_metric.name
    notes = [
        difference_note(task, rate, baseline.differences.get(rate), name)
        for name, baseline in scores.baselines.items()
    ]
    return [note for note in notes if note is not None]


def difference_note(task: Task, rate: str, difference: Interval | None, name: str) -> str | None:
    """A paired difference from what `name` names: `ua: 33.9 points above majority [26.7, 40.2]`; None without one."""
    if difference is None or not math.isfinite(difference.low):
        return None
    factor, unit, digits = (100, " points", 1) if is_share(task, rate) else (1, "", 4)
    value, low, high = factor * difference.value, factor * difference.low, factor * difference.high
    side = "above" if value >= 0 else "below"
    if value < 0:
        value, low, high = -value, -high, -low
    doubt = "" if difference.reliable else ", unreliable"
    size, bottom, top = (f"{number:.{digits}f}" for number in (value, low, high))
    return f"{rate}: {size}{unit} {side} {name} [{bottom}, {top}]{doubt}"
