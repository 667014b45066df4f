"""What a run says while it runs: JSON lines, a text log to follow with `tail -f`, TensorBoard, a progress bar."""

from __future__ import annotations

import json
import logging
import math
import os
import time
from pathlib import Path
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from soritune.errors import OutputError, TrainingError

logger = logging.getLogger(__name__)

JSON_LOG = "train.jsonl"
TEXT_LOG = "train.log"


class RunLog:
    """Writes the events of a run into its folder.

    Args:
        folder: the run's folder.
        keep_bytes: length to cut the JSON log to first, so that a resumed run goes on there; None starts anew.
        tensorboard: write event files too.
        quiet: no progress bar and nothing on the terminal.
    """

    def __init__(
        self, folder: Path, *, keep_bytes: int | None = None, tensorboard: bool = False, quiet: bool = False
    ) -> None:
        # Of several processes only the first writes; torchrun and accelerate say which one this is.
        first = int(os.environ.get("RANK", "0")) == 0
        quiet = quiet or not first
        self.console = Console(stderr=True, quiet=quiet)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            path, text = (folder / JSON_LOG, folder / TEXT_LOG) if first else (Path(os.devnull),) * 2
            if keep_bytes is not None and first and path.exists():
                os.truncate(path, min(keep_bytes, path.stat().st_size))
            elif first:
                path.write_bytes(b"")
            self._json = path.open("a", encoding="utf-8")
            self._text = text.open("w" if keep_bytes is None else "a", encoding="utf-8")
        except OSError as error:
            raise OutputError(
                f"{folder} cannot be written to ({error.strerror}); choose another --output"
            ) from error
        self._board = _open_tensorboard(folder) if tensorboard and first else None
        self._progress = Progress(
            TextColumn("[bold]{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[state]}"),
            TimeRemainingColumn(),
            console=self.console,
            disable=quiet or not self.console.is_terminal,
        )
        self._bar: TaskID | None = None

    def __enter__(self) -> RunLog:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()
        if error is not None:
            self.say(f"stopped: {error or type(error).__name__}")
        self._json.close()
        self._text.close()
        if self._board is not None:
            self._board.close()

    @property
    def num_bytes(self) -> int:
        """Length of the JSON log so far; a checkpoint keeps it."""
        self._json.flush()
        return self._json.tell()

    def event(self, event: str, **values: Any) -> None:
        """One JSON line, one text line, and the numbers to TensorBoard under their own names."""
        record = {"event": event, "time": round(time.time(), 3), **values}
        self._json.write(json.dumps(record, ensure_ascii=False, default=float) + "\n")
        self._json.flush()
        numbers = {k: v for k, v in values.items() if isinstance(v, int | float) and not isinstance(v, bool)}
        shown = " ".join(f"{key}={_short(value)}" for key, value in numbers.items())
        self.say(f"{event} {shown}", to_terminal=event in ("evaluate", "end"))
        if self._board is not None and "step" in values:
            for key, value in numbers.items():
                if key != "step":
                    self._board.add_scalar(key, value, values["step"])

    def say(self, text: str, *, to_terminal: bool = True) -> None:
        """A line for people."""
        self._text.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {text}\n")
        self._text.flush()
        logger.info(text)
        if to_terminal:
            self._progress.console.print(text, highlight=False, markup=False, soft_wrap=True)

    def progress(self, step: int, total: int, state: str) -> None:
        """Moves the bar; every step is a line of the debug log."""
        logger.debug("step %d of %d: %s", step, total, state)
        if self._bar is None:
            self._bar = self._progress.add_task("train", total=total, state=state)
        self._progress.update(self._bar, completed=step, total=total, state=state)


def note(folder: Path, text: str) -> None:
    """Adds a line to the text log of a run that has ended: what came after the training."""
    logger.info(text)
    try:
        with (folder / TEXT_LOG).open("a", encoding="utf-8") as stream:
            stream.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {text}\n")
    except OSError as error:
        raise OutputError(f"{folder / TEXT_LOG} cannot be written to ({error.strerror})") from error


class Meter:
    """Speed of the run: a moving average over about the last 20 steps."""

    def __init__(self) -> None:
        self.audio_s_per_s = self.wait_share = self.steps_per_s = 0.0
        self._audio = self._wait = self._time = self._steps = 0.0

    def add(self, audio_s: float, waited_s: float, took_s: float) -> None:
        """One step: seconds of audio, seconds spent waiting for data, seconds in all."""
        keep = 0.95
        self._audio = keep * self._audio + audio_s
        self._wait = keep * self._wait + waited_s
        self._time = keep * self._time + took_s
        self._steps = keep * self._steps + 1
        self.audio_s_per_s = self._audio / self._time
        self.wait_share = self._wait / self._time
        self.steps_per_s = self._steps / self._time


def read_events(folder: Path) -> list[dict[str, Any]]:
    """All events of a run, in order; an unfinished last line is left out."""
    path = folder / JSON_LOG
    if not path.exists():
        return []
    lines = path.read_text(encoding="utf-8").split("\n")
    return [json.loads(line) for line in lines[:-1] if line]


def _short(value: float) -> str:
    if isinstance(value, int) or not math.isfinite(value):
        return str(value)
    return f"{value:.4g}"


def _open_tensorboard(folder: Path) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise TrainingError(
            "train.tensorboard=true needs the extra 'track'; install soritune[track] or set train.tensorboard=false"
        ) from None
    return SummaryWriter(str(folder / "tensorboard"))
