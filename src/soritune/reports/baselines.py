"""What can be reached without listening: scores computed from the references alone, to stand beside the
model's."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from soritune.tasks.task import Counts, OutputSpec, Pair, Prediction, Task, add_counts


@dataclass(frozen=True, slots=True)
class Baseline:
    """A baseline and its rates."""

    name: str
    description: str
    rates: dict[str, float]

    def to_json(self) -> dict[str, Any]:
        """`{"description", "rates"}`."""
        return {"description": self.description, "rates": dict(self.rates)}


def baselines(task: Task, pairs: Sequence[Pair]) -> list[Baseline]:
    """Baselines of `task` on these references; none for tasks whose outputs are neither classes nor CTC.

    Classification: always the class that is most frequent in these references (the best constant answer, so
    no other constant does better). CTC: saying nothing.
    """
    if not pairs or not task.outputs:
        return []
    spec = task.outputs[0]
    if spec.objective == "cross_entropy" and spec.resolution == "utterance":
        return [_majority(task, spec, pairs)]
    if spec.objective == "ctc":
        blank = {output.name: np.zeros((0, len(output.labels)), dtype=np.float32) for output in task.outputs}
        counts = _constant_counts(task, task.decode(blank), pairs)
        return [Baseline("empty", "nothing is recognised in any utterance", task.rates(counts))]
    return []


def _majority(task: Task, spec: OutputSpec, pairs: Sequence[Pair]) -> Baseline:
    found: list[tuple[float, str, dict[str, float]]] = []
    for index, label in enumerate(spec.labels):
        logits = np.full(len(spec.labels), -30.0, dtype=np.float32)
        logits[index] = 0.0
        rates = task.rates(_constant_counts(task, task.decode({spec.name: logits}), pairs))
        accuracy = rates.get("wa", rates.get(task.primary_metric.name, math.nan))
        found.append((accuracy if math.isfinite(accuracy) else -1.0, label, rates))
    accuracy, label, rates = max(found, key=lambda row: row[0])
    return Baseline("majority", f"always '{label}', the most frequent class of these references", rates)


def _constant_counts(task: Task, prediction: Prediction, pairs: Sequence[Pair]) -> Counts:
    """Counts of one prediction for all references; equal references are counted once and multiplied."""
    seen: dict[str, tuple[Pair, int]] = {}
    for pair in pairs:
        key = json.dumps(pair.reference, sort_keys=True, ensure_ascii=False)
        seen[key] = (pair, seen[key][1] + 1 if key in seen else 1)
    parts = []
    for pair, times in seen.values():
        counts = task.count(Pair(pair.id, pair.reference, prediction))
        parts.append({name: value * times for name, value in counts.items()})
    return add_counts(parts)
