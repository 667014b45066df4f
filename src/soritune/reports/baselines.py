"""What can be reached without listening: scores computed from the references alone, to stand beside the
model's."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from soritune.metrics.bootstrap import Interval
from soritune.tasks.task import Counts, OutputSpec, Pair, Prediction, Task, add_counts

Differences = Callable[[Sequence[Counts]], Mapping[str, Interval]]
"""From a baseline's counts per utterance to the model's rates minus the baseline's, paired over speakers."""


@dataclass(frozen=True, slots=True)
class Baseline:
    """A baseline and its rates."""

    name: str
    description: str
    rates: dict[str, float]
    differences: dict[str, Interval]
    """Per rate: the model's minus this baseline's, over the same resampled speakers; none without a model."""

    def to_json(self) -> dict[str, Any]:
        """`{"description", "rates", "differences"}`."""
        differences = {name: interval.to_json() for name, interval in self.differences.items()}
        return {"description": self.description, "rates": dict(self.rates), "differences": differences}


def baselines(task: Task, pairs: Sequence[Pair], differences: Differences | None = None) -> list[Baseline]:
    """Baselines of `task` on these references: those that follow from its outputs, then its own `guesses`.

    Classification: always the class that is most frequent in these references (the best constant answer, so
    no other constant does better). CTC: saying nothing.

    Args:
        differences: sets a baseline's counts of the utterances, in the order of `pairs`, against the model's.
    """
    if not pairs or not task.outputs:
        return []
    beside = differences or (lambda counts: {})
    found = _of_outputs(task, pairs, beside)
    for guess in task.guesses():
        counts = _answer_counts(task, guess.answer, pairs)
        found.append(_baseline(guess.name, guess.description, task, counts, beside))
    return found


def _baseline(
    name: str, description: str, task: Task, counts: Sequence[Counts], beside: Differences
) -> Baseline:
    return Baseline(name, description, task.rates(_summed(counts)), dict(beside(counts)))


def _of_outputs(task: Task, pairs: Sequence[Pair], beside: Differences) -> list[Baseline]:
    spec = task.outputs[0]
    if spec.objective == "cross_entropy" and spec.resolution == "utterance":
        return [_majority(task, spec, pairs, beside)]
    if spec.objective == "ctc":
        blank = {output.name: np.zeros((0, len(output.labels)), dtype=np.float32) for output in task.outputs}
        silent = task.decode(blank)
        counts = _answer_counts(task, lambda reference: silent, pairs)
        return [_baseline("empty", "nothing is recognised in any utterance", task, counts, beside)]
    return []


def _majority(task: Task, spec: OutputSpec, pairs: Sequence[Pair], beside: Differences) -> Baseline:
    found: list[tuple[float, str, list[Counts]]] = []
    for index, label in enumerate(spec.labels):
        logits = np.full(len(spec.labels), -30.0, dtype=np.float32)
        logits[index] = 0.0
        answer = task.decode({spec.name: logits})
        counts = _answer_counts(task, lambda reference, answer=answer: answer, pairs)  # type: ignore[misc]
        rates = task.rates(_summed(counts))
        rate = "wa" if "wa" in rates else task.primary_metric.name
        value = rates.get(rate, math.nan) * (1 if task.higher_is_better(rate) else -1)
        found.append((value if math.isfinite(value) else -math.inf, label, counts))
    _, label, counts = max(found, key=lambda row: row[0])
    description = f"always '{label}', the most frequent class of these references"
    baseline = _baseline("majority", description, task, counts, beside)
    for rate, rate_description in task.rate_descriptions.items():
        if rate_description.needs_probabilities:  # a constant answer comes without honest ones
            baseline.rates.pop(rate, None)
            baseline.differences.pop(rate, None)
    return baseline


def _answer_counts(
    task: Task, answer: Callable[[Mapping[str, Any]], Prediction], pairs: Sequence[Pair]
) -> list[Counts]:
    """Counts of each utterance where every reference gets its `answer`; equal references share theirs."""
    seen: dict[str, Counts] = {}
    counts = []
    for pair in pairs:
        key = json.dumps(pair.reference, sort_keys=True, ensure_ascii=False)
        if key not in seen:
            seen[key] = task.count(Pair(pair.id, pair.reference, answer(pair.reference)))
        counts.append(seen[key])
    return counts


def _summed(counts: Sequence[Counts]) -> Counts:
    """All of them together; those that are shared are multiplied, not added again and again."""
    times = Counter(map(id, counts))
    parts = {id(own): own for own in counts}
    return add_counts(
        [{name: value * times[key] for name, value in own.items()} for key, own in parts.items()]
    )
