"""Options and output of `soritune predict` about labels over time: windows, timelines, names of channels."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from soritune.terminal_text import visible

if TYPE_CHECKING:
    from soritune.inference.predictions import Row
    from soritune.reports.timeline import Track
    from soritune.reports.timeline_files import TimelineLook
    from soritune.tasks.task import Task

SEGMENTS_SHOWN = 40
"""Lines of the table on the terminal."""

WindowSeconds = Annotated[
    float | None,
    typer.Option("--window-s", help="A label for every window of this length in seconds, with its times."),
]
HopSeconds = Annotated[
    float | None,
    typer.Option(
        "--hop-s", help="From the start of a window to the next; without it, windows do not overlap."
    ),
]
TimelineFiles = Annotated[
    list[Path] | None,
    typer.Option(
        "--timeline",
        help="Write labels over time: a line per window (.csv), windows and segments (.json), or a page with bars "
        "(.html); may be repeated.",
    ),
]


MinSpeechSeconds = Annotated[
    float | None,
    typer.Option(
        "--min-speech-s",
        help="A window with less speech than this in seconds has no label. Default: 1, or a fifth of short windows.",
    ),
]
ChannelNames = Annotated[
    str | None,
    typer.Option(
        "--channel-names", help="Names of the channels in timelines, with commas, as in agent,customer."
    ),
]
PageLanguage = Annotated[Literal["en", "ko"], typer.Option(help="Language of a timeline page: en or ko.")]


def names_of_channels(given: str | None) -> tuple[str, ...]:
    """The names of `--channel-names`.

    Raises:
        OutputError: one of them is empty, or two are equal.
    """
    if given is None:
        return ()
    from soritune.errors import OutputError

    names = tuple(name.strip() for name in given.split(","))
    if not all(names) or len(set(names)) < len(names):
        raise OutputError(
            f"--channel-names {given!r}: give a different name for each channel, as in agent,customer"
        )
    return names


def check_timelines(paths: Sequence[Path]) -> None:
    """Refuses paths before a model is loaded.

    Raises:
        OutputError: a suffix that is not that of a format, or a path that is given twice.
    """
    if not paths:
        return
    from soritune.errors import OutputError
    from soritune.reports.timeline_files import check_timeline

    for number, path in enumerate(paths):
        check_timeline(path)
        if path.absolute() in {other.absolute() for other in paths[:number]}:
            raise OutputError(f"--timeline {path} is given twice; name it once")


class TimelineRecorder:
    """Writes timelines while rows are predicted, and keeps what the terminal shows of them.

    Args:
        paths: of the files.
        tasks: of the predictor.
        is_shown: whether the terminal shows segments.
        look: names of the channels, and what a page states.
        skipped: first rows that are those of an earlier call, which the terminal does not show.

    Raises:
        TaskError: no task gives one label.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        tasks: Sequence[Task],
        *,
        is_shown: bool,
        look: TimelineLook | None = None,
        skipped: int = 0,
    ) -> None:
        from soritune.reports.timeline_files import TimelineLook, labelling_tasks

        self.paths, self.is_shown, self.skipped = paths, is_shown, skipped
        self.look = look or TimelineLook()
        self.tasks = labelling_tasks(tasks) if paths else [task for task in tasks if task.single_label]
        self.tracks: dict[str, list[Track]] = {task.name: [] for task in self.tasks}
        """Task to the first clips with their segments."""
        self.hidden = 0
        """Segments that are not among them."""
        self.seconds: dict[tuple[str, str], dict[str | None, float]] = {}
        """Task and channel to the seconds of each label over all clips."""

    def watch(self, rows: Iterable[Row]) -> Iterator[Row]:
        """Passes the rows on as they come. The files are complete after the last row, and absent after an error."""
        from soritune.reports.timeline_files import timeline_file

        with ExitStack() as stack:
            writers = [stack.enter_context(timeline_file(path, self.tasks, self.look)) for path in self.paths]
            for number, row in enumerate(rows):
                for add in writers:
                    add(row)
                if self.is_shown and number >= self.skipped:
                    self._keep(row)
                yield row

    def _keep(self, row: Row) -> None:
        from soritune.inference.segments import label_seconds
        from soritune.reports.timeline import Track

        for task, kept in self.tracks.items():
            if task not in row.get("tasks", {}):
                continue
            track = Track.of(row, task, self.look.channel_names)
            shown = sum(len(other.segments) for other in kept)
            if shown < SEGMENTS_SHOWN:
                kept.append(track)
            else:
                self.hidden += len(track.segments)
            sums = self.seconds.setdefault((task, track.channel_name), {})
            for label, seconds in label_seconds(track.segments).items():
                sums[label] = sums.get(label, 0.0) + seconds


def print_timelines(console: Console, recorder: TimelineRecorder) -> None:
    """Prints segments with their times, and the time of each label by channel."""
    for task in recorder.tasks:
        if not any(track.segments for track in recorder.tracks[task.name]):
            continue
        _print_segments(console, task.name, recorder)
        _print_shares(console, task, recorder)


def _print_segments(console: Console, task: str, recorder: TimelineRecorder) -> None:
    from soritune.inference.segments import LITTLE_SPEECH
    from soritune.reports.numbers import percent
    from soritune.reports.timeline import clock, shown_label

    table = _table(f"{task}: segments")
    for title in ("file", "from", "to", "label", "mean probability"):
        table.add_column(title, justify="left" if title in ("file", "label") else "right", overflow="fold")
    lines = [
        (track, segment)
        for track in recorder.tracks[task]
        for segment in track.segments
        if segment.get("reason") != LITTLE_SPEECH
    ]
    for track, segment in lines[:SEGMENTS_SHOWN]:
        times = (clock(segment[name] + track.start_s, digits=1) for name in ("start_s", "end_s"))
        name = Path(track.id).name
        table.add_row(
            Text(visible(name)), *times, Text(visible(shown_label(segment))), percent(segment["confidence"])
        )
    console.print()
    console.print(table)
    hidden = len(lines[SEGMENTS_SHOWN:]) + recorder.hidden
    if hidden:
        console.print(f"… {hidden} more segments; --timeline or --json has all of them", style="dim")


def _print_shares(console: Console, task: Task, recorder: TimelineRecorder) -> None:
    from soritune.reports.numbers import percent
    from soritune.reports.timeline import clock

    by_channel = {channel: sums for (name, channel), sums in recorder.seconds.items() if name == task.name}
    table = _table(f"{task.name}: time of windows with enough speech")
    table.add_column("label")
    for channel in by_channel:
        table.add_column(f"{channel} time".strip(), justify="right")
        table.add_column("share", justify="right")
    labels: list[str | None] = [
        label for label in task.outputs[0].labels if any(sums.get(label) for sums in by_channel.values())
    ]
    labels += [None] if any(None in sums for sums in by_channel.values()) else []
    for label in labels:
        cells = []
        for sums in by_channel.values():
            total = sum(sums.values())
            seconds = sums.get(label, 0.0)
            cells += [clock(seconds), percent(seconds / total if total else None)]
        table.add_row(Text("(uncertain)" if label is None else visible(label)), *cells)
    console.print()
    console.print(table)


def _table(title: str) -> Table:
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    table.title_style, table.header_style = "bold", "dim"
    return table
