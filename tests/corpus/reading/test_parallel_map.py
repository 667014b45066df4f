"""A parallel map over a stream keeps the order and reads only a few items ahead."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from soritune.corpus.reading.parallel_map import parallel_map


def test_only_a_few_items_are_taken_ahead() -> None:
    taken = 0

    def numbers() -> Iterator[int]:
        nonlocal taken
        for number in range(100):
            taken += 1
            yield number

    with ThreadPoolExecutor(2) as pool:
        results = parallel_map(pool, lambda x: x * x, numbers(), 5)
        assert [next(results) for _ in range(3)] == [(0, 0), (1, 1), (2, 4)]
        assert taken == 5 + 3  # five ahead, and one more for each result
        assert list(results)[-1] == (99, 99 * 99)


def test_results_keep_the_order_of_items_that_finish_later() -> None:
    second_is_done = threading.Event()

    def wait_for_second(number: int) -> int:
        if number == 0:
            assert second_is_done.wait(timeout=30)
        elif number == 1:
            second_is_done.set()
        return number

    with ThreadPoolExecutor(2) as pool:
        assert [result for _, result in parallel_map(pool, wait_for_second, range(4), 2)] == [0, 1, 2, 3]


def test_error_of_an_item_is_raised_in_its_turn() -> None:
    with ThreadPoolExecutor(2) as pool:
        results = parallel_map(pool, lambda x: 1 // (x - 1), [0, 1, 2], 3)
        assert next(results) == (0, -1)
        with pytest.raises(ZeroDivisionError):
            next(results)


def test_empty_stream_gives_nothing() -> None:
    with ThreadPoolExecutor(1) as pool:
        assert list(parallel_map(pool, str, [], 4)) == []
