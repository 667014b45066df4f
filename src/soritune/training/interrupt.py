"""Stopping a run so that it can go on."""

from __future__ import annotations

import signal
from types import FrameType
from typing import Any


class Interrupt:
    """Ctrl-C and SIGTERM ask for a stop after the step in progress; a second Ctrl-C stops at once.

    SIGTERM may come again and again: torchrun and Kubernetes send it to whoever has not left yet.
    """

    def __enter__(self) -> Interrupt:
        self.asked = False
        self._by_hand = False
        self._before: dict[signal.Signals, Any] = {}
        try:
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._ask)
        except ValueError:
            pass  # not the main thread: whoever runs us there handles signals
        return self

    def _ask(self, number: int, frame: FrameType | None) -> None:
        self.asked = True
        if number == signal.SIGINT:
            if self._by_hand:
                raise KeyboardInterrupt
            self._by_hand = True

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
