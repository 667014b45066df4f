from __future__ import annotations

import threading
from collections.abc import Sequence

import pytest

from soritune.serving.batching import MicroBatcher, choose


@pytest.mark.parametrize(
    ("seconds", "budget", "chosen"),
    [
        ([], 60, []),
        ([100], 60, [0]),  # the oldest is taken whatever its length
        ([5, 5, 5], 60, [0, 1, 2]),
        ([5, 5, 5], 10, [0, 1]),
        ([5, 12, 6], 60, [0, 2]),  # 12 is more than twice 5
        ([12, 5, 6, 11], 60, [0, 2, 3]),
        ([10, 19, 6], 30, [0, 2]),  # 19 would be 3 × 19 s, beyond the budget
    ],
)
def test_oldest_clip_and_those_of_similar_length_make_a_batch(
    seconds: list[float], budget: float, chosen: list[int]
) -> None:
    assert choose(seconds, budget) == chosen


class Gated:
    """Doubles numbers; the first batch waits until it is let go."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.begun, self.go = threading.Event(), threading.Event()

    def __call__(self, items: Sequence[int]) -> list[int]:
        self.batches.append(list(items))
        self.begun.set()
        assert self.go.wait(10)
        if 13 in items:
            raise ValueError("thirteen")
        return [2 * item for item in items]


def test_lone_item_starts_at_once_and_later_ones_share_the_next_batch() -> None:
    run = Gated()
    batcher: MicroBatcher[int, int] = MicroBatcher(run, padded_seconds=60)
    first = batcher.submit(1, 5)
    assert run.begun.wait(10)
    rest = [batcher.submit(item, 5) for item in (2, 3)]
    run.go.set()
    assert [first.result(10), *(each.result(10) for each in rest)] == [2, 4, 6]
    assert run.batches == [[1], [2, 3]]
    batcher.close()


def test_cancelled_item_is_not_run() -> None:
    run = Gated()
    batcher: MicroBatcher[int, int] = MicroBatcher(run, padded_seconds=60)
    first = batcher.submit(1, 5)
    assert run.begun.wait(10)
    cancelled, last = batcher.submit(2, 5), batcher.submit(3, 5)
    assert cancelled.cancel()
    run.go.set()
    assert (first.result(10), last.result(10)) == (2, 6)
    assert run.batches == [[1], [3]]
    batcher.close()


def test_failed_batch_fails_its_items_and_the_next_batch_runs() -> None:
    run = Gated()
    run.go.set()
    batcher: MicroBatcher[int, int] = MicroBatcher(run, padded_seconds=60)
    with pytest.raises(ValueError, match="thirteen"):
        batcher.submit(13, 5).result(10)
    assert batcher.submit(4, 5).result(10) == 8
    batcher.close()


def test_closing_runs_what_waits_and_refuses_more() -> None:
    run = Gated()
    batcher: MicroBatcher[int, int] = MicroBatcher(run, padded_seconds=60)
    futures = [batcher.submit(item, 5) for item in range(3)]
    run.go.set()
    batcher.close()
    assert [future.result(0) for future in futures] == [0, 2, 4]
    with pytest.raises(RuntimeError):
        batcher.submit(9, 5)


def test_sizes_of_batches_are_observed() -> None:
    sizes: list[int] = []
    run = Gated()
    run.go.set()
    batcher: MicroBatcher[int, int] = MicroBatcher(run, 60, sizes.append)
    batcher.submit(1, 5).result(10)
    batcher.close()
    assert sizes == [1]
