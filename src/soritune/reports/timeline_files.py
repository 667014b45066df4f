"""Labels over time as a file: a line per window in CSV, windows and segments in JSON, or a page with bars in HTML.

Rows are written as they are predicted. CSV begins with a byte order mark, because Excel reads Hangul only with one.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from markupsafe import Markup

from soritune.errors import OutputError, TaskError
from soritune.inference.json_values import without_nan
from soritune.inference.segments import DIGITS, label_seconds, windows_of
from soritune.reports.templates import page_environment, resource
from soritune.reports.timeline import (
    Track,
    by_recording,
    clock,
    label_colours,
    recording_name,
    segments_table,
    shares_table,
    timeline_lines,
)
from soritune.tasks.task import Task
from soritune.terminal_text import counted
from soritune.whole_file import whole_file

SUFFIXES = (".csv", ".json", ".html")
RECORDINGS_SHOWN = 100
"""Recordings on a page; a page with thousands of strips cannot be read."""
FIELDS = ("file", "channel", "start_s", "end_s", "label", "confidence", "uncertain", "no_speech")
"""Columns of the CSV file, before those of the probabilities."""
Row = Mapping[str, Any]
AddRow = Callable[[Row], None]


def check_timeline(path: Path) -> None:
    """Refuses a path whose suffix is not that of a format.

    Raises:
        OutputError: of another suffix.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise OutputError(
            f"{path}: a timeline is written as {', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}; give one of these suffixes"
        )


def labelling_tasks(tasks: Iterable[Task]) -> list[Task]:
    """The tasks whose labels a timeline shows.

    Raises:
        TaskError: no task gives one label.
    """
    every = list(tasks)
    labelling = [task for task in every if task.single_label]
    if not labelling:
        names = ", ".join(task.name for task in every)
        raise TaskError(f"there is no timeline: no task of the model gives one label ({names})")
    return labelling


@contextmanager
def timeline_file(path: Path, tasks: Sequence[Task]) -> Iterator[AddRow]:
    """A function that adds a predicted row to the file, which is written whole or not at all.

    Args:
        path: its suffix chooses the format.
        tasks: of the predictions; those with one label are shown.

    Raises:
        OutputError: another suffix, or the path cannot be written to.
        TaskError: no task gives one label.
    """
    check_timeline(path)
    labels = {task.name: task.outputs[0].labels for task in labelling_tasks(tasks)}
    kind = path.suffix.lower()
    write = {".csv": _csv, ".json": _json, ".html": _html}[kind]
    encoding = "utf-8-sig" if kind == ".csv" else "utf-8"
    with (
        whole_file(path) as part,
        part.open("w", encoding=encoding, errors="backslashreplace", newline="") as stream,
        write(stream, labels) as add,
    ):
        yield add


@contextmanager
def _csv(stream: TextIO, labels: Mapping[str, Sequence[str]]) -> Iterator[AddRow]:
    """A line per window and task."""
    several = len(labels) > 1
    every_label = list(dict.fromkeys(label for names in labels.values() for label in names))
    probabilities = [f"p_{label}" for label in every_label]
    columns = [*FIELDS[:2], *(["task"] if several else []), *FIELDS[2:], *probabilities]
    writer = csv.DictWriter(stream, columns)
    writer.writeheader()

    def add(row: Row) -> None:
        for task in labels:
            for window in _timed_windows(row, task):
                shares = window.pop("probabilities") or {}
                line = window | {f"p_{label}": share for label, share in shares.items()}
                line |= {name: "true" if line[name] else "false" for name in ("uncertain", "no_speech")}
                writer.writerow({**line, **({"task": task} if several else {})})

    yield add


@contextmanager
def _json(stream: TextIO, labels: Mapping[str, Sequence[str]]) -> Iterator[AddRow]:
    """One object, with a line per clip and task."""
    head = json.dumps({name: list(names) for name, names in labels.items()}, ensure_ascii=False)
    stream.write(f'{{"labels": {head}, "clips": [')
    separator = "\n"

    def add(row: Row) -> None:
        nonlocal separator
        for task in labels:
            windows = _timed_windows(row, task)
            if not windows:
                continue
            track = Track.of(row, task)
            seconds = label_seconds(track.segments)
            clip = {
                "id": track.id,
                "file": track.audio,
                "channel": track.channel_name,
                "task": task,
                "duration_s": track.duration_s,
                "segments": [
                    {**segment, **_file_times(segment, track.start_s)} for segment in track.segments
                ],
                "seconds": {label: round(value, 3) for label, value in seconds.items() if label is not None},
                "uncertain_s": round(seconds.get(None, 0.0), 3),
                "windows": [
                    {name: value for name, value in window.items() if name not in ("file", "channel")}
                    for window in windows
                ],
            }
            stream.write(separator + json.dumps(without_nan(clip), ensure_ascii=False))
            separator = ",\n"

    yield add
    stream.write("\n]}\n")


@contextmanager
def _html(stream: TextIO, labels: Mapping[str, Sequence[str]]) -> Iterator[AddRow]:
    """A page with bars."""
    tracks: dict[str, list[Track]] = {task: [] for task in labels}

    def add(row: Row) -> None:
        for task, kept in tracks.items():
            if task in row.get("tasks", {}):
                kept.append(Track.of(row, task))

    yield add
    stream.write(render_timelines(tracks, labels))


def render_timelines(tracks: Mapping[str, Sequence[Track]], labels: Mapping[str, Sequence[str]]) -> str:
    """The page as text.

    Args:
        tracks: task to its tracks; the channels of a recording follow each other.
        labels: task to its labels.
    """
    parts = []
    total = 0
    for task, kept in tracks.items():
        colours = label_colours(labels[task])
        recordings = by_recording(kept)
        total = max(total, len(recordings))
        parts.append(
            {
                "name": task,
                "colours": colours,
                "recordings": [
                    {
                        "name": f"{recording_name(group)} ({clock(max(track.duration_s for track in group))})",
                        "lines": timeline_lines(group, colours),
                        "shares": shares_table(group, labels[task]),
                        "segments": segments_table(group),
                    }
                    for group in recordings[:RECORDINGS_SHOWN]
                ],
            }
        )
    hidden = total - RECORDINGS_SHOWN
    return (
        page_environment()
        .get_template("timeline_page.html.j2")
        .render(
            title="Labels over time",
            lead=counted(total, "recording")
            + (f"; the first {RECORDINGS_SHOWN} are shown, a .csv file has all" if hidden > 0 else ""),
            css=Markup(resource("report.css")),  # noqa: S704  (our own file)
            tasks=parts,
            footer="Written by soritune predict.",
        )
    )


def _timed_windows(row: Row, task: str) -> list[dict[str, Any]]:
    """The windows of a row as lines of a table, with times in the file; empty for a row without a prediction."""
    if task not in row.get("tasks", {}):
        return []
    track = Track.of(row, task)
    return [_window_line(window, task, track) for window in windows_of(row)]


def _window_line(window: Mapping[str, Any], task: str, track: Track) -> dict[str, Any]:
    prediction = {} if window.get("no_speech") else window["tasks"].get(task, {})
    return {
        "file": track.audio,
        "channel": track.channel_name,
        **_file_times(window, track.start_s),
        "label": prediction.get("label"),
        "confidence": prediction.get("confidence"),
        "uncertain": bool(prediction.get("uncertain")),
        "no_speech": bool(window.get("no_speech")),
        "probabilities": prediction.get("probabilities"),
    }


def _file_times(part: Mapping[str, Any], start_s: float) -> dict[str, float]:
    return {name: round(start_s + part[name], DIGITS) for name in ("start_s", "end_s")}
