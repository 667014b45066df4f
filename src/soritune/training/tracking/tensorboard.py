"""TensorBoard (extra `track`): event files in the run's folder, read by `tensorboard --logdir RUN`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from soritune.errors import TrainingError
from soritune.run_folder import RunFolder
from soritune.training.tracking.tracker import TrackedRun, Tracker


class TensorBoard(Tracker):
    """Writes a scalar per number. TensorBoard drops what comes after the step from which a run is resumed."""

    name = "tensorboard"

    def check_usable(self) -> None:
        """See `Tracker`."""
        _summary_writer()

    def start(self, run: TrackedRun) -> str | None:
        """See `Tracker`."""
        folder = RunFolder(run.folder).tensorboard
        self._writer = _summary_writer()(str(folder), purge_step=None if run.step is None else run.step + 1)
        return None

    def log(self, event: str, numbers: Mapping[str, float], step: int) -> None:
        """See `Tracker`."""
        for key, value in numbers.items():
            self._writer.add_scalar(key, value, step)

    def finish(self, *, failed: bool) -> None:
        """See `Tracker`."""
        self._writer.close()


def _summary_writer() -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise TrainingError(
            "the tracker 'tensorboard' needs the extra 'track'; install soritune[track], or leave it out of "
            "train.track and set train.tensorboard=false"
        ) from None
    return SummaryWriter


TRACKER = TensorBoard
