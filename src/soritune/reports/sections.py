"""One task's part of a report: numbers from scores.json and `Task.report` turned into what the template
shows."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from soritune.inference.predictions import Predictions
from soritune.metrics.classification import class_table
from soritune.reports.figures import (
    SPEAKERS_SHOWN,
    calibration_figure,
    class_figure,
    matrix_figure,
    speaker_figure,
)
from soritune.reports.players import Players
from soritune.reports.score import has_single_labels, pairs_of
from soritune.tasks.results import Alignment, Pair, Table
from soritune.tasks.task import Task

WORST_ERRORS = 8
"""Confident errors shown."""
GROUPS_SHOWN = 40
CLASSES_DRAWN = 12
"""With more classes than this, bars say less than the table."""
ROWS_SHOWN = 12
"""Rows of a table that are open; the rest unfolds."""
GROUP_TITLES = {"snr_db": "SNR (dB)", "age": "age", "text_source": "origin of the text"}


def percent(value: float | None) -> str:
    """`0.2731` as `27.3 %`; nothing known as a dash."""
    return "–" if value is None or not math.isfinite(value) else f"{100 * value:.1f} %"


def range_text(interval: Mapping[str, Any]) -> str:
    """The interval as `21.0 – 33.5`; a dash where there is none."""
    low, high = interval.get("low"), interval.get("high")
    return "–" if low is None or high is None else f"{100 * low:.1f} – {100 * high:.1f}"


def is_share(task: Task, rate: str) -> bool:
    """Whether a rate is written in percent; true for rates of older scores, which the task does not describe."""
    description = task.rate_descriptions.get(rate)
    return description is None or description.is_share


def rate_text(task: Task, rate: str, value: float | None) -> str:
    """A rate as people read it: `27.3 %`, or `0.4231` where it is not a share, such as a loss."""
    if is_share(task, rate):
        return percent(value)
    return "–" if value is None or not math.isfinite(value) else f"{value:.4f}"


def rate_range_text(task: Task, rate: str, interval: Mapping[str, Any]) -> str:
    """The interval of a rate, in the unit of `rate_text`."""
    if is_share(task, rate):
        return range_text(interval)
    low, high = interval.get("low"), interval.get("high")
    return "–" if low is None or high is None else f"{low:.4f} – {high:.4f}"


def baseline_notes(task: Task, scores: Mapping[str, Any]) -> list[str]:
    """The primary rate against each baseline, paired over speakers: `ua: 33.9 points above majority [26.7, 40.2]`."""
    rate = scores["primary_metric"]["name"]
    factor, unit = (100, " points") if is_share(task, rate) else (1, "")
    found = []
    for name, own in scores["baselines"].items():
        difference = own.get("differences", {}).get(rate)  # scores of an earlier version have none
        if difference is None or difference["low"] is None:
            continue
        value, low, high = (factor * difference[part] for part in ("value", "low", "high"))
        side = "above" if value >= 0 else "below"
        if value < 0:
            value, low, high = -value, -high, -low
        doubt = "" if difference["reliable"] else ", unreliable"
        size, bottom, top = (f"{number:.{1 if unit else 4}f}" for number in (value, low, high))
        found.append(f"{rate}: {size}{unit} {side} {name} [{bottom}, {top}]{doubt}")
    return found


def counted(number: int, noun: str) -> str:
    """`1 speaker`, `1,200 clips`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def task_section(
    task: Task, scores: Mapping[str, Any], predictions: Predictions, players: Players
) -> dict[str, Any]:
    """What the template shows of one task."""
    pairs = pairs_of(predictions, task.name)
    section = task.report(pairs)
    rows = {row["id"]: row for row in predictions.good}
    primary = scores["primary_metric"]["name"]
    figures: dict[str, str | None] = {"speakers": None, "calibration": None}
    if len(scores["speakers"]) > 1:
        figures["speakers"] = speaker_figure(
            scores["speakers"], primary, scores["rates"][primary], in_percent=is_share(task, primary)
        )
    if scores["calibration"] and scores["calibration"]["bins"]:
        figures["calibration"] = calibration_figure(scores["calibration"]["bins"])
    alignments = [_alignment(item, pairs, rows, players) for item in section.alignments]
    errors = _errors(task, pairs, rows, players)
    unlabelled = scores.get("num_unlabelled", 0)
    return {
        "id": task.name,
        "title": section.title,
        "note": _counts_text(scores)
        + (f" Left out: {counted(unlabelled, 'clip')} without a reference." if unlabelled else ""),
        "rates": rates_table(task, scores),
        "figures": figures,
        "speaker_note": _speaker_note(scores, primary),
        "groups": [_group_table(task, name, group, scores) for name, group in scores["groups"].items()],
        "matrices": [{"title": m.title, "svg": matrix_figure(m.labels, m.counts)} for m in section.matrices],
        "classes": [
            class_figure(matrix.labels, class_table(matrix.counts))
            for matrix in section.matrices
            if len(matrix.labels) <= CLASSES_DRAWN
        ],
        "ece": "–" if not scores["calibration"] else f"{scores['calibration']['ece']:.3f}",
        "tables": [_shown(part) for part in section.tables if part.rows],
        "errors": errors,
        "alignments": alignments,
        "has_players": any(item["player"] for item in [*errors, *alignments]),
    }


