from __future__ import annotations

import asyncio
from typing import Any, NoReturn

import pytest

from soritune.serving.waiting import answer_before


async def never() -> NoReturn:
    await asyncio.Event().wait()
    raise AssertionError


async def leaves() -> NoReturn:
    raise ConnectionError("left")


async def answers() -> str:
    return "answer"


async def outcome(work: Any, leaving: Any, seconds: float = 60.0) -> tuple[Any, bool]:
    """The result or the exception, and whether the work was cancelled."""
    task = asyncio.ensure_future(work)
    try:
        result: Any = await answer_before(task, leaving, seconds)
    except Exception as error:
        result = error
    await asyncio.sleep(0)
    return result, task.cancelled()


@pytest.mark.parametrize(
    ("work", "leaving", "seconds", "expected", "is_cancelled"),
    [
        (answers, never, 60.0, "answer", False),
        (answers, leaves, 60.0, "answer", False),  # both at once
        (leaves, never, 60.0, ConnectionError, False),
        (never, leaves, 60.0, ConnectionError, True),
        (never, never, 0.01, TimeoutError, True),
    ],
)
def test_first_event_decides_and_work_without_a_result_is_cancelled(
    work: Any, leaving: Any, seconds: float, expected: Any, is_cancelled: bool
) -> None:
    result, was_cancelled = asyncio.run(outcome(work(), leaving(), seconds))
    assert result == expected or isinstance(result, expected)
    assert was_cancelled is is_cancelled
