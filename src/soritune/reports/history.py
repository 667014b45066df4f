"""The history of a training, from its events: which rates to draw, and the drawing as a file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from soritune.errors import ManifestError
from soritune.reports.figure_files import Palette, Picture
from soritune.reports.figures import draw_history
from soritune.run_folder import RunFolder
from soritune.strict_json import parse_json

DRAWN = ("ua", "wa", "macro_f1", "per")
"""Rates that a history shows if they were measured: accuracies, F1 and error rates."""


def plot_history(run: Path | str, path: Path | str) -> Path:
    """Draws losses of training and validation, the validation rates (accuracy and F1 for emotion) and the learning
    rate over the steps of a run.

    Args:
        run: a run folder, or its file of events.
        path: a .svg or .png file.

    Returns:
        The figure's path.

    Raises:
        ManifestError: the run has no events that could be drawn.
        OutputError: as `save_figure`.
    """
    return show_history(run).save(path)


def show_history(run: Path | str) -> Picture:
    """The same as `plot_history`, for a notebook, which shows the result of a cell.

    Raises:
        ManifestError: the run has no events that could be drawn.
    """
    log = RunFolder(Path(run)).events if Path(run).is_dir() else Path(run)
    if not log.is_file():
        raise ManifestError("does not exist; give a run folder, in which training wrote it", path=log)
    events = read_events(log)
    draw = partial(draw_history, events, history_rates(events))
    if draw(Palette(*["#000000"] * 6)) is None:
        raise ManifestError("has no step and no evaluation yet, so there is nothing to draw", path=log)
    return Picture(draw, f"the training in {run}")  # type: ignore[arg-type]


def history_rates(events: Sequence[Mapping[str, Any]], first: Sequence[str] = ()) -> list[str]:
    """Which validation rates to draw, as `<task>/<rate>`: those in `first`, then `DRAWN` of every task; of a task
    without any of these, its first rate."""
    measured = dict.fromkeys(
        key.removeprefix("val/")
        for event in events
        if event.get("event") == "evaluate"
        for key in event
        if key.startswith("val/") and key.count("/") == 2 and not key.startswith("val/loss/")
    )
    chosen = dict.fromkeys(first)
    for task in dict.fromkeys(name.partition("/")[0] for name in measured):
        rates = [name for name in measured if name.partition("/")[0] == task]
        usual = [f"{task}/{rate}" for rate in DRAWN if f"{task}/{rate}" in measured]
        is_chosen = any(name in rates for name in chosen)
        chosen |= dict.fromkeys(usual or ([] if is_chosen else rates[:1]))
    return list(chosen)


def read_events(path: Path) -> list[dict[str, Any]]:
    """Training events, one JSON object per line; [] if the file does not exist. An unfinished last line is left out."""
    if not path.is_file():
        return []
    events = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            event = parse_json(line)
        except ValueError:
            continue
        if isinstance(event, dict):
            events.append(event)
    return events
