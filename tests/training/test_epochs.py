from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from accelerate import Accelerator
from tests.training.parts import phases_of

from soritune.audio.preprocessing import Preprocessing
from soritune.errors import TrainingError
from soritune.training.devices import make_accelerator
from soritune.training.epochs import Epochs, durations_of
from soritune.training.run import TrainingRun

MakeRun = Callable[..., TrainingRun]


def epochs_of(run: TrainingRun, number: int = 1) -> Epochs:
    return Epochs(run, phases_of(run)[number - 1])


def test_every_epoch_visits_every_training_row_once_in_another_order(make_run: MakeRun) -> None:
    run = make_run(epochs=3)
    epochs = epochs_of(run)
    orders = [epochs.plan(epoch).rows.tolist() for epoch in range(3)]
    assert all(sorted(order) == list(range(30)) for order in orders)
    assert len({tuple(order) for order in orders}) == 3
    assert epochs.total_steps == sum(epochs.plan(epoch).num_steps for epoch in range(3))
    assert epochs.hours == pytest.approx(float(run.manifest.durations_s[:30].sum()) / 3600)


def test_steps_are_limited_by_max_steps(make_run: MakeRun) -> None:
    assert epochs_of(make_run(epochs=9, max_steps=5)).total_steps == 5
    run = make_run(epochs=1, max_steps=10_000)
    epochs = epochs_of(run)
    assert epochs.total_steps == epochs.plan(0).num_steps < 10_000


def test_steps_are_counted_over_epochs_of_different_length(make_run: MakeRun) -> None:
    speed = {"speed": {"factors": [0.5, 2.0], "probability": 1.0}}
    epochs = epochs_of(make_run(epochs=4, augment=speed, batches={"padded_seconds": 3.0}))
    steps = [epochs.plan(epoch).num_steps for epoch in range(4)]
    assert len(set(steps)) > 1
    assert epochs.total_steps == sum(steps)


def test_loading_begins_at_any_step(make_run: MakeRun) -> None:
    run = make_run(batches={"padded_seconds": 3.0})
    epochs, accelerator = epochs_of(run), make_accelerator(run.settings)
    whole = [[b.rows.tolist() for b in micro] for micro in epochs.load(1, 0, accelerator)]
    assert [[b.rows.tolist() for b in micro] for micro in epochs.load(1, 3, accelerator)] == whole[3:]
    assert len(whole) == epochs.plan(1).num_steps > 4
    for step, micro in enumerate(whole):
        assert epochs.rows_of_step(1, step).tolist() == [row for rows in micro for row in rows]
        assert epochs.rows_of_step(1, step, [1]).tolist() == micro[1]


class OneOfSeveral(Accelerator):
    """Looks like process `rank` of `size`."""

    def __init__(self, rank: int, size: int = 2) -> None:
        self.rank, self.size = rank, size

    @property
    def num_processes(self) -> int:
        return self.size

    @property
    def process_index(self) -> int:
        return self.rank


def test_processes_share_the_micro_batches_of_a_step(make_run: MakeRun) -> None:
    run = make_run(batches={"padded_seconds": 3.0})
    epochs = epochs_of(run)
    alone = [[b.rows.tolist() for b in micro] for micro in epochs.load(0, 0, make_accelerator(run.settings))]
    shared = [
        [[b.rows.tolist() for b in micro] for micro in epochs.load(0, 0, OneOfSeveral(rank))]
        for rank in (0, 1)
    ]
    assert alone == [first + second for first, second in zip(*shared, strict=True)]
    with pytest.raises(
        TrainingError, match="=2 cannot be shared evenly by 3 processes; choose a multiple of 3"
    ):
        next(epochs.load(0, 0, OneOfSeveral(0, 3)))


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("ranks", [1, 2, 4])
def test_ranks_and_workers_share_three_epochs_over_an_interruption(
    ranks: int, workers: int, make_run: MakeRun
) -> None:
    """Every process is replaced by a new one inside the second epoch, after a step that it had prefetched beyond."""
    batches = {"padded_seconds": 1.5, "micro_batches_per_step": 4, "num_workers": workers}
    stopped_epoch, stopped_step = 1, 2
    visited: dict[int, list[list[list[int]]]] = {}
    for rank in range(ranks):
        first, second = (epochs_of(make_run(epochs=3, batches=batches)) for _ in range(2))
        process = OneOfSeveral(rank, ranks)
        before = first.load(stopped_epoch, 0, process)
        parts = {
            0: list(first.load(0, 0, process)),
            stopped_epoch: [next(before) for _ in range(stopped_step)],
            2: list(second.load(2, 0, process)),
        }
        before.close()  # type: ignore[attr-defined]
        rest = list(second.load(stopped_epoch, stopped_step, process))
        assert rest
        parts[stopped_epoch] += rest
        for epoch, steps in parts.items():
            rows = [[row for batch in micro for row in batch.rows.tolist()] for micro in steps]
            visited.setdefault(epoch, []).append(rows)
    for rows_of_ranks in visited.values():
        assert len({len(steps) for steps in rows_of_ranks}) == 1  # equal steps
        rows = [row for steps in rows_of_ranks for step in steps for row in step]
        assert sorted(rows) == list(range(30))  # all of them, and none twice
    assert len({str(rows) for rows in visited.values()}) == 3


def test_checksum_depends_on_rows_order_and_micro_batches(make_run: MakeRun) -> None:
    epochs = epochs_of(make_run(batches={"padded_seconds": 3.0}))
    plan = epochs.plan(0)
    first, second = plan.micro_batch(4).tolist(), plan.micro_batch(5).tolist()
    numbers = [0, len(first), len(first) + len(second), *first, *second]
    expected = zlib.crc32(b"".join(number.to_bytes(8, "little") for number in numbers))
    assert epochs.digest_of_step(0, 2) == f"{expected:08x}"


def test_smaller_share_of_the_data_is_part_of_a_larger_one(make_run: MakeRun) -> None:
    run = make_run(phases=[{"data_share": 0.3}, {"data_share": 0.6}, {}])
    small, medium, large = (epochs_of(run, number) for number in (1, 2, 3))
    assert set(small.rows) < set(medium.rows) < set(large.rows) == set(range(30))
    assert small.hours == pytest.approx(0.3 * large.hours, rel=0.15)
    assert medium.hours == pytest.approx(0.6 * large.hours, rel=0.15)


def test_cropped_rows_count_as_long_as_they_are_kept(make_run: MakeRun) -> None:
    run = make_run()
    assert np.array_equal(durations_of(run), run.manifest.durations_s)
    cropped = replace(run, preprocessing=Preprocessing(max_duration_s=0.8))
    assert durations_of(cropped).max() == 0.8
    assert np.array_equal(durations_of(cropped), np.minimum(run.manifest.durations_s, 0.8))
