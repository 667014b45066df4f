"""The confusion matrix of a task from the content of scores.json."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from soritune.inference.predictions import tasks_of


def confusion_of(content: Mapping[str, Any], task: str) -> tuple[tuple[str, ...], NDArray[np.float64]] | None:
    """Labels and (labels, labels) counts of a task, rows reference and columns prediction, summed over its speakers;
    None for a task without classes."""
    counts = [row["counts"].get("confusion") for row in content["tasks"][task]["speakers"].values()]
    labels = next((one.outputs[0].labels for one in tasks_of(content["header"]) if one.name == task), ())
    if not counts or any(own is None or len(own) != len(labels) for own in counts):
        return None
    return labels, np.sum([np.asarray(own, dtype=np.float64) for own in counts], axis=0)
