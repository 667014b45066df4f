"""A function applied to a long stream by several threads, with the results in the order of the stream."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

In = TypeVar("In")
Out = TypeVar("Out")


def parallel_map(
    pool: ThreadPoolExecutor, function: Callable[[In], Out], items: Iterable[In], ahead: int
) -> Iterator[tuple[In, Out]]:
    """`(item, function(item))` in order. At most `ahead` items are taken from the stream before their turn."""
    stream = iter(items)
    waiting = deque((item, pool.submit(function, item)) for item in islice(stream, ahead))
    while waiting:
        item, future = waiting.popleft()
        for following in islice(stream, 1):
            waiting.append((following, pool.submit(function, following)))
        yield item, future.result()
