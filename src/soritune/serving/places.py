"""Places for requests or streams: so many at once, and so many of one client. Used by `gate.py` and `stream.py`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from soritune.serving.faults import busy


class Places:
    """Counts what is in progress.

    Args:
        what: of which there are places, in the plural.
        most: of all clients together.
        most_per_client: of one client; None has no such limit.
    """

    def __init__(self, what: str, most: int, most_per_client: int | None = None) -> None:
        self.what, self.most, self.most_per_client = what, most, most_per_client
        self._taken: Counter[str] = Counter()

    @contextmanager
    def taken(self, client: str) -> Iterator[None]:
        """A place of a client, inside this context.

        Raises:
            RequestError: 429, the client has too many; 503, the server has.
        """
        if self.most_per_client is not None and self._taken[client] >= self.most_per_client:
            raise busy(
                f"this client already has {self.most_per_client} {self.what} in progress; wait for one of them",
                "too-many-requests",
                429,
            )
        if self._taken.total() >= self.most:
            raise busy(f"the server is at its limit of {self.what}; try again", "busy")
        self._taken[client] += 1
        try:
            yield
        finally:
            self._taken[client] -= 1
            if not self._taken[client]:
                del self._taken[client]
