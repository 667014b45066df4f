"""Which weights are kept, and when there is nothing more to gain."""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from soritune.errors import TrainingError
from soritune.tasks.results import Metric
from soritune.tasks.task import Task
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
        self.keep = settings.keep_best
        first = tasks[0]
        self.decisive = (
            f"{first.name}/{first.primary_metric.name}" if self.stopping is None else self.stopping.monitor
        )
        """The value whose best weights the next phase starts from: the one early stopping watches, else the first
        task's primary metric."""

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
        places = self.entered(values, progress)
        return [bundle for bundle, name in self.bundles.items() if places.get(name) == 0]

    def entered(self, values: Mapping[str, float], progress: Progress) -> dict[str, int]:
        """Values that are among the `keep_best` best so far, with their place from 0; notes them in `progress`.

        Of equal values the one with the lower validation loss is the better: a rate that stands still, such as an F1 of
        0, would otherwise keep the first weights of all.
        """
        places = {}
        loss = values["loss"]
        for name in dict.fromkeys([*self.bundles.values(), self.decisive]):
            value, kept = values[name], progress.kept.setdefault(name, [])
            if not math.isfinite(value):
                continue
            higher = self.higher_is_better(name)
            place = sum(
                not (_better(value, old, higher) or (value == old and loss < old_loss))
                for old, _, old_loss in kept
            )
            if place < self.keep:
                kept.insert(place, [value, progress.step, loss])
                del kept[self.keep :]
                progress.best[name] = kept[0][0]
                places[name] = place
        return places

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


def drop_old_epochs(bundles: Path, last: int, prefix: str = "") -> None:
    """Removes the bundles epoch_1 … epoch_<last> of a run, or of a phase whose names begin with `prefix`; each is out
    of sight before it is taken apart."""
    for folder in sorted(bundles.glob(f"{prefix}epoch_*")):
        number = folder.name.removeprefix(f"{prefix}epoch_")
        if number.isdecimal() and int(number) <= last:
            drop(folder)


def drop(folder: Path) -> None:
    """Removes a bundle at once for whoever looks, then its files."""
    going = folder.with_name(f".{folder.name}.old")
    shutil.rmtree(going, ignore_errors=True)
    folder.rename(going)
    shutil.rmtree(going, ignore_errors=True)


def _better(value: float, than: float, higher: bool, by: float = 0.0) -> bool:
    return value > than + by if higher else value < than - by
