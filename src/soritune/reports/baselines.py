"""What can be reached without listening: scores computed from the references alone, to stand beside the
model's."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
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
    """Baselines of `task` on these references: those that follow from its outputs, then its own `guesses`.

    Classification: always the class that is most frequent in these references (the best constant answer, so
    no other constant does better). CTC: saying nothing.
    """
    if not pairs or not task.outputs:
        return []
    found = _of_outputs(task, pairs)
    for guess in task.guesses():
        rates = task.rates(_answer_counts(task, guess.answer, pairs))
        found.append(Baseline(guess.name, guess.description, rates))
    return found


def _of_outputs(task: Task, pairs: Sequence[Pair]) -> list[Baseline]:
    spec = task.outputs[0]
    if spec.objective == "cross_entropy" and spec.resolution == "utterance":
        return [_majority(task, spec, pairs)]
    if spec.objective == "ctc":
        blank = {output.name: np.zeros((0, len(output.labels)), dtype=np.float32) for output in task.outputs}
        silent = task.decode(blank)
        counts = _answer_counts(task, lambda reference: silent, pairs)
        return [Baseline("empty", "nothing is recognised in any utterance", task.rates(counts))]
    return []


def _majority(task: Task, spec: OutputSpec, pairs: Sequence[Pair]) -> Baseline:
    found: list[tuple[float, str, dict[str, float]]] = []
    for index, label in enumerate(spec.labels):
        logits = np.full(len(spec.labels), -30.0, dtype=np.float32)
        logits[index] = 0.0
        answer = task.decode({spec.name: logits})
        rates = task.rates(_answer_counts(task, lambda reference, answer=answer: answer, pairs))  # type: ignore[misc]
        accuracy = rates.get("wa", rates.get(task.primary_metric.name, math.nan))
        found.append((accuracy if math.isfinite(accuracy) else -1.0, label, rates))
    accuracy, label, rates = max(found, key=lambda row: row[0])
    rates.pop("loss", None)  # a constant answer comes with no probabilities that a loss could be honest about
    return Baseline("majority", f"always '{label}', the most frequent class of these references", rates)


def _answer_counts(
    task: Task, answer: Callable[[Mapping[str, Any]], Prediction], pairs: Sequence[Pair]
) -> Counts:
    """Counts where every reference gets its `answer`; equal references are counted once and multiplied."""
    seen: dict[str, tuple[Pair, int]] = {}
    for pair in pairs:
        key = json.dumps(pair.reference, sort_keys=True, ensure_ascii=False)
        seen[key] = (pair, seen[key][1] + 1 if key in seen else 1)
    parts = []
    for pair, times in seen.values():
        counts = task.count(Pair(pair.id, pair.reference, answer(pair.reference)))
        parts.append({name: value * times for name, value in counts.items()})
    return add_counts(parts)
