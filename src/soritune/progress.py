"""Messages and progress bars of long work. The command line makes one `Console`; library code prints through it."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from soritune import processes
from soritune.notebook_display import NotebookBar, NotebookDisplay, is_notebook
from soritune.terminal_text import SafeConsole

LINE_EVERY_S = 30.0
"""Between two lines of `ProgressLines`."""
_STAGES = {
    "prepare": "reading the corpus",
    "check": "checking the recordings",
    "encode": "computing the states of the encoder",
    "train": "training",
    "predict": "predicting",
}
"""Labels of bars that stand for a stage of long work, and the line that replaces the bar where it is not shown."""


@dataclass
class Bar:
    """A progress bar while it is shown."""

    _progress: Progress | NotebookBar
    _task: TaskID
    _lines: ProgressLines | None = None

    def advance(self, count: float = 1) -> None:
        """Adds `count` finished items; a part of one for long ones."""
        self._progress.advance(self._task, count)
        if self._lines is not None:
            self._lines.add(count)

    def update(self, done: float, total: float | None = None, state: str = "") -> None:
        """Sets the number of finished items, their total, and a short text beside the bar."""
        self._progress.update(self._task, completed=done, total=total, state=state)
        if self._lines is not None:
            self._lines.reach(done)


class ProgressLines:
    """How much is done as lines, where a bar is not shown: at most one in `LINE_EVERY_S`.

    Args:
        show: takes a line.
        total: number of items.
        clock: seconds from any moment.
    """

    def __init__(
        self, show: Callable[[str], None], total: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._show, self._total, self._clock = show, total, clock
        self._done, self._started = 0.0, clock()
        self._shown = self._started

    def add(self, count: float) -> None:
        """Adds finished items, or parts of them."""
        self.reach(self._done + count)

    def reach(self, done: float) -> None:
        """Sets the number of finished items."""
        self._done = done
        now = self._clock()
        if now - self._shown >= LINE_EVERY_S:
            self._shown = now
            minutes, seconds = divmod(int(now - self._started), 60)
            # Parts of items are sums of shares, which may be a little below a whole number.
            whole, share = int(self._done + 1e-6), self._done / max(self._total, 1e-9)
            self._show(
                f"{whole:,} of {self._total:,.0f} done ({share:.0%}) after {minutes}:{seconds:02d} min"
            )


class Console:
    """Shows messages and progress bars on standard error.

    Of several processes only the first shows them. Bars are shown on a terminal, and in a notebook, where all bars
    share one display and messages are lines of the cell's output. Elsewhere a line states which stage has begun, and
    where `lines` is requested, more lines how much of it is done.

    Args:
        quiet: show nothing.
    """

    def __init__(self, *, quiet: bool = False) -> None:
        self.quiet = quiet or not processes.is_main()
        self._notebook = NotebookDisplay() if is_notebook() and not self.quiet else None
        in_cell = self._notebook is not None
        self._rich = SafeConsole(stderr=not in_cell, quiet=self.quiet)

    def message(self, text: str, *, style: str | None = None) -> None:
        """Shows a line exactly as given: without markup, highlighting or wrapping."""
        self._rich.print(text, style=style, markup=False, highlight=False, soft_wrap=True)

    def warning(self, text: str) -> None:
        """Shows a line in yellow."""
        self.message(text, style="yellow")

    def heading(self, text: str) -> None:
        """Shows a line across the terminal with a title."""
        self._rich.rule(text)

    @contextmanager
    def bar(
        self,
        label: str,
        total: float | None = None,
        *,
        transient: bool = True,
        counted: bool = True,
        lines: bool = False,
    ) -> Iterator[Bar]:
        """A progress bar for the duration of a `with` block.

        Args:
            label: shown before the bar.
            total: number of items; None if it is not known yet.
            transient: whether the bar disappears at the end.
            counted: show the number of finished items; False if `state` shows the amount in another unit.
            lines: show the number of finished items from time to time where the bar is not shown.
        """
        if self._notebook is not None:
            yield Bar(NotebookBar(self._notebook, label, total), TaskID(0))
            self._notebook.clear()
            return
        columns: list[ProgressColumn] = [TextColumn("[bold]{task.description}"), BarColumn()]
        if counted:
            columns.append(MofNCompleteColumn())
        columns += [TextColumn("{task.fields[state]}"), TimeElapsedColumn(), TimeRemainingColumn()]
        disable = self.quiet or not self._rich.is_terminal
        if disable and label in _STAGES:
            self.message(f"{_STAGES[label]} …", style="dim")
        # What a command prints meanwhile stays on standard output unless both are the same terminal.
        with Progress(
            *columns,
            console=self._rich,
            disable=disable,
            transient=transient,
            redirect_stdout=sys.stdout.isatty(),
        ) as progress:
            shows_lines = lines and disable and not self.quiet and total is not None
            yield Bar(
                progress,
                progress.add_task(label, total=total, state=""),
                ProgressLines(partial(self.message, style="dim"), total or 0.0) if shows_lines else None,
            )


SILENT = Console(quiet=True)
"""Shows nothing: the default of library functions."""
