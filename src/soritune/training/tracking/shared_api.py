"""Trackers whose libraries share one interface: `init`, `log` and `finish`. Next: `wandb.py`."""

from __future__ import annotations

import importlib
from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import Field

from soritune.errors import TrainingError
from soritune.training.tracking.tracker import TrackedRun, Tracker, TrackerSettings


class SharedApiSettings(TrackerSettings):
    """Settings that such trackers have in common."""

    project: str = Field("soritune", min_length=1)
    """Where the run is listed."""
    name: str | None = Field(None, min_length=1)
    """Of the run; None takes the name of its folder."""
    group: str | None = Field(None, min_length=1)
    """Runs that belong together; None gives the folds of a cross-validation one group, and other runs none."""


class SharedApiTracker(Tracker):
    """Sends events through a library with the interface of wandb.

    An event that was sent before the run was interrupted is not sent again: a resumed run repeats the steps after its
    checkpoint with the same numbers.
    """

    Settings: ClassVar[type[TrackerSettings]] = SharedApiSettings
    settings: SharedApiSettings

    def check_usable(self) -> None:
        """See `Tracker`."""
        self.library()

    def start(self, run: TrackedRun) -> str | None:
        """See `Tracker`."""
        arguments = {
            "project": self.settings.project,
            "name": self.settings.name or run.name,
            "group": self.settings.group or run.group,
            "config": dict(run.config),
            **self.init_arguments(run),
        }
        given = {name: value for name, value in arguments.items() if value is not None}
        self._sent = run.sent
        self._run = self.library().init(**given)
        return self.place(self._run)

    @abstractmethod
    def init_arguments(self, run: TrackedRun) -> dict[str, Any]:
        """The arguments of `init` in which the libraries differ; None is left out."""

    @abstractmethod
    def place(self, library_run: Any) -> str:
        """Where the numbers can be seen, from what `init` returned."""

    def log(self, event: str, numbers: Mapping[str, float], step: int) -> None:
        """See `Tracker`."""
        if step > self._sent.get(event, -1):
            self._run.log(dict(numbers), step=step)

    def library(self) -> Any:
        """The imported library.

        Raises:
            TrainingError: it is not installed.
        """
        try:
            return importlib.import_module(self.name)
        except ImportError:
            raise TrainingError(
                f"the tracker '{self.name}' needs the extra '{self.name}'; install soritune[{self.name}], or leave it "
                "out of train.track"
            ) from None
