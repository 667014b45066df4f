"""The confusion matrix of a task, from the counts in its scores."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from soritune.reports.scores import Scores


class Confusion(NamedTuple):
    """How often each reference label was predicted as each label."""

    labels: tuple[str, ...]
    counts: NDArray[np.float64]
    """(labels, labels): rows reference, columns prediction."""


def confusion_of(scores: Scores, task: str) -> Confusion | None:
    """The confusion matrix of a task, summed over its speakers; None for a task without classes."""
    labels = scores.header.tasks_by_name[task].outputs[0].labels
    shape = (len(labels), len(labels))
    counts = [speaker.counts.get("confusion") for speaker in scores.tasks[task].speakers.values()]
    known = [count for count in counts if count is not None and count.shape == shape]
    if not known or len(known) < len(counts):
        return None
    return Confusion(labels, np.sum(known, axis=0))
