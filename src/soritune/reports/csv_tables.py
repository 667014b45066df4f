"""Predictions, scores and comparisons as CSV, for spreadsheets and dashboards.

The files are UTF-8 with a byte order mark, because Excel reads Hangul only with one. Rates are numbers from 0 to 1 with
all their digits. Windows of long files are written by `reports/timeline_files.py`.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from soritune.metrics.bootstrap import Interval
from soritune.reports.compare import Comparison
from soritune.reports.scores import Scores, SpeakerRate
from soritune.tasks.results import Prediction
from soritune.tasks.task import Task
from soritune.whole_file import whole_file, write_bytes

SUFFIX = ".csv"
_ENCODING = "utf-8-sig"
_CLIP = ("id", "file", "channel", "start_s", "end_s", "duration_s", "speaker", "text")
_STATE = ("no_speech", "uncertain", "error")
_INTERVAL = ("value", "low", "high", "speakers", "reliable")
Row = Mapping[str, Any]


def is_csv(path: Path | None) -> bool:
    """Whether the suffix of an output asks for CSV."""
    return path is not None and path.suffix.lower() == SUFFIX


@contextmanager
def predictions_csv(path: Path, tasks: Sequence[Task]) -> Iterator[Callable[[Row], None]]:
    """A function that adds a predicted row to the file, a line per clip; the file is written whole or not at all.

    Columns after those of the clip are the ones that `predict` prints, and `p_LABEL` for every label of a task with one
    label. With several tasks their names have the task before them, as in `emotion.label`.

    Raises:
        OutputError: the path cannot be written to.
    """
    labels = {task.name: task.outputs[0].labels for task in tasks if task.single_label}
    with (
        whole_file(path) as part,
        part.open("w", encoding=_ENCODING, errors="backslashreplace", newline="") as stream,
    ):
        writer: csv.DictWriter[str] | None = None
        waiting: list[dict[str, Any]] = []

        def begin(columns: Sequence[str]) -> csv.DictWriter[str]:
            made = csv.DictWriter(stream, [*_CLIP, *columns, *_STATE], restval="", extrasaction="ignore")
            made.writeheader()
            made.writerows(waiting)
            return made

        def add(row: Row) -> None:
            nonlocal writer
            line = _clip(row)
            for task in tasks:
                if task.name in row.get("tasks", {}):
                    line |= _answer(row, task, labels.get(task.name, ()), several=len(tasks) > 1)
            if writer is None and "error" not in row:
                writer = begin([name for name in line if name not in (*_CLIP, *_STATE)])
            if writer is None:
                waiting.append(line)  # clips that failed before the first one that shows the columns
            else:
                writer.writerow(line)

        yield add
        if writer is None:
            begin([])


def _clip(row: Row) -> dict[str, Any]:
    start, seconds = row.get("start_s", 0.0), row.get("duration_s")
    return {
        "id": row["id"],
        "file": row["audio"],
        "channel": row.get("channel", ""),
        "start_s": "" if seconds is None else start,
        "end_s": "" if seconds is None else round(start + seconds, 4),
        "duration_s": "" if seconds is None else seconds,
        "speaker": row.get("groups", {}).get("speaker", ""),
        "text": row.get("text", ""),
        "no_speech": "true" if row.get("no_speech") else "false",
        "uncertain": "false",
        "error": row.get("error", ""),
    }


def _answer(row: Row, task: Task, labels: Sequence[str], *, several: bool) -> dict[str, Any]:
    fields = row["tasks"][task.name]["prediction"]
    before = f"{task.name}." if several else ""
    shares = fields.get("probabilities") or {}
    names = [column.field for column in task.columns(Prediction.from_json(fields))]
    cells = {f"{before}{name}": _cell(fields.get(name)) for name in names}
    cells |= {f"{before}p_{label}": _cell(shares.get(label)) for label in labels}
    return cells | ({"uncertain": "true"} if fields.get("uncertain") else {})


def _cell(value: Any) -> Any:
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return ""
    return " ".join(map(str, value)) if isinstance(value, list) else value


def write_scores_csv(path: Path, scores: Scores) -> Path:
    """A line per task, rate and group; `group_by` is empty for the rate over all clips.

    Every speaker has lines, with `speaker` as `group_by`. Their intervals are over the speaker's own clips, so
    `reliable`, which counts speakers, is empty.

    Raises:
        OutputError: the path cannot be written to.
    """
    lines = []
    for name, task in scores.tasks.items():
        parts: list[tuple[str, str, Any]] = [("", "", task)]
        parts += [
            (field, value, group) for field, groups in task.groups.items() for value, group in groups.items()
        ]
        parts += [("speaker", speaker, part) for speaker, part in task.speakers.items()]
        for field, value, part in parts:
            for rate, interval in part.rates.items():
                of_rate = {"task": name, "rate": rate, "group_by": field, "group": value}
                lines.append({**of_rate, "clips": part.num_utterances, **_interval(interval)})
    return _write(path, ("task", "rate", "group_by", "group", "clips", *_INTERVAL), lines)


def write_comparison_csv(path: Path, comparison: Comparison) -> Path:
    """A line per task, rate and model, with the difference from the first model over common speakers.

    Raises:
        OutputError: the path cannot be written to.
    """
    difference = ("difference", "difference_low", "difference_high")
    lines = []
    for task in comparison.tasks:
        for rate, intervals in task.rates.items():
            for name, interval, gaps in zip(comparison.names, intervals, task.differences, strict=True):
                line = {"task": task.name, "rate": rate, "model": name}
                line |= {} if interval is None else _interval(interval)
                gap = None if gaps is None else gaps.get(rate)
                if gap is not None:
                    line |= dict(zip(difference, map(_cell, (gap.value, gap.low, gap.high)), strict=True))
                lines.append(line)
    return _write(path, ("task", "rate", "model", *_INTERVAL, *difference), lines)


def _interval(interval: Interval | SpeakerRate) -> dict[str, Any]:
    values = map(_cell, (interval.value, interval.low, interval.high))
    if isinstance(interval, SpeakerRate):
        return dict(zip(_INTERVAL, (*values, 1, ""), strict=True))
    reliable = "true" if interval.reliable else "false"
    return dict(zip(_INTERVAL, (*values, interval.num_speakers, reliable), strict=True))


def _write(path: Path, columns: Sequence[str], lines: Sequence[Mapping[str, Any]]) -> Path:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns, restval="")
    writer.writeheader()
    writer.writerows(lines)
    return write_bytes(path, text.getvalue().encode(_ENCODING, "backslashreplace"))
