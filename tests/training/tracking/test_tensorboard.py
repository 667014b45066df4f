from __future__ import annotations

from pathlib import Path

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from soritune.training.tracking.tensorboard import TensorBoard
from soritune.training.tracking.tracker import TrackedRun


def scalars(folder: Path, tag: str) -> list[tuple[int, float]]:
    events = EventAccumulator(str(folder / "tensorboard"))
    events.Reload()
    return [(event.step, event.value) for event in events.Scalars(tag)]


def write(folder: Path, steps: range, value: float, step: int | None = None) -> None:
    board = TensorBoard()
    board.check_usable()
    assert board.start(TrackedRun(folder, id="ab", name="run", step=step)) is None
    for number in steps:
        board.log("step", {"loss": value}, number)
    board.finish(failed=False)


def test_resumed_run_replaces_what_came_after_its_checkpoint(tmp_path: Path) -> None:
    write(tmp_path, range(1, 6), 1.0)
    write(tmp_path, range(4, 7), 2.0, step=3)
    assert scalars(tmp_path, "loss") == [(1, 1), (2, 1), (3, 1), (4, 2), (5, 2), (6, 2)]
