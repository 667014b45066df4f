"""How much one assessment may compute, for programs that answer requests of others. Next: `assessment/alignment.py`.

The time and the memory of an assessment grow with frames × symbols. Without `limited` there is no limit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import NamedTuple

from soritune.errors import TaskError

TOO_LARGE = "assessment-too-large"
"""Kind of the error about a text and a recording that are too long together."""


class Stopped(Exception):  # noqa: N818  (an outcome, not an error)
    """An assessment that was asked to stop."""


class _Limits(NamedTuple):
    most_cells: int
    is_stopped: Callable[[], bool]


_LIMITS: ContextVar[_Limits | None] = ContextVar("assessment limits", default=None)


@contextmanager
def limited(most_cells: int, is_stopped: Callable[[], bool]) -> Iterator[None]:
    """Limits the assessments inside this context, in the same thread.

    Args:
        most_cells: most frames × symbols of an alignment; a larger one raises TaskError before it is computed.
        is_stopped: is asked often; the assessment raises `Stopped` once it answers True.
    """
    token = _LIMITS.set(_Limits(most_cells, is_stopped))
    try:
        yield
    finally:
        _LIMITS.reset(token)


def check_size(num_frames: int, num_symbols: int) -> None:
    """
    Raises:
        TaskError: the product is beyond the limit.
    """
    limits = _LIMITS.get()
    if limits is not None and num_frames * num_symbols > limits.most_cells:
        raise TaskError(
            f"the recording has {num_frames:,} frames and the text {num_symbols:,} phones and word boundaries; the "
            f"product may be {limits.most_cells:,} at most, send shorter parts of both",
            TOO_LARGE,
        )


def check_stop() -> None:
    """
    Raises:
        Stopped: the assessment is to stop.
    """
    limits = _LIMITS.get()
    if limits is not None and limits.is_stopped():
        raise Stopped
