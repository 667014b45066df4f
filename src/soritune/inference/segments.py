"""Labels over time: what of a recording each window stands for, and neighbouring windows with one label as a segment.

The windows are those of a row of a predictions file. This file is part of the format: it loads no model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby, pairwise
from typing import Any, NamedTuple

Segment = dict[str, Any]
"""`{"start_s", "end_s", "label", "confidence", "windows"}`; an uncertain one has no label, and `"uncertain": true`. One
of windows with less speech than a label needs also has `"reason": "little-speech"`, and no confidence."""
LITTLE_SPEECH = "little-speech"
"""Reason of windows, segments and labels with less speech than a label needs."""
LOW_PROBABILITY = "low-probability"
"""Reason of labels below the least probability of a certain one."""
DIGITS = 6
"""Decimals of times in seconds, of which a sample has 20 µs or more, and of mean probabilities."""


class OwnedWindow(NamedTuple):
    """A window of a row, and the part of the recording that it stands for."""

    start_s: float
    end_s: float
    window: Mapping[str, Any]


def owned_windows(windows: Sequence[Mapping[str, Any]]) -> list[OwnedWindow]:
    """The windows of a row in their order, each with the part that it stands for.

    Windows that overlap share the overlap half and half, so that no two parts overlap.
    """
    borders = [(before["end_s"] + after["start_s"]) / 2 for before, after in pairwise(windows)]
    return [
        OwnedWindow(
            window["start_s"] if index == 0 else round(max(borders[index - 1], window["start_s"]), DIGITS),
            window["end_s"] if index == len(borders) else round(min(borders[index], window["end_s"]), DIGITS),
            window,
        )
        for index, window in enumerate(windows)
    ]


def segments_of(windows: Sequence[Mapping[str, Any]], task: str) -> list[Segment]:
    """Neighbouring windows with one label, joined: label, times, mean confidence and number of windows.

    Uncertain windows form segments without a label, those with little speech segments of their own. Windows without
    speech are in no segment and end one.
    """
    segments = []
    for (state, label), group in groupby(owned_windows(windows), key=lambda each: _state(each, task)):
        if state == "no_speech":
            continue
        parts = list(group)
        known = [value for part in parts if (value := _prediction(part, task).get("confidence")) is not None]
        segments.append(
            {
                "start_s": parts[0].start_s,
                "end_s": parts[-1].end_s,
                "label": label,
                "confidence": round(sum(known) / len(known), DIGITS) if known else None,
                "windows": len(parts),
                **({} if state == "label" else {"uncertain": True}),
                **({"reason": LITTLE_SPEECH} if state == LITTLE_SPEECH else {}),
            }
        )
    return segments


def whole_window(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row that was not cut as its only window."""
    return {
        "start_s": 0.0,
        "end_s": row["duration_s"],
        "tasks": {name: answer["prediction"] for name, answer in row["tasks"].items()},
        **({"no_speech": True} if row.get("no_speech") else {}),
    }


def windows_of(row: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """The windows of a predicted row; at least one."""
    windows: Sequence[Mapping[str, Any]] = row.get("windows") or [whole_window(row)]
    return windows


def label_seconds(segments: Sequence[Segment]) -> dict[str | None, float]:
    """Seconds of each label; those of uncertain segments are under None. Those with little speech are left out."""
    seconds: dict[str | None, float] = {}
    for segment in segments:
        if segment.get("reason") == LITTLE_SPEECH:
            continue
        label = segment["label"]
        seconds[label] = seconds.get(label, 0.0) + segment["end_s"] - segment["start_s"]
    return seconds


def little_speech_seconds(segments: Sequence[Segment]) -> float:
    """Seconds of the segments with less speech than a label needs."""
    return sum(
        float(segment["end_s"] - segment["start_s"])
        for segment in segments
        if segment.get("reason") == LITTLE_SPEECH
    )


def reason_of(window: Mapping[str, Any], prediction: Mapping[str, Any]) -> str | None:
    """Why the label of a window is uncertain: `little-speech` or `low-probability`; None if it is not."""
    stated = window.get("reason") or prediction.get("reason")
    return str(stated) if stated else LOW_PROBABILITY if prediction.get("uncertain") else None


def segments_in(row: Mapping[str, Any], task: str) -> list[Segment]:
    """The segments of a predicted row, for a task that gives one label; a row that was not cut is a single window."""
    stored: Mapping[str, list[Segment]] = row.get("segments") or {}
    if "windows" not in row and task in stored:
        return stored[task]
    return segments_of(windows_of(row), task)


def _prediction(owned: OwnedWindow, task: str) -> Mapping[str, Any]:
    prediction: Mapping[str, Any] = owned.window["tasks"].get(task, {})
    return prediction


def _state(owned: OwnedWindow, task: str) -> tuple[str, str | None]:
    """What has to be equal for windows to be joined."""
    prediction = _prediction(owned, task)
    if reason_of(owned.window, prediction) == LITTLE_SPEECH and not owned.window.get("no_speech"):
        return LITTLE_SPEECH, None
    if owned.window.get("no_speech") or not prediction:
        return "no_speech", None
    if prediction.get("uncertain") or prediction.get("label") is None:
        return "uncertain", None
    return "label", prediction["label"]
