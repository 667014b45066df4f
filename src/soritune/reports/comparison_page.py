"""A comparison as files: one JSON per model, a summary, and a page with players. Next: `reports/model_analysis.py`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from soritune.inference.json_values import without_nan
from soritune.inside_folder import file_names
from soritune.metrics.edit_distance import align
from soritune.reports.compare import Comparison, TaskComparison, verdict
from soritune.reports.group_gaps import FIELD_TITLES, FieldGroups
from soritune.reports.model_analysis import ModelAnalysis, TaskAnalysis
from soritune.reports.numbers import (
    UNKNOWN_NUMBER,
    doubt_text,
    points_text,
    range_text,
    rate_range_text,
    rate_text,
)
from soritune.reports.phone_analysis import PhoneShare
from soritune.reports.phone_heat_map import phone_heat_map
from soritune.reports.players import Players
from soritune.reports.templates import page_environment, resource
from soritune.tasks.phones.phone_errors import phone_name, phones_of_pair
from soritune.tasks.results import Pair
from soritune.tasks.task import Task
from soritune.terminal_text import counted
from soritune.whole_file import write_text

PAGE, SUMMARY = "comparison.html", "summary.json"
PHONES_SHOWN = 15
EXAMPLES = 4
"""Clips of each kind: most improved by the last model, and worst of it."""


def write_comparison(
    folder: Path | str,
    models: Sequence[ModelAnalysis],
    comparison: Comparison | None,
    *,
    audio_root: Path | str | None = None,
    audio: bool = True,
) -> list[Path]:
    """Writes NAME.json for each model, summary.json and comparison.html.

    Args:
        folder: is made if it is missing.
        models: in the order of the comparison; the first one is what the others are compared with.
        comparison: of these models; None for a single one.
        audio_root: where relative audio paths start, instead of what the predictions state.
        audio: put players into the page.

    Returns:
        The files, the page last.

    Raises:
        OutputError: they cannot be written.
    """
    folder = Path(folder)
    names = file_names([model.name for model in models], ".json", taken=(SUMMARY,))
    files = [
        write_text(folder / name, _json(model.to_json())) for name, model in zip(names, models, strict=True)
    ]
    summary = {
        "models": [{"name": model.name, "file": file} for model, file in zip(models, names, strict=True)],
        "comparison": None if comparison is None else comparison.to_json(),
    }
    files.append(write_text(folder / SUMMARY, _json(summary)))
    root = audio_root or models[0].predictions.header.data.root
    page = comparison_page(models, comparison, Players(root if audio else None))
    return [*files, write_text(folder / PAGE, page)]


def comparison_page(models: Sequence[ModelAnalysis], comparison: Comparison | None, players: Players) -> str:
    """The page as text."""
    compared = {} if comparison is None else {task.name: task for task in comparison.tasks}
    shared = [name for name in models[0].tasks if all(name in model.tasks for model in models)]
    sections = [_section(name, models, compared.get(name), players) for name in shared]
    warnings = dict.fromkeys(warning for model in models for warning in model.scores.warnings)
    first = models[0].scores
    template = page_environment().get_template("comparison_page.html.j2")
    return template.render(
        css=resource("report.css"),
        title=" · ".join(model.name for model in models),
        lead=f"{counted(first.num_utterances, 'clip')}, {counted(first.num_speakers, 'speaker')}",
        warnings=list(warnings),
        sections=sections,
        footer=f"Written by soritune {first.versions.get('soritune', '')}, scored {first.created}.",
    )


def _section(
    name: str, models: Sequence[ModelAnalysis], compared: TaskComparison | None, players: Players
) -> dict[str, Any]:
    parts = [model.tasks[name] for model in models]
    names = [model.name for model in models]
    return {
        "id": name,
        "title": name,
        "rates": _rates_table(names, parts),
        "differences": None if compared is None else _differences_table(names, compared),
        "notes": [] if compared is None else list(compared.notes),
        "fields": [_field(each.field, names, parts) for each in parts[0].fields],
        "phones": _phones_table(names, parts),
        "heat_maps": [
            {"title": model, "svg": phone_heat_map(part.phones)}
            for model, part in zip(names, parts, strict=True)
            if part.phones is not None
        ],
        "examples": _examples(name, models, players),
    }


def _rates_table(names: Sequence[str], parts: Sequence[TaskAnalysis]) -> dict[str, Any]:
    task, primary = parts[0].task, parts[0].scores.primary_metric.name
    rows = []
    for rate in parts[0].scores.rates:
        cells = [_cell(rate, small=_title(task, rate))]
        for part in parts:
            interval = part.scores.rates.get(rate)
            if interval is None:
                cells.append(_cell(UNKNOWN_NUMBER, numeric=True))
            else:
                cells.append(
                    _cell(
                        rate_text(task, rate, interval.value),
                        numeric=True,
                        small=rate_range_text(task, rate, interval) + doubt_text(interval),
                    )
                )
        rows.append({"cells": cells, "primary": rate == primary})
    return _table(["rate", *names], rows, "Small: 95 % intervals, bootstrap over speakers.")


def _differences_table(names: Sequence[str], compared: TaskComparison) -> dict[str, Any]:
    rows = []
    for name, difference in zip(names, compared.differences, strict=True):
        if difference is None or compared.primary not in difference:
            continue
        gap = difference[compared.primary]
        cells = [
            _cell(f"{name} − {names[0]}"),
            _cell(points_text(compared.task, compared.primary, gap.value), numeric=True),
            _cell(rate_range_text(compared.task, compared.primary, gap), numeric=True),
            _cell(verdict(gap, compared.higher_is_better), small="" if gap.reliable else "unreliable"),
        ]
        rows.append({"cells": cells, "primary": False})
    note = f"Paired over the {compared.common_speakers} speakers that all models were judged on."
    return _table([compared.primary, "difference", "95 % interval", "verdict"], rows, note, numeric=(1, 2))


def _field(field: str, names: Sequence[str], parts: Sequence[TaskAnalysis]) -> dict[str, Any]:
    """The groups of a field by model, and their gaps."""
    task, rate = parts[0].task, parts[0].scores.primary_metric.name
    first = parts[0].fields[[each.field for each in parts[0].fields].index(field)]
    of_models = [{each.field: each for each in part.fields}.get(field) for part in parts]
    title = FIELD_TITLES.get(field, field)
    rows = []
    for group, facts in first.groups.items():
        cells = [
            _cell(group),
            _cell(str(facts.num_utterances), numeric=True),
            _cell(str(facts.num_speakers), numeric=True),
        ]
        cells += [_group_cell(task, rate, each, group) for each in of_models]
        rows.append({"cells": cells, "primary": False})
    gaps = []
    for gap in first.gaps:
        cells = [_cell(f"{gap.group} − {gap.against}")]
        cells += [_gap_cell(task, rate, each, gap.group, gap.against) for each in of_models]
        gaps.append({"cells": cells, "primary": False})
    note = (
        f"{rate} of each group minus that of the largest one. Small: 95 % intervals, both groups over the same drawn "
        "speakers; a gap is uncertain with fewer than 10 speakers in a group."
    )
    return {
        "title": title,
        "groups": _table([title, "clips", "speakers", *names], rows, f"{rate} by {title.lower()}."),
        "gaps": _table(["gap", *names], gaps, note),
    }


def _group_cell(task: Task, rate: str, each: FieldGroups | None, group: str) -> dict[str, Any]:
    scores = None if each is None else each.groups.get(group)
    if scores is None:
        return _cell(UNKNOWN_NUMBER, numeric=True)
    interval = scores.rates[rate]
    small = rate_range_text(task, rate, interval) + doubt_text(interval)
    return _cell(rate_text(task, rate, interval.value), numeric=True, small=small)


def _gap_cell(task: Task, rate: str, each: FieldGroups | None, group: str, against: str) -> dict[str, Any]:
    known = () if each is None else each.gaps
    gap = next((gap.difference for gap in known if (gap.group, gap.against) == (group, against)), None)
    if gap is None:
        return _cell(UNKNOWN_NUMBER, numeric=True)
    small = rate_range_text(task, rate, gap) + doubt_text(gap)
    return _cell(points_text(task, rate, gap.value), numeric=True, small=small)


def _phones_table(names: Sequence[str], parts: Sequence[TaskAnalysis]) -> dict[str, Any] | None:
    """The weakest phones of the last model beside the others."""
    last = parts[-1].phones
    if last is None:
        return None
    of_models = [{p.symbol: p for p in part.phones.phones} if part.phones else {} for part in parts]
    rows = []
    for phone in last.phones[:PHONES_SHOWN]:
        cells = [_cell(phone_name(phone.symbol)), _cell(str(phone.total), numeric=True)]
        cells += [_phone_cell(known.get(phone.symbol)) for known in of_models]
        cells.append(_cell(_instead(phone)))
        rows.append({"cells": cells, "primary": False})
    note = (
        "Share of each phone that was not recognised as itself. Small: 95 % intervals, bootstrap over speakers. "
        "Ordered by the lower end of the Wilson interval of the last model, which moves rare phones back."
    )
    numeric = tuple(range(1, len(names) + 2))
    return _table(["phone", "occurrences", *names, "instead"], rows, note, numeric=numeric)


def _phone_cell(phone: PhoneShare | None) -> dict[str, Any]:
    if phone is None:
        return _cell(UNKNOWN_NUMBER, numeric=True)
    return _cell(
        f"{100 * phone.share.value:.1f} %",
        numeric=True,
        small=range_text(phone.share) + doubt_text(phone.share),
    )


def _instead(phone: PhoneShare) -> str:
    return ", ".join(
        f"{'nothing' if symbol is None else phone_name(symbol)} ×{times}" for symbol, times in phone.instead
    )


@dataclass(frozen=True, slots=True)
class _Clip:
    """One clip under every model."""

    id: str
    text: str | None
    reference: list[str]
    hypotheses: list[list[str]]
    errors: list[int]


def _examples(name: str, models: Sequence[ModelAnalysis], players: Players) -> list[dict[str, Any]]:
    """Clips that the last model improves most over the first, and its worst ones; each once."""
    clips = _clips(name, models)
    worst = sorted(clips, key=lambda clip: (-clip.errors[-1] / max(1, len(clip.reference)), clip.id))
    gained = sorted(
        (clip for clip in clips if clip.errors[-1] < clip.errors[0]),
        key=lambda clip: (clip.errors[-1] - clip.errors[0], clip.id),
    )
    kinds = [("worst", worst[:EXAMPLES])]
    if len(models) > 1:
        kinds.insert(0, ("most improved", gained[:EXAMPLES]))
    rows = {row["id"]: row for row in models[0].predictions.good}
    shown: dict[str, dict[str, Any]] = {}
    for kind, chosen in kinds:
        for clip in chosen:
            if clip.id not in shown:
                shown[clip.id] = _example(clip, kind, models, players.player(rows[clip.id]))
    return list(shown.values())


def _clips(name: str, models: Sequence[ModelAnalysis]) -> list[_Clip]:
    """The clips with phones that all models predicted."""
    by_id: list[Mapping[str, Pair]] = [
        {pair.id: pair for pair in model.tasks[name].pairs} for model in models
    ]
    clips = []
    for clip, pair in by_id[0].items():
        sides = [phones_of_pair(pairs[clip]) if clip in pairs else None for pairs in by_id]
        known = [side for side in sides if side is not None]
        if len(known) < len(sides):
            continue
        reference = known[0][0]
        hypotheses = [hypothesis for _, hypothesis in known]
        errors = [sum(a != b for a, b in align(reference, hypothesis).columns) for hypothesis in hypotheses]
        clips.append(_Clip(clip, pair.reference.get("text"), reference, hypotheses, errors))
    return clips


def _example(clip: _Clip, kind: str, models: Sequence[ModelAnalysis], player: str | None) -> dict[str, Any]:
    lines = []
    for model, hypothesis, errors in zip(models, clip.hypotheses, clip.errors, strict=True):
        columns = []
        for expected, recognised in align(clip.reference, hypothesis).columns:
            step = "equal" if expected == recognised else "ins" if expected is None else "sub"
            if recognised is None:
                step = "del"
            columns.append({"kind": step, "expected": expected or "·", "recognised": recognised or "·"})
        lines.append({"model": model.name, "errors": counted(errors, "error"), "columns": columns})
    return {"id": clip.id, "text": clip.text, "kind": kind, "player": player, "lines": lines}


def _title(task: Task, rate: str) -> str:
    described = task.rate_descriptions.get(rate)
    return "" if described is None else described.title


def _table(
    titles: Sequence[str], rows: list[dict[str, Any]], note: str, numeric: Sequence[int] | None = None
) -> dict[str, Any]:
    numbers = range(1, len(titles)) if numeric is None else numeric
    columns = [{"title": title, "numeric": index in numbers} for index, title in enumerate(titles)]
    # `has_intervals` stacks the cells of a row on a telephone, where names of models do not fit beside each other.
    return {"columns": columns, "rows": rows, "note": note, "has_intervals": True}


def _cell(text: str, *, numeric: bool = False, small: str = "") -> dict[str, Any]:
    return {"text": text, "numeric": numeric, "small": small, "share": None}


def _json(content: Mapping[str, Any]) -> str:
    return json.dumps(without_nan(dict(content)), ensure_ascii=False, indent=1) + "\n"
