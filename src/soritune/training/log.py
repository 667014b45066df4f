"""The log of a run: JSON lines, a text log to follow with `tail -f`, its trackers, a progress bar."""

from __future__ import annotations

import contextlib
import json
import logging
import math
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from soritune import processes
from soritune.errors import OutputError, reason_of
from soritune.inside_folder import path_inside
from soritune.progress import SILENT, Bar, Console
from soritune.run_folder import RunFolder
from soritune.strict_json import parse_json
from soritune.terminal_text import visible
from soritune.training.trackers import Trackers, last_steps
from soritune.training.tracking.tracker import Tracker

logger = logging.getLogger(__name__)


class RunLog:
    """Writes the events of a run into its folder.

    Args:
        folder: the run's folder.
        keep: lengths to cut the run's files to first, so that a resumed run continues there, by the names of
            `RunFolder.growing_files`; None empties the logs.
        step: steps so far.
        trackers: what is sent the numbers too.
        config: the recipe with all its settings, for the trackers.
        console: where the bar and the main lines are shown; nothing is shown by default.
    """

    def __init__(
        self,
        folder: Path,
        *,
        keep: Mapping[str, int] | None = None,
        step: int = 0,
        trackers: Sequence[Tracker] = (),
        config: Mapping[str, Any] | None = None,
        console: Console = SILENT,
    ) -> None:
        is_writer = processes.is_main()  # of several processes only one writes
        sent: dict[str, int] = {}
        self.folder = RunFolder(folder)
        self.console = console
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if is_writer:
                for name in self.folder.growing_files:
                    path_inside(folder, name)  # a link would lead the log into another file
                sent = last_steps(self.folder.events) if trackers and keep is not None else {}
                self._cut(keep)
            events, text = (
                (self.folder.events, self.folder.text_log) if is_writer else (Path(os.devnull),) * 2
            )
            self._json = events.open("a", encoding="utf-8", errors="backslashreplace")
            self._text = text.open("a", encoding="utf-8")
        except OSError as error:
            raise OutputError(
                f"{folder} cannot be written to ({reason_of(error)})", "choose another --output"
            ) from error
        self._open_bar = contextlib.ExitStack()
        self._bar: Bar | None = None
        self._trackers = Trackers(
            trackers if is_writer else (),
            folder,
            config=config or {},
            step=None if keep is None else step,
            sent=sent,
            report=self.message,
        )

    def _cut(self, keep: Mapping[str, int] | None) -> None:
        """Empties the logs, or cuts all growing files to the length they had at the checkpoint."""
        if keep is None:
            for path in (self.folder.events, self.folder.text_log):
                path.write_bytes(b"")
        for name, length in (keep or {}).items():
            path = self.folder.growing_files[name]
            if path.exists() and length:
                os.truncate(path, min(length, path.stat().st_size))
            else:
                path.unlink(missing_ok=True)

    def __enter__(self) -> RunLog:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open_bar.close()
        if error is not None:
            with contextlib.suppress(OutputError):
                self.message(f"stopped: {error or type(error).__name__}")
        self._trackers.finish(failed=error is not None)
        for file in (self._json, self._text):
            with contextlib.suppress(OSError):
                file.close()

    def lengths(self) -> dict[str, int]:
        """Lengths of the run's growing files once they are on the disk; a checkpoint keeps them."""
        for file in (self._json, self._text):
            file.flush()
            if file.name != os.devnull:
                os.fsync(file.fileno())
        growing = self.folder.growing_files
        return {name: path.stat().st_size if path.exists() else 0 for name, path in growing.items()}

    def event(self, event: str, **values: Any) -> None:
        """One JSON line, one text line, and the numbers to the trackers; nothing on the terminal."""
        record = {"event": event, "time": round(time.time(), 3), **values}
        self._write(self._json, json.dumps(record, ensure_ascii=False, default=float) + "\n")
        numbers = {k: v for k, v in values.items() if isinstance(v, int | float) and not isinstance(v, bool)}
        shown = " ".join(f"{key}={_short(value)}" for key, value in numbers.items())
        self.message(f"{event} {shown}", to_terminal=False)
        if "step" in values:
            self._trackers.log(event, {k: v for k, v in numbers.items() if k != "step"}, values["step"])

    def message(self, text: str, *, to_terminal: bool = True) -> None:
        """A line for people."""
        self._write(self._text, f"{time.strftime('%Y-%m-%d %H:%M:%S')} {visible(text)}\n")
        logger.info(text)
        if to_terminal:
            self.console.message(text)

    def to_terminal(self, text: str) -> None:
        """A line on the terminal alone, about an event whose numbers are in the log."""
        self.console.message(text)

    def _write(self, file: IO[str], line: str) -> None:
        try:
            file.write(line)
            file.flush()
        except OSError as error:
            raise OutputError(
                f"{file.name} cannot be written ({reason_of(error)})",
                "what was saved so far is whole: make room and continue with --resume",
            ) from error

    def show_progress(self, step: int, total: int, state: str) -> None:
        """Moves the bar; every step is a line of the debug log."""
        logger.debug("step %d of %d: %s", step, total, state)
        if self._bar is None:
            self._bar = self._open_bar.enter_context(self.console.bar("train", total, transient=False))
        self._bar.update(step, total, state)


def note(folder: Path, text: str) -> None:
    """Adds a line to the text log of a run whose training has ended."""
    path = RunFolder(folder).text_log
    logger.info(text)
    try:
        with path.open("a", encoding="utf-8") as stream:
            stream.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {text}\n")
    except OSError as error:
        raise OutputError(f"{path} cannot be written to ({reason_of(error)})") from error


class Meter:
    """Speed of the run: a moving average over about the last 20 steps."""

    def __init__(self) -> None:
        self.audio_s_per_s = self.wait_share = self.steps_per_s = 0.0
        self._audio = self._wait = self._time = self._steps = 0.0

    def add(self, audio_s: float, waited_s: float, took_s: float) -> None:
        """Adds a step: seconds of audio, seconds spent waiting for data, seconds in all."""
        keep = 0.95
        self._audio = keep * self._audio + audio_s
        self._wait = keep * self._wait + waited_s
        self._time = keep * self._time + took_s
        self._steps = keep * self._steps + 1
        self.audio_s_per_s = self._audio / self._time
        self.wait_share = self._wait / self._time
        self.steps_per_s = self._steps / self._time


def read_events(folder: Path) -> list[dict[str, Any]]:
    """All events of a run, in order; an unfinished last line is ignored."""
    path = RunFolder(folder).events
    if not path.exists():
        return []
    lines = path.read_text(encoding="utf-8").split("\n")
    return [parse_json(line) for line in lines[:-1] if line]


def _short(value: float) -> str:
    if isinstance(value, int) or not math.isfinite(value):
        return str(value)
    return f"{value:.4g}"
