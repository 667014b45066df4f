"""Weights & Biases (extra `wandb`): the numbers of a training on its site or a server, or in the run's folder."""

from __future__ import annotations

import threading
from typing import Any, ClassVar, Literal

from soritune.training.tracking.shared_api import SharedApiSettings, SharedApiTracker
from soritune.training.tracking.tracker import TrackedRun, TrackerSettings

FINISH_TIMEOUT_S = 120.0
"""How long the end of a run may take."""


class WandbSettings(SharedApiSettings):
    """Arguments of `wandb.init` with these names. The key of the account is read by wandb, never from a recipe."""

    entity: str | None = None
    """User or team; None takes the default of the account."""
    mode: Literal["online", "offline"] | None = None
    """"offline" keeps everything in the run's folder until `wandb sync`. None leaves it to WANDB_MODE."""
    tags: tuple[str, ...] = ()
    """Shown beside the run."""
    notes: str | None = None
    """A description of the run."""


class Wandb(SharedApiTracker):
    """A run of wandb per run folder, found again by its id."""

    name = "wandb"
    Settings: ClassVar[type[TrackerSettings]] = WandbSettings
    settings: WandbSettings

    def init_arguments(self, run: TrackedRun) -> dict[str, Any]:
        """See `SharedApiTracker`."""
        return {
            "entity": self.settings.entity,
            "mode": self.settings.mode,
            "tags": list(self.settings.tags) or None,
            "notes": self.settings.notes,
            "job_type": "train",
            "id": run.id,
            "resume": "allow" if run.step is not None else None,
            "dir": str(run.folder),
            "reinit": "create_new",  # a run of the caller's own program is left alone
        }

    def place(self, library_run: Any) -> str:
        """See `SharedApiTracker`."""
        if getattr(library_run, "offline", False) or not library_run.url:
            return f"wandb: run {library_run.id}, offline in {library_run.dir}"
        return f"wandb: {library_run.url}"

    def finish(self, *, failed: bool) -> None:
        """See `Tracker`. wandb waits until its server has everything; here the wait is limited.

        Raises:
            TimeoutError: the last numbers were not sent in time.
        """
        errors: list[Exception] = []

        def finish() -> None:
            try:
                self._run.finish(exit_code=1 if failed else 0)
            except Exception as error:  # raised below, in the caller's thread
                errors.append(error)

        thread = threading.Thread(target=finish, daemon=True)
        thread.start()
        thread.join(FINISH_TIMEOUT_S)
        if thread.is_alive():
            raise TimeoutError(
                f"not everything was sent within {FINISH_TIMEOUT_S:.0f} s; `wandb sync` sends it later"
            )
        if errors:
            raise errors[0]


TRACKER = Wandb
