"""Messages and progress bars of long work. The command line makes one `Console`; library code prints through it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from threading import Event, Thread

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

    def advance(self, count: float = 1) -> None:
        """Adds `count` finished items; a part of one for long ones."""
        self._progress.advance(self._task, count)

    def update(self, done: float, total: float | None = None, state: str = "") -> None:
        """Sets the number of finished items, their total, and a short text beside the bar."""
        self._progress.update(self._task, completed=done, total=total, state=state)


class _Lines:
    """Shows the state of a bar as a line from time to time, where bars are not shown."""

    def __init__(self, show: Callable[[], None], every_s: float) -> None:
        self._show, self._every_s = show, every_s
        self._ended = Event()
        # A daemon: it must never keep the program from ending.
        self._thread = Thread(target=self._watch, name="soritune-progress", daemon=True)

    def _watch(self) -> None:
        while not self._ended.wait(self._every_s):
            self._show()

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *failure: object) -> None:
        self._ended.set()
        self._thread.join()


class Console:
    """Shows messages and progress bars on standard error.

    Of several processes only the first shows them. Bars are shown on a terminal, and in a notebook, where all bars
    share one display and messages are lines of the cell's output. Elsewhere a line states which stage has begun.

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
        every_s: float | None = None,
    ) -> Iterator[Bar]:
        """A progress bar for the duration of a `with` block.

        Args:
            label: shown before the bar.
            total: number of items; None if it is not known yet.
            transient: whether the bar disappears at the end.
            counted: show the number of finished items; False if `state` shows the amount in another unit.
            every_s: where bars are not shown, show a line such as `12/24` after each time of this length, in seconds;
                None shows none.
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
            number = progress.add_task(label, total=total, state="")

            def show() -> None:
                task = progress.tasks[0]
                of = "" if task.total is None else f"/{task.total:.0f}"
                self.message(f"{label} {task.completed:.0f}{of} {task.fields['state']}".rstrip(), style="dim")

            lines = _Lines(show, every_s) if disable and every_s and not self.quiet else nullcontext()
            with lines:
                yield Bar(progress, number)


SILENT = Console(quiet=True)
"""Shows nothing: the default of library functions."""
