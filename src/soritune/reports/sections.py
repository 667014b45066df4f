"""One task's part of a report: numbers from scores.json and `Task.report` turned into what the template shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from soritune.inference.predictions import Predictions
from soritune.metrics.classification import class_table
from soritune.reports.figures import (
    SPEAKERS_SHOWN,
    Chart,
    calibration_figure,
    class_figures,
    matrix_figure,
    speaker_figures,
)
from soritune.reports.grouping import UNKNOWN
from soritune.reports.numbers import hours_text, percent, rate_name, temperature_note
from soritune.reports.page_tables import (
    beside_before,
    certain_table,
    coverage_table,
    group_table,
    rates_table,
    shown_table,
)
from soritune.reports.phone_notation import LEGEND_NOTES, PhoneTexts
from soritune.reports.players import Players
from soritune.reports.score import has_single_labels, pairs_of
from soritune.reports.scores import Scores, TaskScores
from soritune.reports.speaker_table import speaker_table
from soritune.reports.timeline import Track, label_colours, timeline_lines
from soritune.tasks.headline import is_share
from soritune.tasks.notation import Notation
from soritune.tasks.results import Alignment, Pair, Table
from soritune.tasks.task import Task
from soritune.terminal_text import counted

WORST_ERRORS = 8
"""Confident errors shown."""
TIMELINES_SHOWN = 6
"""Recordings that were cut whose labels are shown over time."""
CLASSES_DRAWN = 12
"""With more classes than this, bars say less than the table."""


class Before(NamedTuple):
    """The scores and predictions of the weights that a run was given, on the same clips."""

    scores: Scores
    predictions: Predictions


def task_section(
    task: Task,
    scores: TaskScores,
    predictions: Predictions,
    players: Players,
    notation: Notation | None = None,
    before: Before | None = None,
) -> dict[str, Any]:
    """What the template shows of one task; `before` is of the same clips before fine-tuning."""
    pairs = pairs_of(predictions, task.name)
    phones = PhoneTexts.of(task, notation)
    section = phones.written(task.report(pairs))
    before_scores, before_pairs, before_tables = None, list[Pair](), dict[str, Table]()
    # Only a head and inputs that were kept can be compared, as `with_before` found.
    if before is not None and scores.before is not None and task.name in before.scores.tasks:
        before_scores = before.scores.tasks[task.name]
        before_pairs = pairs_of(before.predictions, task.name)
        before_tables = {table.title: table for table in phones.written(task.report(before_pairs)).tables}
    rows = {row["id"]: row for row in predictions.good}
    primary, calibration = scores.primary_metric.name, scores.calibration
    figures: dict[str, Chart | None] = {"speakers": None, "calibration": None}
    if len(scores.speakers) > 1:
        figures["speakers"] = speaker_figures(
            scores.speakers, primary, scores.primary_interval, in_percent=is_share(task, primary)
        )
    if calibration is not None and calibration.bins:
        figures["calibration"] = calibration_figure(calibration.bins)
    alignments = [_alignment(item, pairs, rows, players) for item in section.alignments]
    errors = _errors(task, pairs, rows, players)
    unlabelled = scores.num_unlabelled
    return {
        "id": task.name,
        "title": section.title,
        "note": _counts_text(scores)
        + (f" Left out: {counted(unlabelled, 'clip')} without a reference." if unlabelled else ""),
        "rates": rates_table(task, scores, predictions.header),
        "certain": certain_table(task, scores),
        "coverage": coverage_table(task, scores),
        "figures": figures,
        "speaker_note": _speaker_note(task, scores),
        "speakers": speaker_table(task, scores, pairs, before_scores, before_pairs)
        if set(scores.speakers) - {UNKNOWN}
        else None,
        "groups": [group_table(task, field, groups, scores) for field, groups in scores.groups.items()],
        "matrices": [{"title": m.title, "svg": matrix_figure(m.labels, m.counts)} for m in section.matrices],
        "classes": [
            class_figures(matrix.labels, class_table(matrix.counts))
            for matrix in section.matrices
            if len(matrix.labels) <= CLASSES_DRAWN
        ],
        "ece": temperature_note(scores)
        or ("" if calibration is None else f"Expected calibration error {calibration.ece:.3f}."),
        "tables": [
            shown_table(beside_before(part, before_tables.get(part.title)))
            for part in section.tables
            if part.rows
        ],
        "errors": errors,
        "timelines": _timelines(task, pairs, rows),
        "alignments": alignments,
        "legend": phones.legend() if any(item.is_of_phones for item in section.alignments) else [],
        "legend_note": LEGEND_NOTES[phones.notation],
        "has_players": any(item["player"] for item in [*errors, *alignments]),
    }


def _errors(
    task: Task, pairs: Sequence[Pair], rows: Mapping[str, Any], players: Players
) -> list[dict[str, Any]]:
    """Wrong labels the model was surest of; empty for tasks that give no label."""
    if not has_single_labels(task, pairs):
        return []
    labelled = [pair for pair in pairs if pair.reference["label"] is not None]
    wrong = [pair for pair in labelled if pair.prediction.fields["label"] != pair.reference["label"]]
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


def _timelines(task: Task, pairs: Sequence[Pair], rows: Mapping[str, Any]) -> dict[str, Any] | None:
    """Labels over time of recordings that were cut, wrong ones and long ones first; None without any."""
    cut = [pair for pair in pairs if rows[pair.id].get("windows")]
    if not cut or not has_single_labels(task, pairs):
        return None
    cut.sort(
        key=lambda pair: (
            pair.reference["label"] in (None, pair.prediction.fields["label"]),
            -pair.duration_s,
            pair.id,
        )
    )
    colours = label_colours(task.outputs[0].labels)
    return {
        "colours": colours,
        "recordings": [
            {
                "id": pair.id,
                "reference": pair.reference["label"] or "(tied ratings)",
                "predicted": pair.prediction.fields["label"],
                "lines": timeline_lines([Track.of(rows[pair.id], task.name)], colours),
            }
            for pair in cut[:TIMELINES_SHOWN]
        ],
        "note": f"{counted(len(cut), 'recording')} predicted in windows; wrong ones first, then by length"
        + (f"; {TIMELINES_SHOWN} are shown." if len(cut) > TIMELINES_SHOWN else "."),
    }


def _alignment(
    item: Alignment, pairs: Sequence[Pair], rows: Mapping[str, Any], players: Players
) -> dict[str, Any]:
    columns = []
    errors = 0
    for reference, hypothesis in zip(item.reference, item.hypothesis, strict=True):
        kind = "sub"
        if reference == hypothesis:
            kind = "equal"
        elif reference is None or hypothesis is None:
            kind = "ins" if reference is None else "del"
        errors += kind != "equal"
        columns.append({"kind": kind, "reference": reference or "·", "hypothesis": hypothesis or "·"})
    length = sum(reference is not None for reference in item.reference)
    row = rows.get(item.id, {})
    text = next((pair.reference.get("text") for pair in pairs if pair.id == item.id), None)
    return {
        "id": item.id,
        "text": text,
        "score": f"{counted(errors, 'error')} in {length}",
        "columns": columns,
        "player": players.player(row) if row else None,
    }


def _counts_text(scores: TaskScores) -> str:
    return (
        f"{counted(scores.num_utterances, 'clip')}, {counted(scores.num_speakers, 'speaker')}, "
        f"{hours_text(scores.hours)}. "
        "Rates are computed once from summed counts, not averaged over clips."
    )


def _speaker_note(task: Task, scores: TaskScores) -> str:
    many = len(scores.speakers) > SPEAKERS_SHOWN
    better = "to the right" if scores.primary_metric.higher_is_better else "to the left"
    return (
        f"{rate_name(task, scores.primary_metric.name)} of each speaker with a 95 % interval over the speaker's own "
        f"clips; better is {better}. Line and band: all speakers together."
        + (f" The {SPEAKERS_SHOWN // 2} lowest and highest are shown." if many else "")
    )
