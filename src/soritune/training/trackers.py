"""The trackers of a run: a failing tracker is reported once and left out, and the training continues."""

from __future__ import annotations

import contextlib
import json
import logging
import secrets
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from soritune.errors import OutputError
from soritune.run_folder import RunFolder, crossval_of
from soritune.strict_json import parse_json, read_json
from soritune.training.tracking.tracker import TrackedRun, Tracker
from soritune.whole_file import write_text

logger = logging.getLogger(__name__)


class Trackers:
    """Calls the trackers of a run, in the process that writes its log.

    Args:
        trackers: not yet started.
        folder: of the run.
        config: the recipe with all its settings.
        step: of the checkpoint that the run is resumed from; None for a run that begins.
        sent: the last step of each kind of event in the log before it was cut to that checkpoint.
        report: gets the lines that are shown to the user.
    """

    def __init__(
        self,
        trackers: Sequence[Tracker],
        folder: Path,
        *,
        config: Mapping[str, Any],
        step: int | None,
        sent: Mapping[str, int],
        report: Callable[[str], None],
    ) -> None:
        self._report = report
        self._active = list(trackers)
        if not trackers:
            return
        try:
            run_id, known = _identity(RunFolder(folder), [tracker.name for tracker in trackers], step)
        except OutputError as error:
            self._active = []
            report(f"warning: the run is not tracked: {error}")
            return
        name, group = _name_and_group(folder)
        for tracker in trackers:
            run = TrackedRun(
                folder=folder,
                id=run_id,
                name=name,
                group=group,
                config=config,
                step=step,
                sent=sent if tracker.name in known else {},
            )
            place = self._call(tracker, partial(tracker.start, run))
            if place:
                report(place)

    def log(self, event: str, numbers: Mapping[str, float], step: int) -> None:
        """Sends the numbers of an event to every tracker."""
        for tracker in list(self._active):
            self._call(tracker, partial(tracker.log, event, numbers, step))

    def finish(self, *, failed: bool) -> None:
        """Ends the run of every tracker."""
        for tracker in list(self._active):
            self._call(tracker, partial(tracker.finish, failed=failed))
        self._active = []

    def _call(self, tracker: Tracker, call: Callable[[], Any]) -> Any:
        """The result of a call; None after a failure, which drops the tracker."""
        try:
            # Results are on standard output; what the libraries print does not belong there.
            with contextlib.redirect_stdout(sys.stderr):
                return call()
        except Exception as error:  # another package's code may raise any error
            logger.debug("traceback", exc_info=True)
            self._active.remove(tracker)
            reason = " ".join(str(error).split())[:300] or type(error).__name__
            with contextlib.suppress(OutputError):
                self._report(
                    f"warning: the tracker '{tracker.name}' failed ({reason}); the training continues without it"
                )
            return None


def last_steps(path: Path) -> dict[str, int]:
    """The last step of each kind of event in a run's log; empty without a log, or if it cannot be read."""
    steps: dict[str, int] = {}
    try:
        with path.open(encoding="utf-8") as lines:
            for line in lines:
                if line.endswith("\n"):
                    record = parse_json(line)
                    steps[str(record["event"])] = int(record.get("step", -1))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        logger.debug("%s cannot be read; events may be sent to trackers again", path, exc_info=True)
    return steps


def _identity(folder: RunFolder, names: Sequence[str], step: int | None) -> tuple[str, set[str]]:
    """The id of a run, and the trackers that were on when it was last trained; both are kept in its folder.

    Raises:
        OutputError: the file cannot be written.
    """
    stored: dict[str, Any] = {}
    if step is not None:
        with contextlib.suppress(OSError, ValueError):
            content = read_json(folder.tracking)
            stored = content if isinstance(content, dict) else {}
    run_id, known = stored.get("id"), stored.get("trackers")
    if not (isinstance(run_id, str) and run_id.isalnum() and isinstance(known, list)):
        run_id, known = secrets.token_hex(4), []
    write_text(folder.tracking, json.dumps({"id": run_id, "trackers": list(names)}) + "\n")
    return run_id, set(map(str, known))


def _name_and_group(folder: Path) -> tuple[str, str | None]:
    """The name of a run and of the cross-validation that it is a fold of."""
    folder = folder.resolve()
    parent = crossval_of(folder)
    return (folder.name, None) if parent is None else (f"{parent.name}-{folder.name}", parent.name)