def rates_table(task: Task, scores: Mapping[str, Any]) -> dict[str, Any]:
    """Every rate with its interval and the baselines."""
    names = list(scores["baselines"])
    columns = ["rate", "value", "95 % interval", *(f"baseline: {name}" for name in names)]
    titles = {rate: description.title for rate, description in task.rate_descriptions.items()}
    rows = []
    for rate, interval in scores["rates"].items():
        warning = (
            "" if interval["reliable"] else f"unreliable, {counted(interval['num_speakers'], 'speaker')}"
        )
        cells = [
            _cell(rate, small=titles.get(rate, "")),
            _cell(rate_text(task, rate, interval["value"]), numeric=True),
            _cell(rate_range_text(task, rate, interval), numeric=True, small=warning),
            *(
                _cell(rate_text(task, rate, scores["baselines"][name]["rates"].get(rate)), numeric=True)
                for name in names
            ),
        ]
        rows.append({"cells": cells, "primary": rate == scores["primary_metric"]["name"]})
    notes = [f"Baseline {name}: {row['description']}." for name, row in scores["baselines"].items()]
    notes += [f"{note}, paired over speakers." for note in baseline_notes(task, scores)]
    note = " ".join(["Intervals: 95 %, bootstrap over speakers.", *notes])
    return {
        "columns": [_column(name, index > 0) for index, name in enumerate(columns)],
        "rows": rows,
        "note": note,
    }


def _group_table(
    task: Task, field: str, groups: Mapping[str, Any], scores: Mapping[str, Any]
) -> dict[str, Any]:
    primary = scores["primary_metric"]["name"]
    others = [rate for rate in scores["rates"] if rate != primary and not rate.startswith(f"{primary}_")][:2]
    columns = [
        GROUP_TITLES.get(field, field.replace("_", " ")),
        "clips",
        "speakers",
        primary,
        "95 % interval",
        *others,
    ]
    rows = []
    for name, group in list(groups.items())[:GROUPS_SHOWN]:
        interval = group["rates"][primary]
        warning = "" if interval["reliable"] else "unreliable"
        bar = interval["value"] if is_share(task, primary) else None
        cells = [
            _cell(name),
            _cell(str(group["num_utterances"]), numeric=True),
            _cell(str(group["num_speakers"]), numeric=True),
            _cell(rate_text(task, primary, interval["value"]), numeric=True, share=bar),
            _cell(rate_range_text(task, primary, interval), numeric=True, small=warning),
            *(_cell(rate_text(task, rate, group["rates"][rate]["value"]), numeric=True) for rate in others),
        ]
        rows.append({"cells": cells, "primary": False})
    hidden = len(groups) - len(rows)
    return {
        "title": GROUP_TITLES.get(field, field.replace("_", " ")),
        "columns": [_column(name, index > 0) for index, name in enumerate(columns)],
        "rows": rows,
        "note": f"{hidden} more groups are in scores.json." if hidden > 0 else "",
    }


