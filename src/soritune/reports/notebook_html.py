"""Scores as a small piece of HTML: what a notebook shows of an `Evaluation`."""

from __future__ import annotations

from soritune.reports.page_tables import rates_table
from soritune.reports.scores import Scores
from soritune.reports.templates import page_environment
from soritune.terminal_text import counted


def notebook_html(scores: Scores, report: str | None = None) -> str:
    """Warnings, and the rates of every task with their intervals.

    Args:
        scores: of all tasks.
        report: path of the page, if it was written.
    """
    tasks = scores.header.tasks_by_name
    parts = [
        {
            "name": name,
            "size": f"{counted(part.num_utterances, 'clip')}, {counted(part.num_speakers, 'speaker')}",
            "rates": rates_table(tasks[name], part, scores.header),
        }
        for name, part in scores.tasks.items()
    ]
    template = page_environment().get_template("notebook.html.j2")
    return template.render(warnings=scores.warnings, tasks=parts, report=report)
