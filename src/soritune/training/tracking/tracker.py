"""The contract of a tracker: a program outside of soritune that is sent the numbers of a training while it runs.

A file in this folder that binds a subclass of `Tracker` to `TRACKER` adds a tracker under its file name; other packages
join through the entry-point group `soritune.training.tracking`. Torch-free, and so is the import of every member.

Trackers are called in the first process only, through `training/trackers.py`, which keeps their failures away from
the training. Next: `shared_api.py`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from pydantic import ValidationError

from soritune.errors import TrainingError, UnknownNameError
from soritune.registry import load_member
from soritune.settings import Settings, faults_of

PACKAGE, ATTRIBUTE = "soritune.training.tracking", "TRACKER"


class TrackerSettings(Settings):
    """Settings of a tracker; a tracker subclasses this with its own. Recipes and bundles keep them: no passwords."""


@dataclass(frozen=True, slots=True)
class TrackedRun:
    """The facts about a run that trackers get."""

    folder: Path
    """Of the run."""
    id: str
    """The same for a run and all its resumptions, and different from that of every other run."""
    name: str
    """For people: the name of the folder."""
    group: str | None = None
    """The folds of a cross-validation have one group; other runs belong to no group."""
    config: Mapping[str, Any] = field(default_factory=dict)
    """The recipe with all its settings, as plain data."""
    step: int | None = None
    """The step of the checkpoint from which the run is resumed; None begins a run."""
    sent: Mapping[str, int] = field(default_factory=dict)
    """The last step of each kind of event that this tracker was sent, which may be after `step`; empty for a tracker
    that is new to the run."""


class Tracker(ABC):
    """Sends the numbers of one run. The constructor takes the subclass's `Settings` and nothing else."""

    name: ClassVar[str]
    """Its name in the open folder."""
    Settings: ClassVar[type[TrackerSettings]] = TrackerSettings

    def __init__(self, settings: TrackerSettings | None = None) -> None:
        self.settings: TrackerSettings = self.Settings() if settings is None else settings

    @abstractmethod
    def check_usable(self) -> None:
        """Imports the tracker's library; called before anything is prepared.

        Raises:
            TrainingError: it is not installed; the message names the extra.
        """

    @abstractmethod
    def start(self, run: TrackedRun) -> str | None:
        """Begins or resumes a run.

        Returns:
            Where the numbers can be seen, as a line for the log; None for nothing to report.
        """

    @abstractmethod
    def log(self, event: str, numbers: Mapping[str, float], step: int) -> None:
        """Sends the numbers of an event.

        Args:
            event: its kind: "start", "step", "evaluate", "phase_end", "end" …
            numbers: by name, as in the run's log; they may be infinite or NaN.
            step: optimizer steps so far, over all phases.
        """

    @abstractmethod
    def finish(self, *, failed: bool) -> None:
        """Ends the run and sends what is left, in a limited time; `failed` if the training stopped with an error."""


def make_tracker(name: str, settings: Mapping[str, Any]) -> Tracker:
    """A tracker from its name and its settings.

    Raises:
        UnknownNameError: no tracker with this name.
        TrainingError: settings that it does not have, or a value of another type; or a package offers something else
            than a tracker.
    """
    kind: object = load_member(PACKAGE, ATTRIBUTE, name, "tracker")
    if not (isinstance(kind, type) and issubclass(kind, Tracker)):
        raise TrainingError(f"'{name}' of {PACKAGE} is {kind!r}; it must be a subclass of Tracker")
    try:
        return kind(kind.Settings.model_validate(dict(settings)))
    except ValidationError as error:
        raise TrainingError("; ".join(faults_of(error, kind.Settings, name))) from None


def checked_trackers(value: Any) -> dict[str, dict[str, Any]]:
    """The value of `train.track` as a mapping of names to settings.

    Args:
        value: a name, a list of names, or a mapping of names to mappings.

    Raises:
        ValueError: another type, an unknown name, or faulty settings.
    """
    if value is None:
        return {}
    if isinstance(value, str):
        value = [value]
    if isinstance(value, list | tuple):
        if not all(isinstance(name, str) for name in value):
            raise ValueError("must be a list of names, or a mapping of names to their settings")
        value = {name: {} for name in value}
    if not isinstance(value, Mapping):
        raise ValueError("must be a list of names, or a mapping of names to their settings")
    for name, settings in value.items():
        if not isinstance(settings, Mapping):
            raise ValueError(f"{name}: must be a mapping of settings; give {{}} for the defaults")
        try:
            make_tracker(str(name), settings)
        except (UnknownNameError, TrainingError) as error:
            raise ValueError(str(error)) from None
    return {str(name): dict(settings) for name, settings in value.items()}
