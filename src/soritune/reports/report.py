"""scores.json and predictions.jsonl to one HTML file: no network, no other file, light and dark, Hangul as
text."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

from soritune.errors import ManifestError
from soritune.inference.predictions import Predictions, read_predictions, tasks_of
from soritune.reports.figures import history_figure
from soritune.reports.history import history_rates, read_events
from soritune.reports.players import Players
from soritune.reports.score import Scores, load_scores
from soritune.reports.sections import (
    counted,
    hours_text,
    is_share,
    rate_range_text,
    rate_text,
    task_section,
)
from soritune.tasks.decoding.decoder import decoder_text
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
) -> Path:
    """Writes the report of a run folder (or of any folder that holds the two files).

    Args:
        folder: where the files are looked for and the report goes.
        scores_path: default `folder/scores.json`.
        predictions_path: default `folder/predictions/<the file the scores were made of>`, else `folder/<that
        file>`. output: default `folder/report.html`.
        audio: put players for the worst clips into the page.
        audio_root: where relative audio paths start; default: what the predictions file says.

    Returns:
        The report's path.

    Raises:
        ManifestError: scores or predictions are missing or damaged.
        OutputError: the place cannot be written to.
    """
    place = Path(folder)
    scores = load_scores(scores_path or place / "scores.json")
    predictions = read_predictions(predictions_path or _predictions_of(place, scores))
    root = audio_root or predictions.header.get("data", {}).get("root")
    html = render_report(
        scores,
        predictions,
        events=read_events(place / "train.jsonl"),
        players=Players(root if audio else None),
    )
    return write_text(output or place / "report.html", html)


def render_report(
    scores: Scores,
    predictions: Predictions,
    *,
    events: Sequence[Mapping[str, Any]] = (),
    players: Players | None = None,
) -> str:
    """The page as text.

    Args:
        scores: what the predictions were scored as.
        predictions: the same predictions.
        events: training events (`train.jsonl`), for the history plot.
        players: makes audio players; None makes none.
    """
    content = scores.content
    makers = players or Players(None)
    tasks = {task.name: task for task in predictions.tasks}
    sections = [
        task_section(tasks[name], own, predictions, makers)
        for name, own in scores.tasks.items()
        if name in tasks
    ]
    primary = [f"{name}/{own['primary_metric']['name']}" for name, own in scores.tasks.items()]
    history = history_figure(events, history_rates(events, primary))
    contents = [{"id": section["id"], "title": section["title"]} for section in sections]
    contents += [{"id": "history", "title": "Training"}] if history else []
    contents += [{"id": "provenance", "title": "Where this comes from"}]
    bundle = content["header"].get("bundle", {})
    failed = predictions.failed
    environment = _environment()
    return environment.get_template(
        "report.html.j2"
    ).render(
        title=_title(content),
        lead=_lead(content),
        css=Markup(_resource("report.css")),  # noqa: S704  (our own file)
        contents=contents,
        banners=[
            {"text": text, "kind": "strong" if index == 0 else ""}
            for index, text in enumerate(content["warnings"])
        ],
        tiles=[_rate_tiles(content), _size_tiles(content)],
        tasks=sections,
        history=history,
        history_note=_history_note(events),
        provenance=provenance(content),
        recipe=json.dumps(bundle["recipe"], ensure_ascii=False, indent=2) if bundle.get("recipe") else None,
        failed=failed[:FAILED_SHOWN],
        failed_more=len(failed) if len(failed) > FAILED_SHOWN else None,
        footer=f"Written by soritune {content['versions'].get('soritune', '')}, {content['created']}.",
    )


def provenance(content: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Name and value of everything known about where the numbers come from; unknown ones are left out."""
    header = content["header"]
    bundle, data = header.get("bundle", {}), header.get("data", {})
    trained, training = bundle.get("data") or {}, bundle.get("training") or {}
    policy = data.get("policy") or trained.get("split") or {}
    encoder = bundle.get("encoder") or {}
    split = " and ".join(policy.get("by", []))
    ensemble = [row["name"] for row in header.get("bundles", [])]
    rows = [
        ("Model", bundle.get("name")),
        ("Checkpoint", bundle.get("folder") if bundle.get("folder") != bundle.get("name") else None),
        ("Models averaged", ", ".join(ensemble) if len(ensemble) > 1 and not data.get("pooled") else None),
        ("Folds pooled", data.get("pooled")),
        ("Decoder", decoder_text(header["decoder"]) if header.get("decoder") else None),
        ("Weights (sha256)", bundle.get("sha256")),
        ("Encoder", " · ".join(str(encoder[key]) for key in ("model_type", "source") if encoder.get(key))),
        ("Recipe", bundle.get("recipe_name")),
        ("Trained", _training_text(training, bundle.get("created"))),
        ("Seed", bundle.get("seed")),
        ("Split judged", data.get("split")),
        (
            "Split rule",
            f"disjoint by {split}" if split and split != "random" else "random" if split else None,
        ),
        ("Test manifest (sha256)", data.get("manifest_hash")),
        ("Training manifest (sha256)", trained.get("manifest_hash")),
        ("Corpora", ", ".join(trained.get("sources") or [])),
        ("Training speech", "synthetic" if trained.get("synthetic") else None),
        ("Licence of the model", bundle.get("licence")),
        ("Code revision", bundle.get("git_revision")),
        ("Versions", ", ".join(f"{name} {version}" for name, version in header.get("versions", {}).items())),
        ("Predicted", header.get("created")),
        ("Scored", f"{content['created']}, {content['resamples']} resamples, seed {content['seed']}"),
    ]
    return [(name, str(value)) for name, value in rows if value not in (None, "")]


