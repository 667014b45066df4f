"""Which weights are kept, and when there is nothing more to gain."""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

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
        self.tasks = {task.name: task for task in tasks}
        evaluated = _values(tasks)
        asked = _asked(settings)
        self._refuse_unknown(asked.values(), evaluated, _values([task.widest() for task in tasks]))
        self.bundles = {bundle_of("loss"): "loss"}
        """Bundle to the value it is the best of."""
        for task in tasks:
            metric: Metric = task.primary_metric
            self.bundles[bundle_of(f"{task.name}/{metric.name}")] = f"{task.name}/{metric.name}"
        for bundle, value in asked.items():
            if self.bundles.get(bundle, value) != value:
                raise TrainingError(
                    f"train.best wants {bundle} to be the best by '{value}', but it is the best by "
                    f"'{self.bundles[bundle]}'; choose another name"
                )
            if value in evaluated:
                self.bundles[bundle] = value

    def _refuse_unknown(self, best: Iterable[str], evaluated: set[str], possible: set[str]) -> None:
        monitor = None if self.stopping is None else self.stopping.monitor
        wanted = [("train.best", name, name in possible) for name in best]
        wanted += [] if monitor is None else [("train.early_stopping.monitor", monitor, monitor in evaluated)]
        for setting, name, known in wanted:
            if not known:
                left_out = ", because its task's settings leave that output out" if name in possible else ""
                raise TrainingError(
                    f"{setting} names '{name}', which is not evaluated{left_out}; known: "
                    f"{', '.join(sorted(evaluated))}"
                )

    def improved(self, values: Mapping[str, float], progress: Progress) -> list[str]:
        """Bundles whose value is the best so far; notes the values in `progress`."""
        better = set()
        for name in dict.fromkeys(self.bundles.values()):
            value = values[name]
            best = progress.best.get(name)
            if math.isfinite(value) and (best is None or _better(value, best, self.higher_is_better(name))):
                progress.best[name] = value
                better.add(name)
        return [bundle for bundle, name in self.bundles.items() if name in better]

    def higher_is_better(self, name: str) -> bool:
        """Which way a value is better: never for losses, for rates as their task says."""
        task, _, rate = name.partition("/")
        return task in self.tasks and self.tasks[task].higher_is_better(rate)

    def monitored_improved(self, values: Mapping[str, float], progress: Progress) -> bool:
        """True where the value that early stopping watches is better than its mark by `min_delta`, which is absolute.

        Otherwise one more evaluation counts as stale. Without early stopping always True.
        """
        if self.stopping is None:
            return True
        name = self.stopping.monitor
        value = values[name]
        mark = progress.monitored
        higher = self.higher_is_better(name)
        fresh = mark is None or not math.isfinite(mark)
        if math.isfinite(value) and (
            fresh or _better(value, float(mark or 0.0), higher, self.stopping.min_delta)
        ):
            progress.monitored, progress.stale_evaluations = value, 0
            return True
        progress.stale_evaluations += 1
        return False


def _values(tasks: Iterable[Task]) -> set[str]:
    """Names of everything that is evaluated."""
    tasks = list(tasks)
    losses = {f"loss/{spec.name}" for task in tasks for spec in task.outputs}
    return {"loss"} | losses | {f"{task.name}/{rate}" for task in tasks for rate in task.rates({})}


def _asked(settings: TrainingSettings) -> dict[str, str]:
    """Bundle to value, of `train.best`."""
    if isinstance(settings.best, dict):
        return {f"best_{name}": value for name, value in settings.best.items()}
    return {bundle_of(value): value for value in settings.best}


def bundle_of(value: str) -> str:
    """Name of the bundle that holds the best by a value."""
    return f"best_{value.replace('/', '_')}"


def drop_old_epochs(bundles: Path, last: int) -> None:
    """Removes the bundles epoch_1 … epoch_<last> of a run; each is out of sight before it is taken apart."""
    for folder in sorted(bundles.glob("epoch_*")):
        number = folder.name.removeprefix("epoch_")
        if number.isdecimal() and int(number) <= last:
            going = folder.with_name(f".{folder.name}.old")
            shutil.rmtree(going, ignore_errors=True)
            folder.rename(going)
            shutil.rmtree(going, ignore_errors=True)


def _better(value: float, than: float, higher: bool, by: float = 0.0) -> bool:
    return value > than + by if higher else value < than - by
