"""scores.json and predictions.jsonl to one HTML file: no network, no other file, light and dark, Hangul as text."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from markupsafe import Markup

from soritune.errors import ManifestError
from soritune.inference.predictions import Predictions, read_predictions
from soritune.inside_folder import path_inside
from soritune.reports.before import scores_before
from soritune.reports.figures import Chart, history_figures
from soritune.reports.history import history_rates, read_events
from soritune.reports.numbers import hours_text
from soritune.reports.overview import lead, rate_tiles, size_tiles, title
from soritune.reports.phone_notation import check_notation
from soritune.reports.players import Players
from soritune.reports.provenance import provenance
from soritune.reports.scores import Scores, load_scores
from soritune.reports.sections import Before, task_section
from soritune.reports.templates import page_environment, resource
from soritune.reports.words import Language, Words
from soritune.run_folder import RunFolder
from soritune.tasks.notation import Notation
from soritune.whole_file import write_text

FAILED_SHOWN = 50


def write_report(
    folder: Path | str,
    *,
    scores_path: Path | str | None = None,
    predictions_path: Path | str | None = None,
    output: Path | str | None = None,
    audio: bool = True,
    audio_root: Path | str | None = None,
    language: Language = "en",
    phones: Notation | None = None,
) -> Path:
    """Writes the report of a run folder (or of any folder that holds the two files).

    Args:
        folder: holds the files; the report is written into it.
        scores_path: default `folder/scores.json`.
        predictions_path: default `folder/predictions/<the file the scores were made of>`, else
            `folder/<that file>`.
        output: default `folder/report.html`.
        audio: put players for the worst clips into the page.
        audio_root: where relative audio paths start; default: what the predictions file states.
        language: of the page: `en` or `ko`.
        phones: how phones are written: `jamo`, `ipa` or `codes`; default: jamo for Korean phones, codes for others.

    Returns:
        The report's path.

    Raises:
        ManifestError: scores or predictions are missing or damaged.
        OutputError: the path cannot be written to.
        TaskError: no task has phones in the notation `phones`.
    """
    run = RunFolder(Path(folder))
    scores = load_scores(scores_path or run.scores())
    predictions_path = Path(predictions_path or predictions_of(run, scores))
    predictions = read_predictions(predictions_path)
    root = audio_root or predictions.header.data.root
    html = render_report(
        scores,
        predictions,
        events=read_events(run.events),
        players=Players(root if audio else None),
        words=Words(language),
        phones=phones,
        before=_before(predictions_path, scores),
    )
    return write_text(output or run.report(), html)


def render_report(
    scores: Scores,
    predictions: Predictions,
    *,
    events: Sequence[Mapping[str, Any]] = (),
    players: Players | None = None,
    words: Words | None = None,
    phones: Notation | None = None,
    before: Before | None = None,
) -> str:
    """The page as text.

    Args:
        scores: what the predictions were scored as.
        predictions: the same predictions.
        events: training events (`train.jsonl`), for the history plot.
        players: makes audio players; None leaves them out.
        words: the texts of the page; None is English.
        phones: as for `write_report`.
        before: of the same clips before fine-tuning, which tables by speaker, phone and class have beside.
    """
    words = words or Words()
    check_notation(predictions.tasks, phones)
    makers = players or Players(None)
    tasks = predictions.header.tasks_by_name
    sections = [
        task_section(tasks[name], task_scores, predictions, makers, phones, before)
        for name, task_scores in scores.tasks.items()
        if name in tasks
    ]
    primary = [f"{name}/{task_scores.primary_metric.name}" for name, task_scores in scores.tasks.items()]
    history = history_figures(events, history_rates(events, primary))
    contents = [{"id": section["id"], "title": section["title"]} for section in sections]
    contents += [{"id": "history", "title": "Training"}] if history else []
    contents += [{"id": "provenance", "title": "Where this comes from"}]
    recipe = scores.header.model.recipe
    failed = predictions.failed
    environment = page_environment(words)
    environment.globals["chart"] = partial(_chart, words)
    return environment.get_template(
        "report.html.j2"
    ).render(
        title=title(scores),
        language=words.language,
        lead=lead(scores),
        css=Markup(resource("report.css")),  # noqa: S704  (our own file)
        contents=contents,
        banners=[
            {"text": text, "kind": "strong" if index == 0 else ""}
            for index, text in enumerate(scores.warnings)
        ],
        tiles=[rate_tiles(scores), size_tiles(scores)],
        tasks=sections,
        history=history,
        history_note=_history_note(events),
        provenance=provenance(scores),
        recipe=json.dumps(recipe, ensure_ascii=False, indent=2) if recipe else None,
        failed=failed[:FAILED_SHOWN],
        failed_more=len(failed) if len(failed) > FAILED_SHOWN else None,
        footer=f"Written by soritune {scores.versions.get('soritune', '')}, {scores.created}.",
    )


def _before(predictions_path: Path, scores: Scores) -> Before | None:
    """What the run has of the same clips before fine-tuning; None without both files."""
    path = scores_before(predictions_path, scores)
    if path is None:
        return None
    before = load_scores(path)
    try:
        return Before(before, read_predictions(predictions_of(RunFolder(path.parent), before)))
    except ManifestError:  # a report of the result does not need them
        return None


def _chart(words: Words, figure: Chart) -> Markup:
    """A figure, and its narrow form for telephones if it has one."""
    texts = [words.figure(svg) for svg in ((figure,) if isinstance(figure, str) else figure)]
    kinds = ["wide", "narrow"] if len(texts) == 2 else [""]
    return Markup("").join(
        Markup(f'<figure class="{kind}">{text}</figure>')  # noqa: S704  (our own drawing)
        for kind, text in zip(kinds, texts, strict=True)
    )


def _history_note(events: Sequence[Mapping[str, Any]]) -> str:
    starts = [event for event in events if event.get("event") == "start"]
    start: Mapping[str, Any] = starts[-1] if starts else {}  # the last phase's hours hold those before it
    end: Mapping[str, Any] = next((event for event in reversed(events) if event.get("event") == "end"), {})
    parts = []
    if isinstance(start.get("train_hours"), int | float):
        parts.append(f"{hours_text(start['train_hours'])} of training speech")
    if end.get("step"):
        parts.append(f"{end['step']} steps")
    if isinstance(end.get("seconds"), int | float):
        parts.append(f"{end['seconds'] / 60:.1f} minutes")
    if start.get("device"):
        parts.append(f"on {start['device']}")
    return ", ".join(parts) + "." if parts else ""


def predictions_of(run: RunFolder, scores: Scores) -> Path:
    """The predictions file in a folder from which its scores were computed.

    Raises:
        ManifestError: it is missing.
    """
    name = scores.predictions
    for path in (path_inside(folder, name, links=True) for folder in (run.predictions().parent, run.path)):
        if path.is_file():
            return path
    raise ManifestError(f"{name} is missing, here and under predictions/; give --predictions", path=run.path)
