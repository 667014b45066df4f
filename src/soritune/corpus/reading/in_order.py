"""Work on a long stream by several threads, the results in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

In = TypeVar("In")
Out = TypeVar("Out")


def in_order(
    pool: ThreadPoolExecutor, work: Callable[[In], Out], items: Iterable[In], ahead: int
) -> Iterator[tuple[In, Out]]:
    """`(item, work(item))` in order, with no more than `ahead` items waiting, so that a long stream stays a
    stream."""
    stream = iter(items)
    waiting = deque((item, pool.submit(work, item)) for item in islice(stream, ahead))
    while waiting:
        item, future = waiting.popleft()
        for following in islice(stream, 1):
            waiting.append((following, pool.submit(work, following)))
        yield item, future.result()
