"""The top of a report: title, one sentence, and tiles with the primary rates and the amount of speech."""

from __future__ import annotations

import math
from typing import Any

from soritune.metrics.bootstrap import Interval
from soritune.reports.numbers import (
    doubt_text,
    has_range,
    hours_text,
    rate_name,
    rate_range_text,
    rate_text,
)
from soritune.reports.scores import Scores, TaskScores
from soritune.tasks.headline import is_share
from soritune.tasks.task import Task
from soritune.terminal_text import counted


def title(scores: Scores) -> str:
    """The recipe's name, else the model's."""
    model = scores.header.model
    return model.recipe_name or model.name or "Model"


def lead(scores: Scores) -> str:
    """What was judged on what, in one sentence."""
    data = scores.header.data
    where = f"the {data.split} split" if data.split not in (None, "all") else "a manifest"
    pooled = f", {data.pooled} folds together" if data.pooled else ""
    size = f"{counted(scores.num_utterances, 'clip')} of {counted(scores.num_speakers, 'speaker')}"
    norm = f", with {scores.header.speaker_norm}" if scores.header.speaker_norm else ""
    return f"{', '.join(scores.tasks)} judged on {where}{pooled}{norm}: {size}"


def rate_tiles(scores: Scores) -> list[dict[str, Any]]:
    """A tile for the primary rate of each task."""
    tasks = scores.header.tasks_by_name
    return [_rate_tile(tasks[name], task_scores) for name, task_scores in scores.tasks.items()]


def size_tiles(scores: Scores) -> list[dict[str, Any]]:
    """Tiles for clips, speakers and training speech."""
    trained = (scores.header.model.data.get("hours") or {}).get("train")
    note = "none of them in training" if _is_speaker_disjoint(scores) else ""
    tiles = [
        _size_tile("Clips", f"{scores.num_utterances:,}", hours_text(scores.hours)),
        _size_tile("Speakers", str(scores.num_speakers), note),
    ]
    if isinstance(trained, int | float):
        tiles.append(_size_tile("Trained on", hours_text(trained), "of speech"))
    return tiles


def _rate_tile(task: Task, scores: TaskScores) -> dict[str, Any]:
    metric, interval = scores.primary_metric, scores.primary_interval
    baseline = next((part.rates.get(metric.name) for part in scores.baselines.values()), None)
    better = "higher is better" if metric.higher_is_better else "lower is better"
    spread = f"95 % interval {rate_range_text(task, metric.name, interval)}"
    if has_range(interval):
        spread += doubt_text(interval, " · ")
    if scores.before is not None and metric.name in scores.before.rates:
        before = scores.before.rates[metric.name].value
        spread_before = f" · before fine-tuning {rate_text(task, metric.name, before)}"
    else:
        spread_before = ""
    beside = "" if baseline is None else f" · baseline {rate_text(task, metric.name, baseline)}"
    return {
        "big": True,
        "name": f"{task.name}: {rate_name(task, metric.name)}, {better}",
        "number": rate_text(task, metric.name, interval.value),
        "gauge": _gauge(interval, baseline) if is_share(task, metric.name) else None,
        "note": (spread if has_range(interval) else "no interval") + spread_before + beside,
    }


def _size_tile(name: str, number: str, note: str) -> dict[str, Any]:
    return {"big": False, "name": name, "number": number, "gauge": None, "note": note}


def _is_speaker_disjoint(scores: Scores) -> bool:
    data = scores.header.data
    return data.split == "test" and "speaker" in data.policy.get("by", [])


def _gauge(interval: Interval, baseline: float | None) -> dict[str, Any] | None:
    """Positions on a line from 0 to 100 %."""
    if not math.isfinite(interval.value):
        return None
    value = _position(interval.value)
    low = _position(interval.low) if math.isfinite(interval.low) else value
    high = _position(interval.high) if math.isfinite(interval.high) else value
    known = baseline is not None and math.isfinite(baseline)
    return {
        "value": value,
        "low": low,
        "width": round(high - low, 2),
        "baseline": _position(baseline) if known and baseline is not None else None,
    }


def _position(share: float) -> float:
    return round(100 * min(max(share, 0.0), 1.0), 2)
