"""The primary rate of each speaker as a table, before fine-tuning and after it, for every task."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from soritune.metrics.bootstrap import Interval, paired_difference
from soritune.reports.numbers import UNKNOWN_NUMBER, points_text, rate_range_text, rate_text
from soritune.reports.page_tables import GROUPS_SHOWN, column_of, cut_table, table_cell
from soritune.reports.scores import SpeakerRate, TaskScores
from soritune.tasks.results import Pair
from soritune.tasks.task import Task

DRAWS = 200
"""Of the clips of each speaker, for the interval of a difference."""


def speaker_table(
    task: Task,
    scores: TaskScores,
    pairs: Sequence[Pair],
    before: TaskScores | None = None,
    before_pairs: Sequence[Pair] = (),
) -> dict[str, Any]:
    """A row for each speaker, the worst one first: clips, and the primary rate with an interval over the clips.

    Args:
        task: of the scores.
        scores: after fine-tuning.
        pairs: that the scores are of.
        before: of the same clips before fine-tuning; adds that rate and the difference, paired over clips.
        before_pairs: that `before` is of.
    """
    rate, sign = scores.primary_metric.name, -1 if scores.primary_metric.higher_is_better else 1
    titles = ["speaker", "clips", *(["before fine-tuning", "after", "difference"] if before else [rate])]
    names = sorted(
        scores.speakers, key=lambda name: _worst_first(scores.speakers[name].rates[rate].value, sign)
    )
    rows = []
    for name in names[:GROUPS_SHOWN]:
        speaker = scores.speakers[name]
        cells = [table_cell(name), table_cell(str(speaker.num_utterances), numeric=True)]
        if before is not None:
            first = before.speakers.get(name)
            cells.append(_rate_cell(task, rate, None if first is None else first.rates.get(rate)))
        cells.append(_rate_cell(task, rate, speaker.rates[rate]))
        if before is not None:
            cells.append(_difference_cell(task, rate, _difference(task, rate, name, before_pairs, pairs)))
        rows.append({"cells": cells, "primary": False})
    columns = [column_of(title, index > 0) for index, title in enumerate(titles)]
    hidden = len(names) - len(rows)
    note = "Small: 95 % intervals over the speaker's own clips."
    note += " Differences are in points, paired over clips." if before else ""
    note += f" {hidden} more speakers are in scores.json." if hidden > 0 else ""
    return cut_table("", columns, rows, note)


def _worst_first(value: float, sign: int) -> tuple[bool, float]:
    is_unknown = value != value
    return is_unknown, 0.0 if is_unknown else -sign * value


def _rate_cell(task: Task, rate: str, value: SpeakerRate | None) -> dict[str, Any]:
    if value is None:
        return table_cell(UNKNOWN_NUMBER, numeric=True)
    small = rate_range_text(task, rate, value)
    return table_cell(rate_text(task, rate, value.value), numeric=True, small=small)


def _difference(
    task: Task, rate: str, name: str, before: Sequence[Pair], after: Sequence[Pair]
) -> Interval | None:
    """After minus before, over the clips of a speaker that both have."""
    first, second = (
        {pair.id: pair for pair in pairs if str(pair.groups.get("speaker")) == name}
        for pairs in (before, after)
    )
    common = [clip for clip in second if clip in first]
    counts = [[task.count(pairs[clip]) for clip in common] for pairs in (first, second)]
    return paired_difference(counts[0], counts[1], task.rates, resamples=DRAWS).get(rate)


def _difference_cell(task: Task, rate: str, gap: Interval | None) -> dict[str, Any]:
    if gap is None:
        return table_cell(UNKNOWN_NUMBER, numeric=True)
    small = rate_range_text(task, rate, gap) + ("" if gap.reliable else ", unreliable")
    return table_cell(points_text(task, rate, gap.value), numeric=True, small=small)
