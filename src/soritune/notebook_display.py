"""Progress and messages in a notebook: one display that shows the work under way, and lines below its cell."""

from __future__ import annotations

import sys
import time
import warnings
from html import escape
from importlib import import_module
from typing import Any

LEAST_S = 0.2
"""Between two changes of the display."""


def is_notebook() -> bool:
    """Whether this process is the kernel of a notebook. IPython is not imported for it."""
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    return shell is not None and type(shell).__name__ == "ZMQInteractiveShell"


class NotebookDisplay:
    """One display of a cell: bars follow each other in it, and it is empty when nothing is under way."""

    def __init__(self) -> None:
        # Libraries whose bars are not shown ask for ipywidgets.
        warnings.filterwarnings("ignore", message="IProgress not found")
        self._handle: Any = None
        self._changed = -LEAST_S

    def show(self, label: str, done: float, total: float | None, state: str = "") -> None:
        """Shows a bar; changes that follow too fast are left out.

        Args:
            label: before the bar.
            done: finished items.
            total: of items; None or a number that is not finite shows no share.
            state: a short text after the bar.
        """
        now = time.monotonic()
        if self._handle is not None and now - self._changed < LEAST_S and done != total:
            return
        self._changed = now
        self._put(_bar(label, done, total, state))

    def clear(self) -> None:
        """Empties the display."""
        if self._handle is not None:
            self._changed = -LEAST_S
            self._put("")

    def _put(self, html: str) -> None:
        ipython = import_module("IPython.display")
        content = ipython.HTML(html)
        if self._handle is None:
            self._handle = ipython.display(content, display_id=True)
        else:
            self._handle.update(content)


class NotebookBar:
    """One bar in a display, with the methods of `rich.progress.Progress` that `progress.Bar` calls."""

    def __init__(self, display: NotebookDisplay, label: str, total: float | None) -> None:
        self._display, self._label, self._total = display, label, total
        self._done = 0.0
        display.show(label, 0, total)

    def advance(self, task: int, count: float = 1) -> None:
        """Adds `count` finished items."""
        self.update(task, completed=self._done + count)

    def update(self, task: int, *, completed: float, total: float | None = None, state: str = "") -> None:
        """Sets the number of finished items, their total, and a short text beside the bar."""
        self._done, self._total = completed, self._total if total is None else total
        self._display.show(self._label, completed, self._total, state)


def _bar(label: str, done: float, total: float | None, state: str) -> str:
    known = total is not None and 0 < total < float("inf")
    value = f' value="{min(max(done, 0), total):g}" max="{total:g}"' if known and total is not None else ""
    count = f" {done:g} / {total:g}" if known else f" {done:g}" if done else ""
    return f"<div><b>{escape(label)}</b> <progress{value}></progress>{count} {escape(state)}</div>"
