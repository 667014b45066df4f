"""An engine that runs the jobs of actors in this process."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from soritune.ray_engine import RayEngine


class HereEngine(RayEngine):
    """Runs jobs here, up to a number of them, and counts them.

    Args:
        ends_after: jobs after which the command is interrupted.
    """

    def __init__(self, ends_after: int = 1000) -> None:
        super().__init__()
        object.__setattr__(self, "left", ends_after)
        object.__setattr__(self, "done", [])

    left: int
    done: list[int]

    def actors_of(  # type: ignore[override]
        self, opener: Callable[[], Callable[[Any], object]], jobs: Iterable[Any], **more: Any
    ) -> Iterator[int]:
        function = opener()
        for number, job in enumerate(jobs):
            if len(self.done) == self.left:
                raise KeyboardInterrupt
            function(job)
            self.done.append(len(job.clips))
            yield number
