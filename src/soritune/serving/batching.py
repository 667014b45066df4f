"""Requests that wait are run together: one thread per model, batches of similar length, and no waiting for company."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Generic, TypeVar

logger = logging.getLogger(__name__)

Item = TypeVar("Item")
Result = TypeVar("Result")
_SHORTEST_S = 1.0
"""Shorter clips count as this long, as in a list of files."""
_MOST_PADDING = 2.0
"""Clips of a batch are at least 1 / this of its longest one."""


@dataclass(eq=False, slots=True)
class _Waiting(Generic[Item, Result]):
    item: Item
    seconds: float
    future: Future[Result] = field(default_factory=Future)


class MicroBatcher(Generic[Item, Result]):
    """Runs items in batches on a thread of its own.

    A batch starts as soon as the thread is free: a lone item does not wait. While a batch runs, further items
    collect. The oldest one is always in the next batch; those of similar length join it as far as the budget reaches.

    Args:
        run: results of a batch, in order. An exception is that of every item of the batch.
        padded_seconds: budget of a batch: items × longest of them, in seconds.
        observe: is called with the number of items of each batch.
    """

    def __init__(
        self,
        run: Callable[[Sequence[Item]], Sequence[Result]],
        padded_seconds: float,
        observe: Callable[[int], None] = lambda count: None,
    ) -> None:
        self._run, self._budget, self._observe = run, padded_seconds, observe
        self._waiting: list[_Waiting[Item, Result]] = []
        self._changed = threading.Condition()
        self._is_closed = False
        self._thread = threading.Thread(target=self._work, name="soritune-batches", daemon=True)
        self._thread.start()

    def submit(self, item: Item, seconds: float) -> Future[Result]:
        """Adds an item of a length; a future that is cancelled before its batch starts is not run.

        Raises:
            RuntimeError: the batcher is closed.
        """
        waiting: _Waiting[Item, Result] = _Waiting(item, max(seconds, _SHORTEST_S))
        with self._changed:
            if self._is_closed:
                raise RuntimeError("the batcher is closed")
            self._waiting.append(waiting)
            self._changed.notify()
        return waiting.future

    def close(self, timeout_s: float = 5.0) -> None:
        """Runs what is waiting, and ends the thread."""
        with self._changed:
            self._is_closed = True
            self._changed.notify()
        self._thread.join(timeout_s)

    def _work(self) -> None:
        while (batch := self._next()) is not None:
            running = [each for each in batch if each.future.set_running_or_notify_cancel()]
            if not running:
                continue
            self._observe(len(running))
            try:
                results = self._run([each.item for each in running])
            except Exception as error:
                logger.exception("a batch of %d failed", len(running))
                for each in running:
                    each.future.set_exception(error)
            else:
                for each, result in zip(running, results, strict=True):
                    each.future.set_result(result)

    def _next(self) -> list[_Waiting[Item, Result]] | None:
        """The next batch; None if the batcher is closed and nothing waits."""
        with self._changed:
            while not self._waiting:
                if self._is_closed:
                    return None
                self._changed.wait()
            self._waiting = [each for each in self._waiting if not each.future.cancelled()]
            chosen = choose([each.seconds for each in self._waiting], self._budget)
            batch = [self._waiting[index] for index in chosen]
            taken = set(chosen)
            self._waiting = [each for index, each in enumerate(self._waiting) if index not in taken]
            return batch


def choose(seconds: Sequence[float], budget: float) -> list[int]:
    """Positions of the next batch: the first one, and those nearest to it in length.

    Args:
        seconds: lengths of what is waiting, the oldest first.
        budget: items × longest of them; the first one is taken even if it is beyond.
    """
    if not seconds:
        return []
    first = seconds[0]
    chosen, longest, shortest = [0], first, first
    for index in sorted(range(1, len(seconds)), key=lambda index: (abs(seconds[index] - first), index)):
        most, least = max(longest, seconds[index]), min(shortest, seconds[index])
        if most * (len(chosen) + 1) > budget or most > _MOST_PADDING * least:
            break
        chosen.append(index)
        longest, shortest = most, least
    return sorted(chosen)
