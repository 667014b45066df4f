"""What can be reached without listening: scores computed from the references alone, shown beside the model's."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from soritune.metrics.bootstrap import Interval
from soritune.reports.scores import Baseline
from soritune.tasks.objectives.objective import objective_of
from soritune.tasks.results import Counts, Pair, Prediction, add_counts
from soritune.tasks.task import Task

Differences = Callable[[Sequence[Counts]], Mapping[str, Interval]]
"""From a baseline's counts per utterance to the model's rates minus the baseline's, paired over speakers."""


def baselines(
    task: Task, pairs: Sequence[Pair], differences: Differences | None = None
) -> dict[str, Baseline]:
    """Name to baseline of `task` on these references: what follows from its outputs, then its own `guesses`.

    Classification: always the class that is most frequent in these references (the best constant answer, so
    no other constant does better). CTC: no symbol. Multi-label: no label.

    Args:
        differences: compares a baseline's counts of the utterances, in the order of `pairs`, with the model's.
    """
    if not pairs or not task.outputs:
        return {}
    beside = differences or (lambda counts: {})
    results = _of_outputs(task, pairs, beside)
    for guess in task.guesses():
        counts = _answer_counts(task, guess.answer, pairs)
        results[guess.name] = _baseline(guess.description, task, counts, beside)
    return results


def _baseline(description: str, task: Task, counts: Sequence[Counts], beside: Differences) -> Baseline:
    return Baseline(description, task.rates(_summed(counts)), dict(beside(counts)))


def _of_outputs(task: Task, pairs: Sequence[Pair], beside: Differences) -> dict[str, Baseline]:
    """The baseline that follows from the primary output: the best of its objective's constant guesses."""
    spec = task.outputs[0]
    guess = objective_of(spec).constant_guess(spec)
    if guess is None:
        return {}
    nothing = {output.name: objective_of(output).empty_output(output) for output in task.outputs}
    ranked: list[tuple[float, str, list[Counts]]] = []
    for description, output in guess.candidates:
        answer = task.decode({**nothing, spec.name: output})
        counts = _answer_counts(task, lambda reference, answer=answer: answer, pairs)  # type: ignore[misc]
        ranked.append((_quality(task, counts) if len(guess.candidates) > 1 else 0.0, description, counts))
    _, description, counts = max(ranked, key=lambda candidate: candidate[0])
    baseline = _baseline(description, task, counts, beside)
    # Rates from probabilities are arbitrary for a constant guess.
    arbitrary = {name for name, rate in task.rate_descriptions.items() if rate.needs_probabilities}
    rates = {name: value for name, value in baseline.rates.items() if name not in arbitrary}
    gaps = {name: value for name, value in baseline.differences.items() if name not in arbitrary}
    return {guess.name: Baseline(baseline.description, rates, gaps)}


def _quality(task: Task, counts: Sequence[Counts]) -> float:
    """Accuracy where the task has it, else the primary metric, higher for a better answer."""
    rates = task.rates(_summed(counts))
    name = "wa" if "wa" in rates else task.primary_metric.name
    value = rates.get(name, math.nan)
    if not math.isfinite(value):
        return -math.inf
    return value if task.higher_is_better(name) else -value


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
    distinct = {id(utterance): utterance for utterance in counts}
    return add_counts(
        [{name: value * times[key] for name, value in part.items()} for key, part in distinct.items()]
    )
