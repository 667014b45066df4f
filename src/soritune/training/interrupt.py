"""Stopping a run so that it can be resumed."""

from __future__ import annotations

import signal
from types import FrameType
from typing import Any


class Interrupt:
    """Ctrl-C and SIGTERM request a stop after the step in progress; a second Ctrl-C stops at once.

    SIGTERM may come repeatedly: torchrun and Kubernetes send it to every process that has not exited yet.

    Attributes:
        requested: a stop is requested.
    """

    def __enter__(self) -> Interrupt:
        self.requested = False
        self._by_hand = False
        self._handlers_before: dict[signal.Signals, Any] = {}
        try:
            for number in (signal.SIGINT, signal.SIGTERM):
                self._handlers_before[number] = signal.signal(number, self._request)
        except ValueError:
            pass  # not the main thread: the caller handles signals
        return self

    def _request(self, number: int, frame: FrameType | None) -> None:
        self.requested = True
        if number == signal.SIGINT:
            if self._by_hand:
                raise KeyboardInterrupt
            self._by_hand = True

    def __exit__(self, *_: object) -> None:
        for number, handler in self._handlers_before.items():
            signal.signal(number, handler)
