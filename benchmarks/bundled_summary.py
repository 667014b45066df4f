"""Part of `bundled_encoder.py`: writes the scores of the runs as one JSON file and Markdown tables.

The counts of a speaker are summed over the seeds. Then soritune's bootstrap draws speakers, the same ones for both
sides of a difference.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from bundled_queue import DONE, Queue, write_json
from bundled_runs import ADAPTED, BOTH, ENCODER, METHODS, RANDOM, Run, about, manifest_of
from emotion_augmentation_summary import baseline_counts

from soritune.bundles.versions import versions
from soritune.corpus.manifest import load_manifest
from soritune.corpus.splitting.splits import load_splits
from soritune.inference.json_values import without_nan
from soritune.metrics.bootstrap import Interval, paired_difference, speaker_intervals
from soritune.reports.compare import verdict
from soritune.reports.scores import load_scores
from soritune.stages.trained_baselines import Fold
from soritune.tasks.results import Counts, add_counts
from soritune.tasks.task import Task

PerSpeaker = dict[str, Counts]
SHOWN = {
    "phones": ("per",),
    "emotion": ("ua",),
    "l2": ("per", "error_f1", "error_precision", "error_recall", "error_ler", "error_acc", "mdd_f1"),
}
"""Rates in the tables; the JSON file has all rates."""
GROUPS: dict[str, Callable[[str], bool]] = {
    "all": lambda speaker: True,
    "em*": lambda speaker: speaker.startswith("em"),
    "ne*": lambda speaker: speaker.startswith("ne"),
}


@dataclass
class Side:
    """Finished runs of one start by seed."""

    task: Task | None
    seeds: dict[int, PerSpeaker]
    baselines: dict[str, Any]

    def pooled(self, seeds: Sequence[int], chosen: Callable[[str], bool] = GROUPS["all"]) -> PerSpeaker:
        """Counts per speaker summed over the seeds."""
        speakers = sorted({s for seed in seeds for s in self.seeds[seed] if chosen(s)})
        return {s: add_counts([self.seeds[seed][s] for seed in seeds]) for s in speakers}


def side(work: Path, what: str, start: str, seeds: Sequence[int]) -> Side:
    """The finished runs of a start."""
    result = Side(None, {}, {})
    for seed in seeds:
        folder = work / "runs" / f"{what}-{start}-s{seed}"
        if (folder / DONE).exists():
            result.task, result.seeds[seed], result.baselines = read_scores(folder)
    return result


def read_scores(folder: Path) -> tuple[Task, PerSpeaker, dict[str, Any]]:
    """The first evaluated task, its counts per speaker and its baselines."""
    scores = load_scores(folder)
    name = next(iter(scores.tasks))
    task_scores = scores.tasks[name]
    counts = {speaker: dict(row.counts) for speaker, row in task_scores.speakers.items()}
    baselines = {baseline: row.to_json() for baseline, row in task_scores.baselines.items()}
    return scores.header.tasks_by_name[name], counts, baselines


def rates(task: Task, counts: PerSpeaker) -> dict[str, Any]:
    """All rates with intervals over speakers."""
    intervals = speaker_intervals(list(counts.values()), task.rates, contributes_fn=task.contributes)
    return {name: interval.to_json() for name, interval in intervals.items()}


def difference(task: Task, first: PerSpeaker, second: PerSpeaker) -> dict[str, Any]:
    """Rates of `second` minus those of `first`, paired over the speakers that both have."""
    common = [speaker for speaker in first if speaker in second]
    gaps = paired_difference(
        [first[s] for s in common], [second[s] for s in common], task.rates, contributes_fn=task.contributes
    )
    return {
        name: gap.to_json() | {"verdict": verdict(gap, task.higher_is_better(name))}
        for name, gap in gaps.items()
    }


def comparison(
    work: Path,
    what: str,
    starts: Sequence[str],
    seeds: Sequence[int],
    chosen: Callable[[str], bool] = GROUPS["all"],
) -> dict[str, Any]:
    """Every start over its seeds, and the difference of each to the last start over their common seeds."""
    sides = {start: side(work, what, start, seeds) for start in starts}
    result: dict[str, Any] = {"starts": {}, "differences": {}}
    for start, side_of_start in sides.items():
        if side_of_start.task is None:
            continue
        result["baselines"] = side_of_start.baselines
        result["starts"][start] = {
            "seeds": list(side_of_start.seeds),
            "per_seed": {
                seed: side_of_start.task.rates(
                    add_counts(list(side_of_start.pooled([seed], chosen).values()))
                )
                for seed in side_of_start.seeds
            },
            "rates": rates(side_of_start.task, side_of_start.pooled(list(side_of_start.seeds), chosen)),
        }
    last = sides[starts[-1]]
    for start in starts[:-1]:
        side_of_start = sides[start]
        common = [seed for seed in side_of_start.seeds if seed in last.seeds]
        if side_of_start.task is not None and common:
            gaps = difference(
                side_of_start.task, last.pooled(common, chosen), side_of_start.pooled(common, chosen)
            )
            result["differences"][f"{start} - {starts[-1]}"] = {"seeds": common, "rates": gaps}
    return result


def emotion(work: Path, seeds: Sequence[int]) -> dict[str, Any]:
    """Per group of speakers: the starts, the baselines on the same folds, and the encoder minus each baseline."""
    starts = ("frozen", ENCODER, RANDOM)
    result = {name: comparison(work, "emotion", starts, seeds, chosen) for name, chosen in GROUPS.items()}
    finished = (run for run in sorted((work / "runs").glob("emotion-*")) if (run / DONE).exists())
    folder = next(finished, None)
    if folder is None:
        return result
    task, _, _ = read_scores(folder)
    simple = _simple(work, folder, task)
    encoder = side(work, "emotion", ENCODER, seeds)
    for name, chosen in GROUPS.items():
        part = result[name]
        part["baselines"] = {}
        for baseline, all_counts in simple.items():
            counts = {speaker: row for speaker, row in all_counts.items() if chosen(speaker)}
            part["baselines"][baseline] = {"rates": rates(task, counts)}
            if encoder.seeds:
                # Repeated once per seed, so that both sides have the same weight.
                repeated = {s: add_counts([row] * len(encoder.seeds)) for s, row in counts.items()}
                gaps = difference(task, repeated, encoder.pooled(list(encoder.seeds), chosen))
                part["differences"][f"{ENCODER} - {baseline}"] = {"seeds": list(encoder.seeds), "rates": gaps}
    return result


def _simple(work: Path, folder: Path, task: Task) -> dict[str, PerSpeaker]:
    """Counts of the baselines per speaker; computed once and cached in a file."""
    file = work / "emotion_baselines.json"
    if not file.exists():
        manifest = load_manifest(folder / "checked.parquet")
        splits = [load_splits(part / "splits.parquet") for part in sorted(folder.glob("fold-*"))]
        counted = baseline_counts(task, manifest, [Fold.of(part, manifest) for part in splits])
        content = {
            name: {
                speaker: {key: np.asarray(value).tolist() for key, value in row.items()}
                for speaker, row in rows.items()
            }
            for name, rows in counted.items()
        }
        write_json(file, content)
    cached = json.loads(file.read_text("utf-8"))
    return {
        name: {
            speaker: {key: np.asarray(value) for key, value in row.items()} for speaker, row in rows.items()
        }
        for name, rows in cached.items()
    }


def parts_of(corpus: str, work: Path) -> dict[str, Callable[[str], bool]]:
    """The corpus and, for both corpora together, the speakers of each."""
    if corpus != BOTH:
        return {corpus: GROUPS["all"]}
    speakers: dict[str, set[str]] = {}
    for row in load_manifest(manifest_of(corpus, work)):
        speakers.setdefault(str(row.source), set()).add(str(row.speaker))
    return {BOTH: GROUPS["all"], **{name: names.__contains__ for name, names in sorted(speakers.items())}}


def adaptation(work: Path, seeds: Sequence[int]) -> dict[str, Any]:
    """The adaptation methods compared with training all weights, and their costs."""
    result = comparison(work, f"phones-{ADAPTED}", ("head", "lora", ENCODER), seeds)
    result["cost"] = {}
    for method, start in METHODS.items():
        records = [
            json.loads(file.read_text("utf-8"))
            for seed in seeds
            if (file := work / "runs" / f"phones-{ADAPTED}-{start}-s{seed}" / DONE).exists()
        ]
        if not records:
            continue
        first = records[0]
        seconds = [s for record in records for s in record["train_s"] if s is not None]
        steps = [s for record in records for s in record["steps"] if s is not None]
        row = {
            "trainable": first["trainable"],
            "parameters": first["parameters"],
            "bundle_mb": round(first["bundle_bytes"] / 1e6, 3),
            "train_s_of_a_fold": round(float(np.mean(seconds)), 1),
            "steps_of_a_fold": round(float(np.mean(steps)), 1),
            "timed_with_jobs": sorted({record["jobs"] for record in records}),
            "device": first["device"],
            "precision": first["precision"],
        }
        timed = work / "runs" / f"timing-{method}" / DONE
        if timed.exists():
            alone = json.loads(timed.read_text("utf-8"))
            whole = first["steps"][0]
            row["alone"] = {
                "s_per_step": round(alone["s_per_step"], 5),
                "steps_measured": alone["steps"][0],
                "train_s_measured": alone["train_s"][0],
                "train_s_of_first_fold": round(alone["s_per_step"] * whole, 1),
            }
        result["cost"][method] = row
    return result


def summarise(work: Path, runs: Sequence[Run], queue: Queue, options: argparse.Namespace) -> str:
    """Writes summary.json and summary.md; returns the text of the latter."""
    seeds, arms = options.seeds, options.only
    done = {run.name for run in runs if (work / "runs" / run.name / DONE).exists()}
    summary: dict[str, Any] = {
        "settings": {
            key: str(value) if isinstance(value, Path) else value for key, value in vars(options).items()
        },
        "versions": versions(),
        "data": {file.stem: about(file) for file in sorted((work / "data").glob("*.parquet"))},
        "missing": [run.name for run in runs if run.name not in done],
        "failed": queue.failed,
        "cut": queue.skipped,
        "wall_s": round(queue.seconds(), 1),
    }
    if "zero-shot" in arms:
        summary["zero-shot"] = {
            part: rates(
                task,
                {speaker: speaker_counts for speaker, speaker_counts in counts.items() if chosen(speaker)},
            )
            for corpus in options.corpora
            if ((folder := work / "runs" / f"zero-shot-{corpus}") / DONE).exists()
            for task, counts, _ in [read_scores(folder)]
            for part, chosen in parts_of(corpus, work).items()
        }
    if "real" in arms:
        summary["real"] = {
            f"trained on {corpus}, judged on {part}": comparison(
                work, f"phones-{corpus}", (ENCODER, RANDOM), seeds, chosen
            )
            for corpus in options.corpora
            for part, chosen in parts_of(corpus, work).items()
        }
    if "emotion" in arms:
        summary["emotion"] = emotion(work, seeds)
    if "l2" in arms:
        summary["l2"] = comparison(work, "l2", (ENCODER, RANDOM), seeds)
    if "adaptation" in arms or "timing" in arms:
        summary["adaptation"] = adaptation(work, seeds)
    summary = without_nan(summary)
    write_json(work / "summary.json", summary)
    text = markdown(summary)
    (work / "summary.md").write_text(text, encoding="utf-8")
    return text


def markdown(summary: Mapping[str, Any]) -> str:
    """The tables in Markdown."""
    lines = ["# The bundled encoder and random weights", ""]
    for key in ("missing", "cut"):
        if summary[key]:
            lines += [f"**{key}**: {', '.join(summary[key])}", ""]
    lines += [f"**failed** {name}: {message}\n" for name, message in summary["failed"].items()]
    if summary.get("zero-shot"):
        lines += ["## Without training", "", "| corpus | PER |", "|---|---|"]
        lines += [
            f"| `{corpus}` | {percent(result['per'])} |" for corpus, result in summary["zero-shot"].items()
        ]
        lines.append("")
    for corpus, result in summary.get("real", {}).items():
        lines += _table(f"Phones, unseen speakers: {corpus}", result, SHOWN["phones"])
    for group, result in summary.get("emotion", {}).items():
        lines += _table(f"Emotion, unseen speakers: {group}", result, SHOWN["emotion"])
    if "l2" in summary:
        lines += _table("Learners of English, 16 unseen speakers", summary["l2"], SHOWN["l2"])
    if "adaptation" in summary:
        lines += _table(f"Adaptation methods, `{ADAPTED}`", summary["adaptation"], SHOWN["phones"])
        lines += _costs(summary["adaptation"]["cost"])
    lines.append(f"{summary['wall_s']:.0f} s with {summary['settings']['jobs']} parallel runs (this call).")
    return "\n".join(lines) + "\n"


def _table(title: str, result: Mapping[str, Any], shown: Sequence[str]) -> list[str]:
    lines = [f"## {title}", "", f"| | seeds | {' | '.join(shown)} | per seed: {shown[0]} |"]
    lines.append("|---" * (len(shown) + 3) + "|")
    for start, row in result["starts"].items():
        each = ", ".join(_plain(seed[shown[0]]) for seed in row["per_seed"].values())
        cells = " | ".join(percent(row["rates"].get(rate)) for rate in shown)
        lines.append(f"| {start} | {len(row['seeds'])} | {cells} | {each} |")
    for name, row in result.get("baselines", {}).items():
        cells = " | ".join(percent(row["rates"].get(rate)) for rate in shown)
        lines.append(f"| {name} | | {cells} | |")
    for name, row in result["differences"].items():
        cells = " | ".join(points(row["rates"].get(rate)) for rate in shown)
        lines.append(f"| **{name}** | {len(row['seeds'])} | {cells} | |")
    return [*lines, ""]


def _costs(cost: Mapping[str, Any]) -> list[str]:
    lines = [
        "| | trained weights | bundle | training of a fold, in parallel | alone: one step | alone: the first fold |",
        "|---|---|---|---|---|---|",
    ]
    for method, row in cost.items():
        jobs = ", ".join(map(str, row["timed_with_jobs"]))
        alone = row.get("alone")
        quiet = (
            f"{1000 * alone['s_per_step']:.1f} ms | {alone['train_s_of_first_fold']:.0f} s (from "
            f"{alone['steps_measured']} steps)"
            if alone
            else "– | –"
        )
        lines.append(
            f"| {method} | {row['trainable']:,} of {row['parameters']:,} | {row['bundle_mb']:.2f} MB | "
            f"{row['train_s_of_a_fold']:.0f} s, {jobs} in parallel, {row['device']} | {quiet} |"
        )
    return [*lines, ""]


def percent(rate: Any) -> str:
    """`12.3 % [10.0, 14.5]`, or only the value if the interval is unknown."""
    if rate is None:
        return "–"
    if not isinstance(rate, Mapping):
        return _plain(rate)
    interval = Interval.from_json(rate)
    text = _plain(interval.value)
    if rate["low"] is not None:
        text += f" [{100 * interval.low:.1f}, {100 * interval.high:.1f}]"
    return text if interval.reliable or rate["low"] is None else f"{text} (unreliable)"


def points(rate: Mapping[str, Any] | None) -> str:
    """`-12.3 [-14.0, -10.1] better`."""
    if rate is None or rate["value"] is None:
        return "–"
    interval = Interval.from_json(rate)
    note = "" if interval.reliable else ", unreliable"
    span = f"[{100 * interval.low:+.1f}, {100 * interval.high:+.1f}]"
    return f"{100 * interval.value:+.1f} {span} {rate['verdict']}{note}"


def _plain(value: float | None) -> str:
    return "–" if value is None or value != value else f"{100 * value:.1f} %"