def _training_text(training: Mapping[str, Any], created: Any) -> str | None:
    if not training:
        return str(created) if created else None
    epoch = training.get("epoch")
    parts = [f"step {training.get('step')}", f"epoch {epoch:.4g}" if isinstance(epoch, int | float) else ""]
    parts += [f"{training['weights']} weights" if training.get("weights") else "", str(created or "")]
    return ", ".join(part for part in parts if part)


def _rate_tiles(content: Mapping[str, Any]) -> list[dict[str, Any]]:
    tasks = {task.name: task for task in tasks_of(content["header"])}
    tiles: list[dict[str, Any]] = []
    for name, own in content["tasks"].items():
        task = tasks[name]
        metric = own["primary_metric"]["name"]
        interval = own["rates"][metric]
        baseline = next((row["rates"].get(metric) for row in own["baselines"].values()), None)
        better = "higher is better" if own["primary_metric"]["higher_is_better"] else "lower is better"
        spread = rate_range_text(task, metric, interval)
        note = f"95 % interval {spread}" if spread != "–" else "no interval"
        tiles.append(
            {
                "big": True,
                "name": f"{name}: {metric} ({better})",
                "number": rate_text(task, metric, interval["value"]),
                "gauge": _gauge(interval, baseline) if is_share(task, metric) else None,
                "note": note
                + ("" if baseline is None else f" · baseline {rate_text(task, metric, baseline)}"),
            }
        )
    return tiles


def _size_tiles(content: Mapping[str, Any]) -> list[dict[str, Any]]:
    trained = (content["header"].get("bundle", {}).get("data") or {}).get("hours") or {}
    note = "none of them in training" if _speaker_disjoint(content) else ""
    tiles = [
        _tile("Clips", f"{content['num_utterances']:,}", hours_text(content["hours"])),
        _tile("Speakers", str(content["num_speakers"]), note),
    ]
    if isinstance(trained.get("train"), int | float):
        tiles.append(_tile("Trained on", hours_text(trained["train"]), "of speech"))
    return tiles


def _speaker_disjoint(content: Mapping[str, Any]) -> bool:
    data = content["header"].get("data", {})
    return data.get("split") == "test" and "speaker" in (data.get("policy") or {}).get("by", [])


def _tile(name: str, number: str, note: str) -> dict[str, Any]:
    return {"big": False, "name": name, "number": number, "gauge": None, "note": note}


def _gauge(interval: Mapping[str, Any], baseline: float | None) -> dict[str, Any] | None:
    """Places on a line from 0 to 100 %."""

    def place(value: float | None, otherwise: float | None) -> float | None:
        known = value if value is not None and math.isfinite(value) else otherwise
        return None if known is None else round(100 * min(max(known, 0.0), 1.0), 2)

    value = place(interval["value"], None)
    if value is None:
        return None
    low, high = place(interval["low"], interval["value"]), place(interval["high"], interval["value"])
    assert low is not None
    assert high is not None
    return {"value": value, "low": low, "width": round(high - low, 2), "baseline": place(baseline, None)}


def _title(content: Mapping[str, Any]) -> str:
    bundle = content["header"].get("bundle", {})
    return str(bundle.get("recipe_name") or bundle.get("name") or "Model")


def _lead(content: Mapping[str, Any]) -> str:
    data, tasks = content["header"].get("data", {}), " and ".join(content["tasks"])
    where = f"the {data['split']} split" if data.get("split") not in (None, "all") else "a manifest"
    pooled = f", {data['pooled']} folds together" if data.get("pooled") else ""
    size = f"{counted(content['num_utterances'], 'clip')} of {counted(content['num_speakers'], 'speaker')}"
    return f"{tasks} judged on {where}{pooled}: {size}"


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


def _predictions_of(folder: Path, scores: Scores) -> Path:
    name = str(scores.content["predictions"])
    for place in (folder / "predictions" / name, folder / name):
        if place.is_file():
            return place
    raise ManifestError(f"{name} is not there, nor under predictions/; give --predictions", path=folder)


def _environment() -> Environment:
    environment = Environment(
        loader=FunctionLoader(_resource), autoescape=True, undefined=StrictUndefined, trim_blocks=False
    )
    part = environment.get_template("table.html.j2")
    environment.globals["table"] = lambda table: Markup(part.render(part=table))  # noqa: S704  (escaped inside)
    return environment


def _resource(name: str) -> str:
    return files("soritune.reports").joinpath(name).read_text(encoding="utf-8")
