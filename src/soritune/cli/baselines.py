"""`soritune baselines`: simple classifiers on the splits of a run, or recognised text, beside its model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from soritune import progress
from soritune.cli.report import Audio
from soritune.cli.terminal import AsJson, escape, print_json, print_line
from soritune.cli.terminal import output as terminal

if TYPE_CHECKING:
    from soritune.reports.scores import Scores, TaskScores
    from soritune.tasks.task import Task


def baselines(
    folder: Annotated[Path, typer.Argument(help="Folder of a run or a cross-validation that was scored.")],
    root: Annotated[Path | None, typer.Option(help="Where the rows' audio paths start.")] = None,
    recognised: Annotated[
        Path | None,
        typer.Option(
            help="Add recognised text instead, as `transcribe --predictions` wrote it for the same rows."
        ),
    ] = None,
    audio: Audio = True,
    as_json: AsJson = False,
) -> None:
    """Add baselines to scores and report: the text alone, and MFCC with pitch, trained on the same speakers.

    For phones: recognised text through the G2P (--recognised), which needs no training.
    """
    if recognised is not None:
        from soritune.stages.recognised_baseline import add_recognised_baseline

        scores = add_recognised_baseline(folder, recognised, root=root, audio=audio)
    else:
        from soritune.stages.trained_baselines import add_trained_baselines

        console = progress.Console(quiet=as_json)
        scores = add_trained_baselines(folder, root=root, audio=audio, console=console)
    if as_json:
        print_json(scores.to_json())
        return
    show_baselines(scores)
    for task_scores in scores.tasks.values() if recognised is not None else ():
        for name, baseline in task_scores.baselines.items():
            print_line(f"{name}: {baseline.description}", style="dim")
    from soritune.run_folder import RunFolder

    print_line(f"report: {RunFolder(folder).report()}")


def show_baselines(scores: Scores) -> None:
    """Prints the primary rate of the model and of every baseline, over all rows and by group."""
    from soritune.reports.numbers import baseline_notes, rate_text

    for name, task_scores in scores.tasks.items():
        if not task_scores.baselines:
            continue
        task, rate = scores.header.tasks_by_name[name], task_scores.primary_metric.name
        table = Table(name, f"{rate}, model", *task_scores.baselines)
        overall = {part: row.rates.get(rate) for part, row in task_scores.baselines.items()}
        table.add_row(
            "all",
            rate_text(task, rate, task_scores.primary_interval.value),
            *(rate_text(task, rate, value) for value in overall.values()),
        )
        _add_groups(table, task, task_scores)
        terminal().print(table)
        for note in baseline_notes(task, task_scores):
            print_line(note)


def _add_groups(table: Table, task: Task, scores: TaskScores) -> None:
    from soritune.reports.numbers import rate_text

    rate = scores.primary_metric.name
    for field, groups in scores.groups.items():
        for value, group in groups.items():
            cells = [
                rate_text(task, rate, baseline.groups.get(field, {}).get(value, {}).get(rate))
                for baseline in scores.baselines.values()
            ]
            table.add_row(escape(f"{field}: {value}"), rate_text(task, rate, group.rates[rate].value), *cells)
