"""The labels of rows as columns of a manifest, where they are more than one value of one column."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from soritune.corpus.manifest import Manifest
from soritune.tasks.task import Task


def with_labels(tasks: Sequence[Task], manifest: Manifest) -> Manifest:
    """The manifest as tables of labels and strata read it: label columns have the classes that the tasks derive from
    the rows, such as the majority of several ratings. Its rows and its hash are the same.

    A column with several labels in a row has lists.
    """
    for task in tasks:
        if task.derives_labels and task.label_field is not None:
            labels = [task.table_labels(utterance) for utterance in manifest]
            values = (
                [next(iter(each), None) for each in labels]
                if task.single_label
                else [each or None for each in labels]
            )
            manifest = manifest.with_column(task.label_field, values)
    return manifest


def label_values(task: Task, manifest: Manifest) -> list[str]:
    """The different labels that a manifest has for a task, as the corpus writes them."""
    if task.label_field is None:
        return []
    if task.derives_labels:
        return sorted({label for utterance in manifest for label in task.written_labels(utterance)})
    values: list[str] = manifest.column(task.label_field).drop_null().unique().to_pylist()
    return values


def label_ids(task: Task, manifest: Manifest) -> NDArray[np.int64]:
    """(rows,) the label of each row as its position in the task's first output; -1 without a label, such as a row on
    whose label raters disagree."""
    labels = [(task.reference(utterance) or {}).get("label") for utterance in manifest]
    known = task.outputs[0].labels
    return np.array([-1 if label is None else known.index(label) for label in labels], np.int64)
