"""Scores as tables for a terminal or a text file: warnings, rates with intervals, classes, confusion."""

from __future__ import annotations

import io
from collections.abc import Iterator

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from soritune.metrics.classification import class_table
from soritune.reports.before import before_note
from soritune.reports.confidence_scores import CertainScores
from soritune.reports.confusion import Confusion, confusion_of
from soritune.reports.numbers import (
    COVERAGE_NOTE,
    COVERAGE_TITLE,
    baseline_notes,
    certain_title,
    coverage_rows,
    doubt_text,
    percent,
    plain_number,
    rate_name,
    rate_range_text,
    rate_text,
    speaker_rows,
    temperature_note,
)
from soritune.reports.scores import Scores, TaskScores
from soritune.tasks.headline import common_name
from soritune.tasks.task import Task
from soritune.terminal_text import SafeConsole, counted

WIDTH = 110
"""Columns of a text file."""
CLASSES_SHOWN = 12
"""A confusion matrix with more classes is too wide for text."""
SPEAKERS_SHOWN = 12
"""More speakers are in the report only."""


def summary(scores: Scores) -> str:
    """Every rate of every task on one line: `emotion: accuracy (wa) 0.8500, ua 0.8200, …`."""
    tasks = scores.header.tasks_by_name
    parts = []
    for name, task_scores in scores.tasks.items():
        rates = [
            f"{rate_name(tasks[name], rate)} {plain_number(interval.value)}"
            for rate, interval in task_scores.rates.items()
        ]
        parts.append(f"{name}: {', '.join(rates)}")
    return "; ".join(parts)


def headlines(scores: Scores) -> str:
    """The primary rate of every task with its interval: `phone error rate 26.3 % [23.2, 28.1]`."""
    tasks = scores.header.tasks_by_name
    parts = []
    for name, task_scores in scores.tasks.items():
        rate = tasks[name].primary_metric.name
        interval = task_scores.rates.get(rate)
        if interval is not None:
            value = rate_text(tasks[name], rate, interval.value)
            whose = f"{name}: " if len(scores.tasks) > 1 else ""
            spread = rate_range_text(tasks[name], rate, interval) + doubt_text(interval)
            parts.append(f"{whose}{common_name(tasks[name], rate)} {value} {spread}")
    return "; ".join(parts)


def text_report(scores: Scores) -> str:
    """Everything `score_tables` shows, as plain text, below a line with the model and the split."""
    buffer = io.StringIO()
    console = SafeConsole(file=buffer, width=WIDTH, color_system=None, force_terminal=False)
    header = scores.header
    name, split = header.model.name or "model", header.data.split or "all"
    decoded = f", decoder {header.decoder_text}" if header.decoder else ""
    norm = f", with {header.speaker_norm}" if header.speaker_norm else ""
    console.print(Text(f"{name}, judged on split {split}{decoded}{norm}"), soft_wrap=True)
    for part in score_tables(scores):
        console.print(part, soft_wrap=isinstance(part, Text))
    return "\n".join(line.rstrip() for line in buffer.getvalue().splitlines()) + "\n"


def score_tables(scores: Scores) -> Iterator[RenderableType]:
    """Warnings first; then per task a table of rates, and for classes one of each class and the confusion matrix."""
    for warning in scores.warnings:
        yield Text(f"! {warning}", style="yellow")
    tasks = scores.header.tasks_by_name
    for name, task_scores in scores.tasks.items():
        yield Text("")
        yield _rates(tasks[name], task_scores)
        compared = before_note(tasks[name], task_scores, scores.header)
        if compared is not None:
            yield Text(compared, style="dim")
        for baseline_note in baseline_notes(tasks[name], task_scores):
            yield Text(f"{baseline_note}, paired over speakers", style="dim")
        if task_scores.certain is not None:
            yield Text("")
            yield Text(certain_title(task_scores.certain, task_scores.num_utterances), style="bold")
            if task_scores.certain.rates:
                yield _certain(tasks[name], task_scores, task_scores.certain)
        note = temperature_note(task_scores)
        if note is not None:
            yield Text("")
            yield Text(note)
        if task_scores.coverages:
            yield Text("")
            yield _coverages(tasks[name], task_scores)
            yield Text(COVERAGE_NOTE, style="dim")
        confusion = confusion_of(scores, name)
        if confusion is not None and len(confusion.labels) <= CLASSES_SHOWN:
            yield Text("")
            yield _classes(confusion)
            yield Text("")
            yield _matrix(confusion)
        if 0 < len(task_scores.speakers) <= SPEAKERS_SHOWN and tasks[name].single_label:
            yield Text("")
            yield _speakers(tasks[name], task_scores)


def _rates(task: Task, scores: TaskScores) -> Table:
    table = _table(
        f"{task.name}: {counted(scores.num_utterances, 'clip')}, {counted(scores.num_speakers, 'speaker')}"
    )
    table.add_column("rate")
    before = scores.before
    titles = ["before", "after"] if before else ["value"]
    for title in (*titles, "95 % interval", *(f"baseline: {name}" for name in scores.baselines)):
        table.add_column(title, justify="right")
    for rate, interval in scores.rates.items():
        style = "bold" if rate == scores.primary_metric.name else ""
        doubt = "" if interval.reliable else " unreliable"
        beside = [rate_text(task, rate, baseline.rates.get(rate)) for baseline in scores.baselines.values()]
        spread = rate_range_text(task, rate, interval) + doubt
        first = before.rates.get(rate) if before else None
        values = [rate_text(task, rate, first.value if first else None)] if before else []
        table.add_row(
            rate_name(task, rate),
            *values,
            rate_text(task, rate, interval.value),
            spread,
            *beside,
            style=style,
        )
    return table


def _certain(task: Task, scores: TaskScores, certain: CertainScores) -> Table:
    table = _table("")
    table.add_column("rate")
    for title in ("value", "95 % interval", "all clips"):
        table.add_column(title, justify="right")
    for rate, interval in certain.rates.items():
        doubt = "" if interval.reliable else " unreliable"
        table.add_row(
            rate,
            rate_text(task, rate, interval.value),
            rate_range_text(task, rate, interval) + doubt,
            rate_text(task, rate, scores.rates[rate].value if rate in scores.rates else None),
        )
    return table


def _coverages(task: Task, scores: TaskScores) -> Table:
    table = _table(COVERAGE_TITLE)
    titles, rows = coverage_rows(task, scores)
    for title in titles:
        table.add_column(title, justify="right")
    for row in rows:
        table.add_row(*row)
    return table


def _speakers(task: Task, scores: TaskScores) -> Table:
    titles, rows = speaker_rows(task, scores)
    table = _table("")
    table.add_column(titles[0])
    for title in titles[1:]:
        table.add_column(title, justify="right")
    for name, *texts in rows:
        table.add_row(Text(name), *texts)
    return table


def _classes(confusion: Confusion) -> Table:
    table = _table("")
    table.add_column("class")
    for title in ("clips", "precision", "recall", "F1"):
        table.add_column(title, justify="right")
    for label, row in zip(confusion.labels, class_table(confusion.counts), strict=True):
        rates = (percent(value) for value in (row.precision, row.recall, row.f1))
        table.add_row(Text(label), f"{row.support:g}", *rates)
    return table


def _matrix(confusion: Confusion) -> Table:
    table = _table("")
    table.add_column("reference ↓ predicted →")
    for label in confusion.labels:
        table.add_column(Text(label), justify="right")
    for label, row in zip(confusion.labels, confusion.counts, strict=True):
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
