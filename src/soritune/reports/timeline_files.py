"""Labels over time as a file: a line per window in CSV, windows and segments in JSON, or a page with bars in HTML.

Rows are written as they are predicted. CSV begins with a byte order mark, because Excel reads Hangul only with one.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, TextIO

from markupsafe import Markup

from soritune.errors import OutputError, TaskError
from soritune.inference.header import Header
from soritune.inference.json_values import without_nan
from soritune.inference.segments import (
    DIGITS,
    LITTLE_SPEECH,
    label_seconds,
    little_speech_seconds,
    reason_of,
    windows_of,
)
from soritune.reports.numbers import percent
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
from soritune.reports.words import Language, Words
from soritune.tasks.task import Task
from soritune.terminal_text import counted
from soritune.whole_file import whole_file

SUFFIXES = (".csv", ".json", ".html")
RECORDINGS_SHOWN = 100
"""Recordings on a page; a page with thousands of strips cannot be read."""
FIELDS = (
    "file",
    "channel",
    "start_s",
    "end_s",
    "label",
    "confidence",
    "uncertain",
    "no_speech",
    "reason",
    "speech_s",
)
"""Columns of the CSV file, before those of the probabilities."""
Row = Mapping[str, Any]
AddRow = Callable[[Row], None]


class TimelineLook(NamedTuple):
    """How the timelines of a call are written."""

    channel_names: tuple[str, ...] = ()
    """Names of the first channels instead of left, right, 2, …"""
    language: Language = "en"
    """Of a page."""
    header: Header | None = None
    """Of the predictions, whose models and settings a page states; None states none."""


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
def timeline_file(path: Path, tasks: Sequence[Task], look: TimelineLook | None = None) -> Iterator[AddRow]:
    """A function that adds a predicted row to the file, which is written whole or not at all.

    Args:
        path: its suffix chooses the format.
        tasks: of the predictions; those with one label are shown.
        look: names of the channels, and what a page states.

    Raises:
        OutputError: another suffix, or the path cannot be written to.
        TaskError: no task gives one label.
    """
    check_timeline(path)
    look = look or TimelineLook()
    labels = {task.name: task.outputs[0].labels for task in labelling_tasks(tasks)}
    kind = path.suffix.lower()
    write = {".csv": _csv, ".json": _json, ".html": _html}[kind]
    encoding = "utf-8-sig" if kind == ".csv" else "utf-8"
    with (
        whole_file(path) as part,
        part.open("w", encoding=encoding, errors="backslashreplace", newline="") as stream,
        write(stream, labels, look) as add,
    ):
        yield add


@contextmanager
def _csv(stream: TextIO, labels: Mapping[str, Sequence[str]], look: TimelineLook) -> Iterator[AddRow]:
    """A line per window and task."""
    several = len(labels) > 1
    every_label = list(dict.fromkeys(label for names in labels.values() for label in names))
    probabilities = [f"p_{label}" for label in every_label]
    columns = [*FIELDS[:2], *(["task"] if several else []), *FIELDS[2:], *probabilities]
    writer = csv.DictWriter(stream, columns)
    writer.writeheader()

    def add(row: Row) -> None:
        for task in labels:
            for window in _timed_windows(row, task, look):
                shares = window.pop("probabilities") or {}
                line = window | {f"p_{label}": share for label, share in shares.items()}
                line |= {name: "true" if line[name] else "false" for name in ("uncertain", "no_speech")}
                writer.writerow({**line, **({"task": task} if several else {})})

    yield add


@contextmanager
def _json(stream: TextIO, labels: Mapping[str, Sequence[str]], look: TimelineLook) -> Iterator[AddRow]:
    """One object, with a line per clip and task."""
    head = json.dumps({name: list(names) for name, names in labels.items()}, ensure_ascii=False)
    stream.write(f'{{"labels": {head}, "clips": [')
    separator = "\n"

    def add(row: Row) -> None:
        nonlocal separator
        for task in labels:
            windows = _timed_windows(row, task, look)
            if not windows:
                continue
            track = Track.of(row, task, look.channel_names)
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
                "little_speech_s": round(little_speech_seconds(track.segments), 3),
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
def _html(stream: TextIO, labels: Mapping[str, Sequence[str]], look: TimelineLook) -> Iterator[AddRow]:
    """A page with bars."""
    tracks: dict[str, list[Track]] = {task: [] for task in labels}
    failed: list[tuple[str, str]] = []

    def add(row: Row) -> None:
        if "error" in row:
            failed.append((str(row["id"]), str(row["error"])))
        for task, kept in tracks.items():
            if task in row.get("tasks", {}):
                kept.append(Track.of(row, task, look.channel_names))

    yield add
    stream.write(render_timelines(tracks, labels, failed, look))


def render_timelines(
    tracks: Mapping[str, Sequence[Track]],
    labels: Mapping[str, Sequence[str]],
    failed: Sequence[tuple[str, str]] = (),
    look: TimelineLook | None = None,
) -> str:
    """The page as text.

    Args:
        tracks: task to its tracks; the channels of a recording follow each other.
        labels: task to its labels.
        failed: clips that could not be predicted, with the reason.
        look: the language of the page, and the settings that it states.
    """
    look = look or TimelineLook()
    words = Words(look.language)
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
                "facts": _facts(look.header, task),
                "recordings": [
                    {
                        "name": f"{recording_name(group)} ({clock(max(track.duration_s for track in group))})",
                        "lines": timeline_lines(group, colours),
                        "shares": shares_table(group, labels[task]),
                        "segments": (listed := segments_table(group)),
                        "count": counted(len(listed["rows"]), "segment"),
                    }
                    for group in recordings[:RECORDINGS_SHOWN]
                ],
            }
        )
    hidden = total - RECORDINGS_SHOWN
    return (
        page_environment(words)
        .get_template("timeline_page.html.j2")
        .render(
            title="Labels over time",
            language=look.language,
            lead=counted(total, "recording")
            + (f"; the first {RECORDINGS_SHOWN} are shown, a .csv file has all" if hidden > 0 else ""),
            failed=failed,
            css=Markup(resource("report.css")),  # noqa: S704  (our own file)
            tasks=parts,
            footer="Written by soritune predict.",
        )
    )


def _facts(header: Header | None, task: str) -> list[tuple[str, str]]:
    """What the labels of a task depend on, as terms and values."""
    if header is None:
        return []
    models = header.models or (header.model,)
    names = [f"{model.name} ({model.folder})" if model.folder else str(model.name) for model in models]
    facts = [("model", ", ".join(names)), ("predicted on", str(header.created or "").replace("T", " "))]
    windows = header.label_windows
    if windows is not None:
        facts.append(("window", f"{windows['window_s']:g} s, every {windows['hop_s']:g} s"))
    threshold = header.threshold(task)
    facts.append(
        ("least probability of a certain label", "none" if threshold is None else percent(threshold))
    )
    least = (windows or {}).get("min_speech_s")
    if least is not None:
        facts.append(("least speech of a window with a label", f"{least:g} s"))
    facts.append(
        ("detector of speech", {"silero": "Silero", "energy": "an energy gate"}.get(header.vad or "", "none"))
    )
    return facts


def _timed_windows(row: Row, task: str, look: TimelineLook) -> list[dict[str, Any]]:
    """The windows of a row as lines of a table, with times in the file; empty for a row without a prediction."""
    if task not in row.get("tasks", {}):
        return []
    track = Track.of(row, task, look.channel_names)
    return [_window_line(window, task, track) for window in windows_of(row)]


def _window_line(window: Mapping[str, Any], task: str, track: Track) -> dict[str, Any]:
    silent = bool(window.get("no_speech"))
    prediction = {} if silent else window["tasks"].get(task, {})
    reason = None if silent else reason_of(window, prediction)
    if reason == LITTLE_SPEECH:
        prediction = {}  # a recording that was not cut has the label of its little speech
    return {
        "file": track.audio,
        "channel": track.channel_name,
        **_file_times(window, track.start_s),
        "label": prediction.get("label"),
        "confidence": prediction.get("confidence"),
        "uncertain": reason is not None,
        "no_speech": silent,
        "reason": reason,
        "speech_s": window.get("speech_s"),
        "probabilities": prediction.get("probabilities"),
    }


def _file_times(part: Mapping[str, Any], start_s: float) -> dict[str, float]:
    return {name: round(start_s + part[name], DIGITS) for name in ("start_s", "end_s")}
