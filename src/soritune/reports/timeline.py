"""Labels over time as bars: one strip per channel, in lines of a quarter of an hour. Next: `reports/timeline_files.py`.

The bars are elements of the page, not a drawing, so that each has its times, label and probability where it is pointed
at, and hundreds of them stay sharp at any width.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from soritune.audio.channels import channel_name
from soritune.inference.segments import (
    LITTLE_SPEECH,
    Segment,
    label_seconds,
    little_speech_seconds,
    segments_in,
)
from soritune.reports.numbers import percent

LINE_S = 900.0
"""Longer recordings continue on the next line, so that a window of some seconds remains visible."""
TICKS = 12
"""At most about as many times below a line."""
LATE = 0.8
"""Times after this share of a line have no room on a narrow page."""
_TICK_STEPS_S = (1, 2, 5, 10, 15, 30, 60, 120, 300)
_COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#b8a800", "#7a5195")
"""Of Okabe and Ito (2008), which people with other colour vision distinguish; the yellow is darker."""
NO_LABEL = "var(--no-label)"
"""The hatching of uncertain segments, in report.css."""


@dataclass(frozen=True, slots=True)
class Track:
    """The segments of one clip: a file, or a channel of it."""

    id: str
    audio: str
    channel: int | None
    start_s: float
    """Where the clip begins in its file."""
    duration_s: float
    segments: Sequence[Segment]
    """Their times are counted from the beginning of the clip."""
    channel_names: Sequence[str] = ()
    """Names of the first channels, such as those of the speakers; without them they are left, right, 2, …"""

    @classmethod
    def of(cls, row: Mapping[str, Any], task: str, channel_names: Sequence[str] = ()) -> Track:
        """The segments of a predicted row, for a task that gives one label."""
        channel = row.get("channel")
        return cls(
            id=str(row["id"]),
            audio=str(row["audio"]),
            channel=channel if isinstance(channel, int) else None,
            start_s=row.get("start_s") or 0.0,
            duration_s=row["duration_s"],
            segments=segments_in(row, task),
            channel_names=channel_names,
        )

    @property
    def channel_name(self) -> str:
        """As `channel_names` have it, or left, right, 2, …; empty if it is not of one channel."""
        if self.channel is None:
            return ""
        names = self.channel_names
        return names[self.channel] if self.channel < len(names) else channel_name(self.channel)


def by_recording(tracks: Iterable[Track]) -> list[list[Track]]:
    """The tracks by recording; the channels of one follow each other."""
    return [list(group) for _, group in groupby(tracks, key=lambda track: (track.audio, track.start_s))]


def recording_name(tracks: Sequence[Track]) -> str:
    """The file of several channels, or the id of a single clip."""
    return tracks[0].id if len(tracks) == 1 else tracks[0].audio


def clock(seconds: float, *, digits: int = 0) -> str:
    """A time as `2:05` or `1:02:05`, with `digits` decimals of a second."""
    scale = 10**digits
    whole, rest = divmod(round(seconds * scale), scale)
    minutes, second = divmod(whole, 60)
    hours, minute = divmod(minutes, 60)
    text = f"{hours}:{minute:02d}:{second:02d}" if hours else f"{minute}:{second:02d}"
    return f"{text}.{rest:0{digits}d}" if digits else text


def label_colours(labels: Sequence[str]) -> dict[str, str]:
    """A colour of CSS for each label, in their order."""
    more = (f"hsl({(index * 137.5) % 360:.0f} 55% 50%)" for index in range(len(labels)))
    return {
        label: _COLOURS[index] if index < len(_COLOURS) else other
        for index, (label, other) in enumerate(zip(labels, more, strict=True))
    }


def timeline_lines(tracks: Sequence[Track], colours: Mapping[str, str]) -> list[dict[str, Any]]:
    """What `timeline.html.j2` shows of the channels of one recording, which have a common axis.

    Args:
        tracks: the channels.
        colours: of the labels, as `label_colours` gives them.
    """
    end = max((track.duration_s for track in tracks), default=0.0)
    span = min(end, LINE_S) or 1.0
    step = next((step for step in _TICK_STEPS_S if span / step <= TICKS), _TICK_STEPS_S[-1])
    lines: list[dict[str, Any]] = []
    first = 0.0
    while first < end or not lines:
        last = first + span
        ticks = range(0, int(min(last, end) - first) + 1, step)
        lines.append(
            {
                "tracks": [
                    {"name": track.channel_name, "bars": _bars(track, colours, first, last)}
                    for track in tracks
                ],
                "ticks": [
                    {
                        "left": _share(tick, span),
                        "text": clock(first + tick),
                        "is_late": tick > LATE * span,
                    }
                    for tick in ticks
                    if tick < span
                ],
            }
        )
        first = last
    return lines


SHARES_NOTE = (
    "Shares are of the time of windows with enough speech; where windows overlap, each stands for half of the "
    "overlap."
)


def shares_table(tracks: Sequence[Track], labels: Sequence[str]) -> dict[str, Any]:
    """Time of each label by channel, as a table of a page: only windows with enough speech count, and labels that no
    window of a channel has are left out."""
    rows = []
    for track in tracks:
        seconds = label_seconds(track.segments)
        total = sum(seconds.values())
        shown: list[tuple[str, str | None]] = [(label, label) for label in labels if seconds.get(label)]
        shown += [("uncertain", None)] if None in seconds else []
        for name, label in shown:
            share = seconds.get(label, 0.0) / total if total else None
            cells = (track.channel_name, name, clock(seconds.get(label, 0.0)))
            rows.append([*map(_cell, cells[:2]), _cell(cells[2], numeric=True), _share_cell(share)])
        little = little_speech_seconds(track.segments)
        if little:
            cells = (track.channel_name, "too little speech", clock(little))
            rows.append([*map(_cell, cells[:2]), _cell(cells[2], numeric=True), _cell("", numeric=True)])
    return _table(["channel", "label", "time", "share"], 2, rows, SHARES_NOTE)


def segments_table(tracks: Sequence[Track]) -> dict[str, Any]:
    """The segments of all channels with enough speech in the order of their times, as a table of a page."""
    listed = [
        (segment["start_s"], track, segment)
        for track in tracks
        for segment in track.segments
        if segment.get("reason") != LITTLE_SPEECH
    ]
    listed.sort(key=lambda item: item[0])
    rows = [
        [
            _cell(track.channel_name),
            _cell(clock(segment["start_s"], digits=1), numeric=True),
            _cell(clock(segment["end_s"], digits=1), numeric=True),
            _cell(shown_label(segment)),
            _cell(percent(segment["confidence"]), numeric=True),
        ]
        for _, track, segment in listed
    ]
    return _table(["channel", "from", "to", "label", "probability"], None, rows, "")


def shown_label(segment: Segment) -> str:
    """The label of a segment, or why it has no label."""
    if segment.get("reason") == LITTLE_SPEECH:
        return "(too little speech)"
    return "(uncertain)" if segment["label"] is None else str(segment["label"])


def _bars(track: Track, colours: Mapping[str, str], first: float, last: float) -> list[dict[str, Any]]:
    """The segments within a line; one that continues on the next line is cut, and one with too little speech is blank
    as silence is."""
    bars = []
    for segment in track.segments:
        if segment.get("reason") == LITTLE_SPEECH:
            continue
        start, end = max(segment["start_s"], first), min(segment["end_s"], last)
        if start < end:
            times = f"{clock(segment['start_s'], digits=1)}–{clock(segment['end_s'], digits=1)}"
            bars.append(
                {
                    "left": _share(start - first, last - first),
                    "width": _share(end - start, last - first),
                    "colour": colours.get(segment["label"], NO_LABEL),
                    "title": f"{times} {shown_label(segment)} {percent(segment['confidence'])}",
                }
            )
    return bars


def _share(part: float, whole: float) -> float:
    return round(100 * part / whole, 3)


def _cell(text: str, *, numeric: bool = False, share: float | None = None) -> dict[str, Any]:
    return {"text": text, "numeric": numeric, "small": "", "share": share}


def _share_cell(share: float | None) -> dict[str, Any]:
    return _cell(percent(share), numeric=True, share=None if share is None else round(100 * share, 1))


def _table(
    columns: Sequence[str], numeric_from: int | None, rows: Sequence[list[dict[str, Any]]], note: str
) -> dict[str, Any]:
    return {
        "columns": [
            {
                "title": name,
                "numeric": name in ("from", "to", "probability") or index >= (numeric_from or len(columns)),
            }
            for index, name in enumerate(columns)
        ],
        "rows": [{"cells": cells, "primary": False} for cells in rows],
        "note": note,
    }
