"""Stopping a run so that it can be resumed."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from types import FrameType
from typing import Any


class Interrupt:
    """Ctrl-C and SIGTERM request a stop after the step in progress; a second Ctrl-C stops at once.

    SIGTERM may come repeatedly: torchrun and Kubernetes send it to every process that has not exited yet.

    Args:
        report: called at once with a line for people when the first request comes, inside the signal's handler.

    Attributes:
        requested: a stop is requested.
    """

    def __init__(self, report: Callable[[str], None] | None = None) -> None:
        self.requested = False
        self._report_line = report

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
        is_first, self.requested = not self.requested, True
        if number == signal.SIGINT:
            if self._by_hand:
                raise KeyboardInterrupt
            self._by_hand = True
        if is_first:
            self._report(signal.Signals(number))

    def _report(self, number: signal.Signals) -> None:
        if self._report_line is None:
            return
        again = "; Ctrl-C again stops at once, without saving" if number == signal.SIGINT else ""
        line = f"{number.name}: the run stops after the step or evaluation in progress and saves it{again}"
        try:
            self._report_line(line)
        except RuntimeError:  # the signal came while the same stream was being written to
            os.write(2, f"{line}\n".encode())

    def __exit__(self, *_: object) -> None:
        for number, handler in self._handlers_before.items():
            signal.signal(number, handler)
