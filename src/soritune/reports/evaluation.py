"""The result of an evaluation: numbers, and what can be drawn and written of them."""

from __future__ import annotations

import math
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from soritune.errors import OutputError, TaskError
from soritune.metrics.classification import ClassRates, class_table
from soritune.reports.confusion import Confusion, confusion_of
from soritune.reports.figure_files import Picture
from soritune.reports.figures import draw_classes, draw_matrix
from soritune.reports.notebook_html import notebook_html
from soritune.reports.scores import Scores
from soritune.reports.text_report import text_report
from soritune.whole_file import write_bytes, write_text


class Evaluation(dict[str, Any]):
    """The content of scores.json as a dict, and under "files" the paths of predictions, scores and report.

    `scores` are of the first task, `labels`, `confusion` and `classes` of the first task with classes; all tasks are
    under `["tasks"]`.

    Args:
        scores: of all tasks; `all_scores` is the same object.
        more: further keys of the dict, such as `files`.
    """

    def __init__(self, scores: Scores, **more: Any) -> None:
        super().__init__(scores.to_json() | more)
        self.all_scores = scores

    @property
    def task(self) -> str:
        """Name of the first task."""
        return next(iter(self.all_scores.tasks))

    @property
    def scores(self) -> dict[str, float | None]:
        """Rate to its value over all clips, such as wa (accuracy), ua, macro_f1 and loss; None if it cannot be
        computed."""
        rates = self.all_scores.tasks[self.task].rates
        return {name: rate.value if math.isfinite(rate.value) else None for name, rate in rates.items()}

    @property
    def labels(self) -> tuple[str, ...]:
        """The classes, in the order of the confusion matrix.

        Raises:
            TaskError: no task has classes.
        """
        return self._confusion().labels

    @property
    def confusion(self) -> NDArray[np.float64]:
        """(labels, labels) counts of clips; rows: reference, columns: prediction.

        Raises:
            TaskError: no task has classes.
        """
        return self._confusion().counts

    @property
    def classes(self) -> dict[str, ClassRates]:
        """Label to precision, recall, f1 and support (clips); nan where a rate has no denominator.

        Raises:
            TaskError: no task has classes.
        """
        labels, confusion = self._confusion()
        return dict(zip(labels, class_table(confusion), strict=True))

    def plot_confusion_matrix(self, path: Path | str) -> Path:
        """Draws the confusion matrix into a .svg or .png file.

        Raises:
            TaskError: no task has classes.
            OutputError: as `save_figure`.
        """
        return self.show_confusion_matrix().save(path)

    def plot_class_metrics(self, path: Path | str) -> Path:
        """Draws precision, recall and F1 of every class with its number of clips into a .svg or .png file.

        Raises:
            TaskError: no task has classes.
            OutputError: as `save_figure`.
        """
        return self.show_class_metrics().save(path)

    def show_confusion_matrix(self) -> Picture:
        """The confusion matrix, for a notebook, which shows the result of a cell.

        Raises:
            TaskError: no task has classes.
        """
        labels, confusion = self._confusion()
        return Picture(partial(draw_matrix, labels, confusion.tolist()), "the confusion matrix")

    def show_class_metrics(self) -> Picture:
        """Precision, recall and F1 of every class, for a notebook.

        Raises:
            TaskError: no task has classes.
        """
        labels, confusion = self._confusion()
        return Picture(partial(draw_classes, labels, class_table(confusion)), "the rates of classes")

    def __repr__(self) -> str:
        """`report()`, and where the page is."""
        page = self.get("files", {}).get("report")
        return self.report().rstrip() + (f"\n\nreport: {page}" if page else "")

    def _repr_html_(self) -> str:
        """Called by notebooks: warnings and rates as tables."""
        return notebook_html(self.all_scores, self.get("files", {}).get("report"))

    def report(self) -> str:
        """Warnings, rates with intervals, classes and confusion as plain text."""
        return text_report(self.all_scores)

    def write_report(self, path: Path | str) -> Path:
        """Writes `report()` into a .txt or .md file, or the whole page into a .html file.

        Raises:
            OutputError: another suffix, or a path that cannot be written to.
        """
        target = Path(path)
        if target.suffix.lower() == ".html":
            page = Path(self["files"]["report"])
            if target.exists() and target.samefile(page):
                return target
            return write_bytes(target, page.read_bytes())
        if target.suffix.lower() == ".md":
            return write_text(target, f"```\n{self.report()}```\n")
        if target.suffix.lower() == ".txt":
            return write_text(target, self.report())
        raise OutputError(f"{target}: a report is written as .txt, .md or .html, not as '{target.suffix}'")

    def _confusion(self) -> Confusion:
        """Of the first task with classes.

        Raises:
            TaskError: no task has classes.
        """
        tasks = self.all_scores.tasks
        for task in tasks:
            confusion = confusion_of(self.all_scores, task)
            if confusion is not None:
                return confusion
        raise TaskError(f"{' and '.join(tasks)}: no task with classes, so no confusion matrix")
