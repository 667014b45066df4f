"""Trackio (extra `trackio`): the numbers of a training in a database on this machine, or in a Space of the hub."""

from __future__ import annotations

from typing import Any, ClassVar

from soritune.training.tracking.shared_api import SharedApiSettings, SharedApiTracker
from soritune.training.tracking.tracker import TrackedRun, TrackerSettings


class TrackioSettings(SharedApiSettings):
    """Arguments of `trackio.init` with these names."""

    space_id: str | None = None
    """A Space of the hub that the numbers are sent to, as `owner/name`; None keeps them on this machine."""
    private: bool = True
    """Whether a Space that does not exist yet is made private."""


class Trackio(SharedApiTracker):
    """A run of trackio per run folder. trackio finds a run by its name, so the name ends with the run's id."""

    name = "trackio"
    Settings: ClassVar[type[TrackerSettings]] = TrackioSettings
    settings: TrackioSettings

    def init_arguments(self, run: TrackedRun) -> dict[str, Any]:
        """See `SharedApiTracker`."""
        space = self.settings.space_id
        return {
            "name": f"{self.settings.name or run.name}-{run.id}",
            "space_id": space,
            "private": self.settings.private if space else None,
            "resume": "never" if run.step is None else "allow",
            "embed": False,
        }

    def place(self, library_run: Any) -> str:
        """See `SharedApiTracker`."""
        if self.settings.space_id:
            return f"trackio: run {library_run.name} in the Space {self.settings.space_id}"
        return f"trackio: run {library_run.name}; `trackio show --project {self.settings.project}` shows it"

    def finish(self, *, failed: bool) -> None:
        """See `Tracker`. The module finishes its run at exit too, unless its own `finish` was called."""
        self.library().finish()


TRACKER = Trackio
