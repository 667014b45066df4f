"""Which weights are kept, and when training stops early. Torch-free."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from soritune.errors import TrainingError
from soritune.tasks.results import Metric
from soritune.tasks.task import Task
from soritune.training.config import TrainingSettings
from soritune.training.run_progress import Progress


class Selection:
    """The loss, every task's primary metric and what `train.best` names: the best of each is kept.

    Its state is in the run's `Progress`, so that a resumed run continues from it.

    Attributes:
        bundles: name of a bundle to the value by which it is the best.
        decisive: the value whose best weights the next phase starts from: the one that early stopping monitors, or
            else the first task's primary metric.

    Raises:
        TrainingError: the settings name something that is not evaluated.
    """

    def __init__(self, tasks: Sequence[Task], settings: TrainingSettings) -> None:
        self.stopping = settings.early_stopping
        self.tasks = {task.name: task for task in tasks}
        evaluated = _values(tasks)
        requested = _requested(settings)
        self._refuse_unknown(requested.values(), evaluated, _values([task.widest() for task in tasks]))
        self.bundles = {bundle_of("loss"): "loss"}
        for task in tasks:
            metric: Metric = task.primary_metric
            self.bundles[bundle_of(f"{task.name}/{metric.name}")] = f"{task.name}/{metric.name}"
        for bundle, value in requested.items():
            if self.bundles.get(bundle, value) != value:
                raise TrainingError(
                    f"train.best makes {bundle} the best by '{value}', but it is already the best by "
                    f"'{self.bundles[bundle]}'; choose another name"
                )
            if value in evaluated:
                self.bundles[bundle] = value
        self.keep = settings.keep_best
        first = tasks[0]
        self.decisive = (
            f"{first.name}/{first.primary_metric.name}" if self.stopping is None else self.stopping.monitor
        )

    def _refuse_unknown(self, best: Iterable[str], evaluated: set[str], possible: set[str]) -> None:
        monitor = None if self.stopping is None else self.stopping.monitor
        names = [("train.best", name, name in possible) for name in best]
        names += [] if monitor is None else [("train.early_stopping.monitor", monitor, monitor in evaluated)]
        for setting, name, known in names:
            if not known:
                left_out = ", because its task's settings leave that output out" if name in possible else ""
                raise TrainingError(
                    f"{setting} names '{name}', which is not evaluated{left_out}; known: "
                    f"{', '.join(sorted(evaluated))}"
                )

    def improved(self, values: Mapping[str, float], progress: Progress) -> list[str]:
        """Bundles whose value is the best so far; records the values in `progress`."""
        ranks = self.entered(values, progress)
        return [bundle for bundle, name in self.bundles.items() if ranks.get(name) == 0]

    def entered(self, values: Mapping[str, float], progress: Progress) -> dict[str, int]:
        """Values that are among the `keep_best` best so far, with their rank from 0; records them in `progress`.

        Of equal values the one with the lower validation loss is better: a rate that does not change, such as an F1 of
        0, would otherwise keep the first weights of all.
        """
        ranks = {}
        loss = values["loss"]
        for name in dict.fromkeys([*self.bundles.values(), self.decisive]):
            value, kept = values[name], progress.kept.setdefault(name, [])
            if not math.isfinite(value):
                continue
            higher = self.higher_is_better(name)
            rank = sum(
                not (_better(value, old, higher) or (value == old and loss < old_loss))
                for old, _, old_loss in kept
            )
            if rank < self.keep:
                kept.insert(rank, [value, progress.step, loss])
                del kept[self.keep :]
                progress.best[name] = kept[0][0]
                if rank == 0:
                    progress.best_epochs[name] = progress.epochs_done
                ranks[name] = rank
        return ranks

    def decisive_bundles(self) -> list[str]:
        """Bundles with the best weights by the decisive value."""
        return [bundle for bundle, value in self.bundles.items() if value == self.decisive]

    def higher_is_better(self, name: str) -> bool:
        """Whether a higher value is better: never for a loss; for a rate its task decides."""
        task, _, rate = name.partition("/")
        return task in self.tasks and self.tasks[task].higher_is_better(rate)

    def monitored_improved(self, values: Mapping[str, float], progress: Progress) -> bool:
        """Whether the monitored value is better than the last one that improved, by at least `min_delta` (absolute).

        Otherwise one more evaluation counts as stale. Without early stopping always True.
        """
        if self.stopping is None:
            return True
        name = self.stopping.monitor
        value = values[name]
        best = progress.monitored
        higher = self.higher_is_better(name)
        is_first = best is None or not math.isfinite(best)
        if math.isfinite(value) and (
            is_first or _better(value, float(best or 0.0), higher, self.stopping.min_delta)
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


def _requested(settings: TrainingSettings) -> dict[str, str]:
    """Bundle to value, of `train.best`."""
    if isinstance(settings.best, dict):
        return {f"best_{name}": value for name, value in settings.best.items()}
    return {bundle_of(value): value for value in settings.best}


def bundle_of(value: str) -> str:
    """Name of the bundle with the best weights by a value."""
    return f"best_{value.replace('/', '_')}"


def _better(value: float, than: float, higher: bool, by: float = 0.0) -> bool:
    return value > than + by if higher else value < than - by
