"""Scores as tables for a terminal or a text file: warnings, rates with intervals, classes, confusion."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from soritune.inference.predictions import tasks_of
from soritune.metrics.classification import class_table
from soritune.reports.confusion import confusion_of
from soritune.reports.sections import baseline_notes, counted, percent, rate_range_text, rate_text
from soritune.tasks.decoding.decoder import decoder_text
from soritune.tasks.task import Task

WIDTH = 110
"""Columns of a text file."""
CLASSES_SHOWN = 12
"""A confusion matrix with more classes is too wide for text."""


def summary(content: Mapping[str, Any]) -> str:
    """Every rate of every task on one line: `emotion: accuracy (wa) 0.8500, ua 0.8200, …`."""
    tasks = {task.name: task for task in tasks_of(content["header"])}
    parts = []
    for name, own in content["tasks"].items():
        rates = [
            f"{_rate_name(tasks[name], rate)} "
            f"{'–' if interval['value'] is None else format(interval['value'], '.4f')}"
            for rate, interval in own["rates"].items()
        ]
        parts.append(f"{name}: {', '.join(rates)}")
    return "; ".join(parts)


def _rate_name(task: Task, rate: str) -> str:
    """`accuracy (wa)`, or the rate alone where it has no other name."""
    description = task.rate_descriptions.get(rate)
    return f"{description.known_as} ({rate})" if description and description.known_as else rate


def text_report(content: Mapping[str, Any]) -> str:
    """Everything `score_tables` shows, as plain text, with a line that says of what."""
    buffer = io.StringIO()
    console = Console(file=buffer, width=WIDTH, color_system=None, force_terminal=False)
    header = content["header"]
    data = header.get("data", {})
    name, split = header.get("bundle", {}).get("name", "model"), data.get("split", "all")
    decoded = f", decoder {decoder_text(header['decoder'])}" if header.get("decoder") else ""
    console.print(Text(f"{name}, judged on split {split}{decoded}"), soft_wrap=True)
    for part in score_tables(content):
        console.print(part, soft_wrap=isinstance(part, Text))
    return "\n".join(line.rstrip() for line in buffer.getvalue().splitlines()) + "\n"


def score_tables(content: Mapping[str, Any]) -> Iterator[RenderableType]:
    """Warnings first; then per task a table of rates, and for classes one of each class and the confusion matrix."""
    for warning in content["warnings"]:
        yield Text(f"! {warning}", style="yellow")
    tasks = {task.name: task for task in tasks_of(content["header"])}
    for name, own in content["tasks"].items():
        yield Text("")
        yield _rates(tasks[name], own)
        for note in baseline_notes(tasks[name], own):
            yield Text(f"{note}, paired over speakers", style="dim")
        found = confusion_of(content, name)
        if found is not None and len(found[0]) <= CLASSES_SHOWN:
            yield Text("")
            yield _classes(*found)
            yield Text("")
            yield _matrix(*found)


def _rates(task: Task, own: Mapping[str, Any]) -> Table:
    table = _table(
        f"{task.name}: {counted(own['num_utterances'], 'clip')}, {counted(own['num_speakers'], 'speaker')}"
    )
    table.add_column("rate")
    for title in ("value", "95 % interval", *(f"baseline: {one}" for one in own["baselines"])):
        table.add_column(title, justify="right")
    for rate, interval in own["rates"].items():
        style = "bold" if rate == own["primary_metric"]["name"] else ""
        doubt = "" if interval["reliable"] else " unreliable"
        beside = [rate_text(task, rate, one["rates"].get(rate)) for one in own["baselines"].values()]
        spread = rate_range_text(task, rate, interval) + doubt
        table.add_row(rate, rate_text(task, rate, interval["value"]), spread, *beside, style=style)
    return table


def _classes(labels: tuple[str, ...], confusion: Any) -> Table:
    table = _table("")
    table.add_column("class")
    for title in ("clips", "precision", "recall", "F1"):
        table.add_column(title, justify="right")
    for label, row in zip(labels, class_table(confusion), strict=True):
        rates = (percent(value) for value in (row.precision, row.recall, row.f1))
        table.add_row(Text(label), f"{row.support:g}", *rates)
    return table


def _matrix(labels: tuple[str, ...], confusion: Any) -> Table:
    table = _table("")
    table.add_column("reference ↓ predicted →")
    for label in labels:
        table.add_column(Text(label), justify="right")
    for label, row in zip(labels, confusion, strict=True):
        table.add_row(Text(label), *(f"{count:g}" for count in row))
    return table


def _table(title: str) -> Table:
    return Table(
        title=title or None,
        box=None,
        pad_edge=False,
        header_style="dim",
        title_justify="left",
        title_style="bold",
    )
