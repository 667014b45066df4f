"""The tables that `soritune predict` prints: the first rows, and how labels are spread."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from soritune.cli.terminal import output as terminal
from soritune.terminal_text import SafeConsole, visible

if TYPE_CHECKING:
    from soritune.inference.distribution import Distribution
    from soritune.inference.predictions import Row
    from soritune.tasks.results import Column
    from soritune.tasks.task import Task

SHOWN = 100
"""Rows of the table on the terminal."""


def print_predictions(
    tasks: tuple[Task, ...], rows: Sequence[Row], distributions: Mapping[str, Distribution], *, total: int
) -> None:
    """Prints the first rows, and how labels are spread.

    Args:
        tasks: of the predictions.
        rows: the rows that are kept, with all that failed.
        distributions: task to how its labels are spread; empty if this is not shown.
        total: number of all rows.
    """
    console = wide_console()
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("file", overflow="fold")
    fields = _columns(tasks, rows)
    rows = rows[:SHOWN]
    has_text = any("text" in row for row in rows)
    if has_text:
        table.add_column("text", overflow="fold")
    for _, column in fields:
        table.add_column(column.title, justify="left" if column.kind == "text" else "right", overflow="fold")
    for row, name in zip(rows, _short_names([str(row["id"]) for row in rows]), strict=True):
        if "error" in row:
            empty = [""] * (len(fields) - 1 + has_text)
            table.add_row(Text(visible(name)), Text(row["error"], style="red"), *empty)
        else:
            text = [visible(str(row.get("text") or "–"))] if has_text else []
            table.add_row(Text(visible(name)), *(Text(cell) for cell in (*text, *_cells(row, fields))))
    console.print(table)
    if total > SHOWN:
        console.print(f"… {total - SHOWN} more; --output or --json has all of them", style="dim")
    for task, distribution in distributions.items():
        _print_distribution(console, task, distribution)


def wide_console() -> Console:
    """As wide as the terminal; for a file or a pipe, wide enough for a line of phones."""
    console = terminal()
    return console if console.is_terminal else SafeConsole(width=160)


def _short_names(ids: list[str]) -> list[str]:
    """File names without their folders if they still distinguish the rows, else the ids unchanged."""
    names = [Path(name).name for name in ids]
    return names if len(set(names)) == len(set(ids)) else ids


def _columns(tasks: tuple[Task, ...], rows: Sequence[Row]) -> list[tuple[str, Column]]:
    """Task and column of each table column after the file's name, for predictions like the first one."""
    from soritune.tasks.results import Column, Prediction

    first: Row = next((row for row in rows if "error" not in row), {"tasks": {}})
    columns = [
        (task.name, column)
        for task in tasks
        if task.name in first["tasks"]
        for column in task.columns(Prediction.from_json(first["tasks"][task.name]["prediction"]))
    ]
    return columns or [("", Column("", ""))]


def _cells(row: Row, fields: list[tuple[str, Column]]) -> list[str]:
    """The cells of a row; a task without an answer to show has a mark in its first column."""
    seen: set[str] = set()
    cells = []
    for task, column in fields:
        cells.append(_cell(row, task, column, is_first=task not in seen))
        seen.add(task)
    return cells


def _cell(row: Row, task: str, column: Column, *, is_first: bool) -> str:
    if is_first and row.get("no_speech"):
        return "(no speech)"
    if is_first and row["tasks"].get(task, {}).get("prediction", {}).get("uncertain"):
        return "(uncertain)"
    value = row["tasks"].get(task, {}).get("prediction", {}).get(column.field)
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return "–"
    if column.kind == "share":
        return f"{100 * value:.1f} %"
    return " ".join(map(str, value)) or column.empty if isinstance(value, list) else str(value)


def _print_distribution(console: Console, name: str, distribution: Distribution) -> None:
    table = Table(title=f"{name}: {distribution.total} clips", title_justify="left", box=None, pad_edge=False)
    table.title_style, table.header_style = "bold", "dim"
    table.add_column("label")
    for title in ("clips", "share", "mean probability"):
        table.add_column(title, justify="right")
    for row in distribution.labels:
        confidence = "–" if row.mean_confidence is None else f"{100 * row.mean_confidence:.1f} %"
        table.add_row(Text(row.label), str(row.count), f"{100 * row.share:.1f} %", confidence)
    console.print()
    console.print(table)
    for count, reason in ((distribution.no_speech, "without speech"), (distribution.uncertain, "uncertain")):
        if count:
            console.print(f"{count} {reason}, in no share", style="dim")
