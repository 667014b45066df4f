"""Which weights are kept, and when there is nothing more to gain."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from soritune.errors import TrainingError
from soritune.tasks.task import Metric, Task
from soritune.training.checkpoint import Progress
from soritune.training.config import TrainingSettings


class Selection:
    """The loss, every task's primary metric and what `train.best` names: the best of each is kept.

    Its state is in the run's `Progress`, so that a resumed run goes on counting.

    Raises:
        TrainingError: the settings name something that is not evaluated.
    """

    def __init__(self, tasks: Sequence[Task], settings: TrainingSettings) -> None:
        self.stopping = settings.early_stopping
        self.higher = {"loss": False}
        for task in tasks:
            metric: Metric = task.primary_metric
            self.higher[f"{task.name}/{metric.name}"] = metric.higher_is_better
        known = {"loss"} | {f"loss/{spec.name}" for task in tasks for spec in task.outputs}
        known |= {f"{task.name}/{rate}" for task in tasks for rate in task.rates({})}
        asked = dict.fromkeys(settings.best, "train.best")
        if self.stopping is not None:
            asked[self.stopping.monitor] = "train.early_stopping.monitor"
        for name, setting in asked.items():
            if name not in known:
                raise TrainingError(
                    f"{setting} names '{name}', which is not evaluated; known: {', '.join(sorted(known))}"
                )
        for name in settings.best:
            self.higher.setdefault(name, higher_is_better(name))
        self.keep = settings.keep_best
        self.decisive = (
            self.stopping.monitor
            if self.stopping is not None
            else f"{tasks[0].name}/{tasks[0].primary_metric.name}"
        )
        """The value whose best weights the next phase starts from: the one early stopping watches, else the first
        task's primary metric."""
        self.higher.setdefault(self.decisive, higher_is_better(self.decisive))

    def improved(self, values: Mapping[str, float], progress: Progress) -> list[str]:
        """Names whose value is the best so far; notes them in `progress`."""
        return [name for name, place in self.entered(values, progress).items() if place == 0]

    def entered(self, values: Mapping[str, float], progress: Progress) -> dict[str, int]:
        """Names whose value is among the `keep_best` best so far, with its place from 0; notes them in `progress`."""
        found = {}
        for name, higher in self.higher.items():
            value, kept = values[name], progress.kept.setdefault(name, [])
            if not math.isfinite(value):
                continue
            place = sum(not _better(value, old, higher) for old, _ in kept)
            if place < self.keep:
                kept.insert(place, [value, progress.step])
                del kept[self.keep :]
                progress.best[name] = kept[0][0]
                found[name] = place
        return found

    def monitored_improved(self, values: Mapping[str, float], progress: Progress) -> bool:
        """True where the value that early stopping watches is better than its mark by `min_delta`, which is absolute.

        Otherwise one more evaluation counts as stale. Without early stopping always True.
        """
        if self.stopping is None:
            return True
        name = self.stopping.monitor
        value = values[name]
        mark = progress.monitored
        higher = self.higher.get(name, higher_is_better(name))
        fresh = mark is None or not math.isfinite(mark)
        if math.isfinite(value) and (
            fresh or _better(value, float(mark or 0.0), higher, self.stopping.min_delta)
        ):
            progress.monitored, progress.stale_evaluations = value, 0
            return True
        progress.stale_evaluations += 1
        return False


def higher_is_better(name: str) -> bool:
    """False for losses and for rates that count errors."""
    last = name.rsplit("/", 1)[-1]
    return not ("loss" in name or last.startswith(("per", "wer", "cer")) or last.endswith("_er"))


def _better(value: float, than: float, higher: bool, by: float = 0.0) -> bool:
    return value > than + by if higher else value < than - by