def _shown(table: Table) -> dict[str, Any]:
    """A table of `Task.report` with its numbers written out; shares (0 to 1) get a bar."""
    kinds = [_kind([row[index] for row in table.rows]) for index in range(len(table.columns))]
    rows = []
    for row in table.rows:
        cells = []
        for value, kind in zip(row, kinds, strict=True):
            if kind == "share":
                known = isinstance(value, int | float) and math.isfinite(value)
                cells.append(
                    _cell(
                        percent(float(value)) if known else "–", numeric=True, share=value if known else None
                    )
                )
            else:
                cells.append(_cell(_text(value), numeric=kind == "number"))
        rows.append({"cells": cells, "primary": False})
    columns = [_column(name, kind != "text") for name, kind in zip(table.columns, kinds, strict=True)]
    # A last handful is not worth a click.
    cut = ROWS_SHOWN if len(rows) > ROWS_SHOWN + 4 else len(rows)
    rest = {"columns": columns, "rows": rows[cut:], "note": ""} if cut < len(rows) else None
    return {"title": table.title, "columns": columns, "rows": rows[:cut], "note": table.note, "rest": rest}


def _kind(values: Sequence[Any]) -> str:
    numbers = [value for value in values if isinstance(value, int | float) and not isinstance(value, bool)]
    if len(numbers) < len(values):
        return "text"
    known = [value for value in numbers if math.isfinite(value)]
    if any(isinstance(value, float) for value in numbers) and all(0 <= value <= 1 for value in known):
        return "share"
    return "number"


def _text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.3g}" if math.isfinite(value) else "–"
    return "–" if value is None else str(value)


def _errors(
    task: Task, pairs: Sequence[Pair], rows: Mapping[str, Any], players: Players
) -> list[dict[str, Any]]:
    """Wrong labels the model was surest of; nothing for tasks that give no label."""
    if not has_single_labels(task, pairs):
        return []
    wrong = [pair for pair in pairs if pair.prediction.fields["label"] != pair.reference["label"]]
    wrong.sort(key=lambda pair: (-(pair.prediction.fields["confidence"] or 0.0), pair.id))
    return [
        {
            "id": pair.id,
            "reference": pair.reference["label"],
            "predicted": pair.prediction.fields["label"],
            "confidence": percent(pair.prediction.fields["confidence"]),
            "player": players.player(rows[pair.id]),
        }
        for pair in wrong[:WORST_ERRORS]
    ]


def _alignment(
    item: Alignment, pairs: Sequence[Pair], rows: Mapping[str, Any], players: Players
) -> dict[str, Any]:
    columns = []
    errors = 0
    for said, heard in zip(item.reference, item.hypothesis, strict=True):
        kind = "equal" if said == heard else "ins" if said is None else "del" if heard is None else "sub"
        errors += kind != "equal"
        columns.append({"kind": kind, "reference": said or "·", "hypothesis": heard or "·"})
    length = sum(said is not None for said in item.reference)
    row = rows.get(item.id, {})
    text = next((pair.reference.get("text") for pair in pairs if pair.id == item.id), None)
    return {
        "id": item.id,
        "text": text,
        "score": f"{counted(errors, 'error')} in {length}",
        "columns": columns,
        "player": players.player(row) if row else None,
    }


def _counts_text(scores: Mapping[str, Any]) -> str:
    return (
        f"{counted(scores['num_utterances'], 'clip')}, {counted(scores['num_speakers'], 'speaker')}, "
        f"{hours_text(scores['hours'])}. "
        "Rates are computed once from summed counts, not averaged over clips."
    )


def hours_text(hours: float) -> str:
    """`0.05` as `3.0 min`, `2.5` as `2.50 h`."""
    return f"{hours:.2f} h" if hours >= 1 else f"{60 * hours:.1f} min"


def _speaker_note(scores: Mapping[str, Any], primary: str) -> str:
    many = len(scores["speakers"]) > SPEAKERS_SHOWN
    better = "to the right" if scores["primary_metric"]["higher_is_better"] else "to the left"
    return (
        f"{primary} of each speaker with a 95 % interval over the speaker's own clips; better is {better}. "
        "Line and band: all speakers together."
        + (f" The {SPEAKERS_SHOWN // 2} lowest and highest are shown." if many else "")
    )


def _column(title: str, numeric: bool) -> dict[str, Any]:
    return {"title": title, "numeric": numeric}


def _cell(text: str, *, numeric: bool = False, small: str = "", share: float | None = None) -> dict[str, Any]:
    width = None if share is None or not math.isfinite(share) else round(100 * min(max(share, 0.0), 1.0), 1)
    return {"text": text, "numeric": numeric, "small": small, "share": width}
