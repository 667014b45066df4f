"""What an evaluation found: numbers, and what can be drawn and written of them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from soritune.errors import OutputError, TaskError
from soritune.metrics.classification import ClassRates, class_table
from soritune.reports.confusion import confusion_of
from soritune.reports.figure_files import save_figure
from soritune.reports.figures import draw_classes, draw_matrix
from soritune.reports.text_report import text_report
from soritune.whole_file import write_bytes, write_text


class Evaluation(dict[str, Any]):
    """The content of scores.json as a dict, and under "files" where predictions, scores and report lie.

    `scores` are of the first task, `labels`, `confusion` and `classes` of the first task with classes; all tasks are
    under `["tasks"]`.
    """

    @property
    def task(self) -> str:
        """Name of the first task."""
        return str(next(iter(self["tasks"])))

    @property
    def scores(self) -> dict[str, float | None]:
        """Rate to its value over all clips, such as wa (accuracy), ua, macro_f1 and loss; None where it has none."""
        return {name: interval["value"] for name, interval in self["tasks"][self.task]["rates"].items()}

    @property
    def labels(self) -> tuple[str, ...]:
        """The classes, in the order of the confusion matrix.

        Raises:
            TaskError: no task has classes.
        """
        return _confusion(self)[0]

    @property
    def confusion(self) -> NDArray[np.float64]:
        """(labels, labels) counts of clips; rows: reference, columns: prediction.

        Raises:
            TaskError: no task has classes.
        """
        return _confusion(self)[1]

    @property
    def classes(self) -> dict[str, ClassRates]:
        """Label to precision, recall, f1 and support (clips); nan where a rate has no denominator.

        Raises:
            TaskError: no task has classes.
        """
        labels, confusion = _confusion(self)
        return dict(zip(labels, class_table(confusion), strict=True))

    def plot_confusion_matrix(self, path: Path | str) -> Path:
        """Draws the confusion matrix into a .svg or .png file.

        Raises:
            TaskError: no task has classes.
            OutputError: as `save_figure`.
        """
        labels, confusion = _confusion(self)
        return save_figure(path, partial(draw_matrix, labels, confusion.tolist()))

    def plot_class_metrics(self, path: Path | str) -> Path:
        """Draws precision, recall and F1 of every class with its number of clips into a .svg or .png file.

        Raises:
            TaskError: no task has classes.
            OutputError: as `save_figure`.
        """
        labels, confusion = _confusion(self)
        return save_figure(path, partial(draw_classes, labels, class_table(confusion)))

    def report(self) -> str:
        """Warnings, rates with intervals, classes and confusion as plain text."""
        return text_report(self)

    def write_report(self, path: Path | str) -> Path:
        """Writes `report()` into a .txt or .md file, or the whole page into a .html file.

        Raises:
            OutputError: another suffix, or a place that cannot be written to.
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


def _confusion(content: Mapping[str, Any]) -> tuple[tuple[str, ...], NDArray[np.float64]]:
    found = [confusion_of(content, task) for task in content["tasks"]]
    classes = next((one for one in found if one is not None), None)
    if classes is None:
        raise TaskError(f"{' and '.join(content['tasks'])}: no task with classes, so no confusion matrix")
    return classes
