"""Predictions, scores and comparisons as CSV, for spreadsheets and dashboards.

The files are UTF-8 with a byte order mark, because Excel reads Hangul only with one. Rates are numbers from 0 to 1 with
all their digits. Windows of long files are written by `reports/timeline_files.py`.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from soritune.metrics.bootstrap import Interval
from soritune.reports.compare import Comparison
from soritune.reports.scores import Scores, SpeakerRate
from soritune.tasks.results import Pair, Prediction
from soritune.tasks.task import Task
from soritune.whole_file import whole_file, write_bytes

SUFFIX = ".csv"
_ENCODING = "utf-8-sig"
_CLIP = ("id", "file", "channel", "start_s", "end_s", "duration_s", "speaker", "text")
_STATE = ("no_speech", "uncertain", "error")
_INTERVAL = ("value", "low", "high", "speakers", "reliable")
_JUDGED = ("label", "labels", "phones", "perceived", "errors")
"""Fields of a prediction that a reference may have too."""
_OF_ROW = "row."
"""Before an attribute of a row whose name is that of another column."""
Row = Mapping[str, Any]


class RowFacts(NamedTuple):
    """What a manifest states about the rows that are predicted."""

    attributes: Sequence[str]
    """Groups of the rows beside the speaker, such as split, gender and age."""
    texts: Iterable[tuple[str, str | None]]
    """The id and text of every row, in the order of the manifest."""


def is_csv(path: Path | None) -> bool:
    """Whether the suffix of an output asks for CSV."""
    return path is not None and path.suffix.lower() == SUFFIX


@contextmanager
def predictions_csv(
    path: Path, tasks: Sequence[Task], source: RowFacts | None = None
) -> Iterator[Callable[[Row], None]]:
    """A function that adds a predicted row to the file, a line per clip; the file is written whole or not at all.

    Columns after those of the clip are the ones that `predict` prints, and `p_LABEL` for every label of a task with one
    label. With several tasks their names have the task before them, as in `emotion.label`. With `source` there are also
    the attributes of the rows, the references, and the errors with the length of the reference for tasks that count
    them.

    Args:
        path: of the file.
        tasks: of the predictions.
        source: what a manifest states about the rows; None without one.

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
        attributes = _attributes(source)
        texts = iter(() if source is None else source.texts)

        def begin(columns: Sequence[str]) -> csv.DictWriter[str]:
            names = [*_CLIP, *attributes, *columns, *_STATE]
            made = csv.DictWriter(stream, names, restval="", extrasaction="ignore")
            made.writeheader()
            made.writerows(waiting)
            return made

        def add(row: Row) -> None:
            nonlocal writer
            line = _clip(row)
            groups = row.get("groups", {})
            line |= {name: _cell(groups.get(field)) for name, field in attributes.items()}
            text = _text_of(row["id"], texts)
            if "text" not in row and text is not None:
                line["text"] = text
            for task in tasks:
                if task.name in row.get("tasks", {}):
                    line |= _answer(row, task, labels.get(task.name, ()), len(tasks) > 1, source is not None)
            if writer is None and "error" not in row:
                writer = begin([name for name in line if name not in (*_CLIP, *attributes, *_STATE)])
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


def _attributes(source: RowFacts | None) -> dict[str, str]:
    """Column to field of the groups of a row."""
    taken = (*_CLIP, *_STATE)
    if source is None:
        return {}
    return {f"{_OF_ROW}{name}" if name in taken else name: name for name in source.attributes}


def _text_of(clip: str, texts: Iterator[tuple[str, str | None]]) -> str | None:
    """The text of a row; rows are predicted in the order of the manifest, of which some may be left out."""
    return next((text for name, text in texts if name == clip), None)


def _reference(row: Row, task: Task, names: Sequence[str]) -> dict[str, Any]:
    """What the row is judged against, and its errors for a task that counts them; empty cells without a label."""
    answer = row["tasks"][task.name]
    reference: Mapping[str, Any] = answer.get("reference") or {}
    cells = {f"reference_{name}": _cell(reference.get(name)) for name in names if name in _JUDGED}
    prediction = Prediction.from_json(answer["prediction"])
    errors = task.errors_of(Pair(row["id"], reference, prediction)) if reference else None
    if type(task).errors_of is not Task.errors_of:
        cells |= dict(zip(("errors", "reference_length"), errors or ("", ""), strict=True))
    return cells


def _answer(row: Row, task: Task, labels: Sequence[str], several: bool, is_judged: bool) -> dict[str, Any]:
    fields = row["tasks"][task.name]["prediction"]
    before = f"{task.name}." if several else ""
    shares = fields.get("probabilities") or {}
    names = [column.field for column in task.columns(Prediction.from_json(fields))]
    cells = {f"{before}{name}": _cell(fields.get(name)) for name in names}
    cells |= {f"{before}p_{label}": _cell(shares.get(label)) for label in labels}
    if is_judged:
        cells |= {f"{before}{name}": value for name, value in _reference(row, task, names).items()}
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
