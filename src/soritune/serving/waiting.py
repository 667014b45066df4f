"""Waits for an answer as long as its client does. Used by `routes.py` and `stream.py`."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any, NoReturn, TypeVar

Result = TypeVar("Result")


async def answer_before(work: Awaitable[Result], leaving: Awaitable[NoReturn], seconds: float) -> Result:
    """The result of work, which is cancelled if the client leaves or the time is over.

    Args:
        work: what is waited for.
        leaving: raises an exception once the client does not wait any more.
        seconds: longest time.

    Raises:
        TimeoutError: the work takes longer. Exceptions of both are raised too.
    """
    answer, left = asyncio.ensure_future(work), asyncio.ensure_future(leaving)
    try:
        await asyncio.wait((answer, left), timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        if answer.done():
            return answer.result()
        if left.done():
            left.result()
        raise TimeoutError
    finally:
        for each in (answer, left):
            each.cancel()
            each.add_done_callback(_ignored)


def _ignored(done: asyncio.Future[Any]) -> None:
    """Takes the exception, so that asyncio does not log it."""
    if not done.cancelled():
        done.exception()
