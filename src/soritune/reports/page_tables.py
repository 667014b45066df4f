"""Tables of a report's page: rates, groups, and the tables of `Task.report`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from soritune.inference.header import Header
from soritune.metrics.bootstrap import Interval
from soritune.reports.before import before_note
from soritune.reports.numbers import (
    COVERAGE_NOTE,
    COVERAGE_TITLE,
    baseline_notes,
    certain_title,
    coverage_rows,
    percent,
    rate_range_text,
    rate_text,
)
from soritune.reports.scores import GroupScores, TaskScores
from soritune.tasks.headline import is_share
from soritune.tasks.results import Table
from soritune.tasks.task import Task
from soritune.terminal_text import counted

GROUPS_SHOWN = 40
ROWS_SHOWN = 12
"""Rows of a table that are open; the others unfold."""
GROUP_TITLES = {"snr_db": "SNR (dB)", "age": "age", "text_source": "origin of the text"}


def rates_table(task: Task, scores: TaskScores, header: Header) -> dict[str, Any]:
    """Every rate with its interval, before fine-tuning and after it, and the baselines."""
    before = scores.before
    columns = ["rate", *(["before fine-tuning", "after"] if before else ["value"]), "95 % interval"]
    columns += [f"baseline: {name}" for name in scores.baselines]
    titles = {rate: description.title for rate, description in task.rate_descriptions.items()}
    rows = []
    for rate, interval in scores.rates.items():
        warning = "" if interval.reliable else f"unreliable, {counted(interval.num_speakers, 'speaker')}"
        cells = [
            table_cell(rate, small=titles.get(rate, "")),
            *(
                [table_cell(rate_text(task, rate, _value(before.rates, rate)), numeric=True)]
                if before
                else []
            ),
            table_cell(rate_text(task, rate, interval.value), numeric=True),
            table_cell(rate_range_text(task, rate, interval), numeric=True, small=warning),
            *(
                table_cell(rate_text(task, rate, baseline.rates.get(rate)), numeric=True)
                for baseline in scores.baselines.values()
            ),
        ]
        rows.append({"cells": cells, "primary": rate == scores.primary_metric.name})
    notes = [f"Baseline {name}: {baseline.description}." for name, baseline in scores.baselines.items()]
    notes += [f"{note}, paired over speakers." for note in baseline_notes(task, scores)]
    compared = before_note(task, scores, header)
    note = " ".join([*([compared] if compared else []), "Intervals: 95 %, bootstrap over speakers.", *notes])
    return {
        "columns": [column_of(name, index > 0) for index, name in enumerate(columns)],
        "rows": rows,
        "has_intervals": True,
        "note": note,
    }


def certain_table(task: Task, scores: TaskScores) -> dict[str, Any] | None:
    """The rates over the clips with speech and a certain label beside those over all; None without a minimum."""
    if scores.certain is None:
        return None
    rows = []
    for rate, interval in scores.certain.rates.items():
        warning = "" if interval.reliable else "unreliable"
        beside = scores.rates[rate].value if rate in scores.rates else None
        cells = [
            table_cell(rate),
            table_cell(rate_text(task, rate, interval.value), numeric=True),
            table_cell(rate_range_text(task, rate, interval), numeric=True, small=warning),
            table_cell(rate_text(task, rate, beside), numeric=True),
        ]
        rows.append({"cells": cells, "primary": rate == scores.primary_metric.name})
    columns = ["rate", "value", "95 % interval", "all clips"]
    return {
        "title": certain_title(scores.certain, scores.num_utterances),
        "columns": [column_of(name, index > 0) for index, name in enumerate(columns)],
        "rows": rows,
        "has_intervals": True,
        "note": "",
    }


def coverage_table(task: Task, scores: TaskScores) -> dict[str, Any] | None:
    """Rates over the clips that keep their label, by coverage; None without thresholds."""
    titles, rows = coverage_rows(task, scores)
    if not rows:
        return None
    return {
        "title": COVERAGE_TITLE,
        "columns": [column_of(name, True) for name in titles],
        "rows": [
            {"cells": [table_cell(text, numeric=True) for text in row], "primary": False} for row in rows
        ],
        "note": COVERAGE_NOTE,
    }


def group_table(
    task: Task, field: str, groups: Mapping[str, GroupScores], scores: TaskScores
) -> dict[str, Any]:
    """The primary rate and two others by the values of a field."""
    primary = scores.primary_metric.name
    others = [rate for rate in scores.rates if rate != primary and not rate.startswith(f"{primary}_")][:2]
    title = GROUP_TITLES.get(field, field.replace("_", " "))
    columns = [title, "clips", "speakers", primary, "95 % interval", *others]
    rows = []
    for name, group in list(groups.items())[:GROUPS_SHOWN]:
        interval = group.rates[primary]
        warning = "" if interval.reliable else "unreliable"
        bar = interval.value if is_share(task, primary) else None
        cells = [
            table_cell(name),
            table_cell(str(group.num_utterances), numeric=True),
            table_cell(str(group.num_speakers), numeric=True),
            table_cell(rate_text(task, primary, interval.value), numeric=True, share=bar),
            table_cell(rate_range_text(task, primary, interval), numeric=True, small=warning),
            *(table_cell(_value_text(task, group, rate), numeric=True) for rate in others),
        ]
        rows.append({"cells": cells, "primary": False})
    hidden = len(groups) - len(rows)
    return {
        "title": title,
        "columns": [column_of(name, index > 0) for index, name in enumerate(columns)],
        "rows": rows,
        "note": f"{hidden} more groups are in scores.json." if hidden > 0 else "",
    }


def _value_text(task: Task, group: GroupScores, rate: str) -> str:
    return rate_text(task, rate, _value(group.rates, rate))


def _value(rates: Mapping[str, Interval], rate: str) -> float | None:
    return rates[rate].value if rate in rates else None


def shown_table(table: Table) -> dict[str, Any]:
    """A table of `Task.report` with its numbers written out; shares (0 to 1) get a bar."""
    kinds = [_kind([row[index] for row in table.rows]) for index in range(len(table.columns))]
    rows = []
    for row in table.rows:
        cells = []
        for value, kind in zip(row, kinds, strict=True):
            if kind == "share":
                known = isinstance(value, int | float) and math.isfinite(value)
                cells.append(
                    table_cell(
                        percent(float(value)) if known else "–", numeric=True, share=value if known else None
                    )
                )
            else:
                cells.append(table_cell(_text(value), numeric=kind == "number"))
        rows.append({"cells": cells, "primary": False})
    columns = [column_of(name, kind != "text") for name, kind in zip(table.columns, kinds, strict=True)]
    return cut_table(table.title, columns, rows, table.note)


def cut_table(
    title: str, columns: Sequence[Mapping[str, Any]], rows: Sequence[Mapping[str, Any]], note: str
) -> dict[str, Any]:
    """A table whose rows after `ROWS_SHOWN` unfold; a few last rows are not worth a click."""
    cut = ROWS_SHOWN if len(rows) > ROWS_SHOWN + 4 else len(rows)
    rest = {"columns": columns, "rows": rows[cut:], "note": ""} if cut < len(rows) else None
    return {"title": title, "columns": columns, "rows": rows[:cut], "note": note, "rest": rest}


def beside_before(table: Table, before: Table | None) -> Table:
    """A table of `Task.report` with the columns `Table.compared` of the model before fine-tuning in front of its own.

    Args:
        table: after fine-tuning; its first column names the rows.
        before: the same table before it; None leaves the table as it is.
    """
    if before is None or not table.compared:
        return table
    places = [table.columns.index(name) for name in table.compared]
    known = {row[0]: row for row in before.rows}
    added = tuple(f"{name}, before fine-tuning" for name in table.compared)

    def first(row: tuple[Any, ...]) -> tuple[Any, ...]:
        other = known.get(row[0])
        missing = [math.nan if isinstance(row[place], float) else None for place in places]
        return tuple(missing) if other is None else tuple(other[place] for place in places)

    cut = places[0]
    rows = tuple((*row[:cut], *first(row), *row[cut:]) for row in table.rows)
    return replace(table, columns=(*table.columns[:cut], *added, *table.columns[cut:]), rows=rows)


def _kind(values: Sequence[Any]) -> str:
    numbers = [value for value in values if isinstance(value, int | float) and not isinstance(value, bool)]
    if len(numbers) < len(values):
        return "text"
    known = [value for value in numbers if math.isfinite(value)]
    if any(isinstance(value, float) for value in numbers) and all(0 <= value <= 1 for value in known):
        return "share"
    return "number"


def _text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.3g}" if math.isfinite(value) else "–"
    return "–" if value is None else str(value)


def column_of(title: str, numeric: bool) -> dict[str, Any]:
    """A column of a table of the page."""
    return {"title": title, "numeric": numeric}


def table_cell(
    text: str, *, numeric: bool = False, small: str = "", share: float | None = None
) -> dict[str, Any]:
    """A cell of a table of the page, with a small text beside it, and a bar for a share (0 to 1)."""
    width = None if share is None or not math.isfinite(share) else round(100 * min(max(share, 0.0), 1.0), 1)
    return {"text": text, "numeric": numeric, "small": small, "share": width}
