"""Part of `emotion_augmentation.py`: intervals over speakers, differences between arms, baselines on the same folds.

The counts of a speaker are summed over the seeds. Then speakers are drawn, the same ones for both sides of a
difference.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from soritune.corpus.manifest import Manifest
from soritune.corpus.splitting.splits import Splits
from soritune.metrics.bootstrap import Interval, paired_difference, speaker_intervals
from soritune.recipe import Recipe
from soritune.stages.trained_baselines import Fold, fold_answers, statistics_of
from soritune.tasks.results import Counts, Pair, Prediction, add_counts
from soritune.tasks.task import Task

PerSpeaker = dict[str, Counts]
RATE = "ua"


def summarise(
    recipe: Recipe, manifest: Manifest, splits: Sequence[Splits], options: argparse.Namespace
) -> dict[str, Any]:
    """Prints one recipe's tables and returns their numbers."""
    (task,) = recipe.make_tasks()
    group_of = {
        str(row.speaker): str(row.extra.get(options.group) or getattr(row, options.group, None))
        for row in manifest
    }
    folds = [Fold.of(part, manifest) for part in splits]
    baselines = baseline_counts(task, manifest, folds)
    groups = {"all": sorted(group_of)}
    groups |= {
        name: [s for s in sorted(group_of) if group_of[s] == name] for name in sorted(set(group_of.values()))
    }
    results: dict[str, Any] = {"speakers": group_of, "schedules": {}}
    for schedule in options.schedules:
        arms = {arm: _arm(options, recipe.name, arm, schedule) for arm in options.arms}
        print(f"\n{recipe.name}, schedule {schedule}: {RATE}, {len(options.seeds)} seeds", flush=True)
        part = {
            group: _group(
                task, {name: arms[name][0] for name in arms}, baselines, speakers, len(options.seeds)
            )
            for group, speakers in groups.items()
        }
        for arm, (_, by_seed, epochs) in arms.items():
            for group, speakers in groups.items():
                values = [task.rates(add_counts([seed[s] for s in speakers]))[RATE] for seed in by_seed]
                part[group]["seeds"][arm] = values
            part["all"].setdefault("epochs", {})[arm] = epochs
        each = {
            name: {s: task.rates(counts[s])[RATE] for s in sorted(counts)}
            for name, counts in {**{arm: arms[arm][0] for arm in arms}, **baselines}.items()
        }
        results["schedules"][schedule] = {"groups": part, "each_speaker": each}
        _show(part, each)
    return results


def _arm(
    options: argparse.Namespace, name: str, arm: str, schedule: str
) -> tuple[PerSpeaker, list[PerSpeaker], float]:
    """Counts per speaker summed over the seeds, those of each seed, and the mean number of epochs trained."""
    by_seed, epochs = [], []
    for seed in options.seeds:
        file: Path = options.work / "results" / f"{name}-{arm}-{schedule}-s{seed}.json"
        content = json.loads(file.read_text("utf-8"))
        epochs += [row.pop("epochs") for row in content.values()]
        by_seed.append(
            {s: {key: np.asarray(value) for key, value in row.items()} for s, row in content.items()}
        )
    total = {s: add_counts([seed[s] for seed in by_seed]) for s in by_seed[0]}
    return total, by_seed, float(np.mean(epochs))


def baseline_counts(task: Task, manifest: Manifest, folds: Sequence[Fold]) -> dict[str, PerSpeaker]:
    """Counts per speaker of the majority of the training speakers, the text, and the statistics of voices."""
    answers = fold_answers(task, manifest, folds, statistics_of(manifest, folds))
    rows = list(manifest)
    majority: dict[str, Prediction] = {}
    for fold in folds:
        labels = Counter((task.reference(rows[i]) or {})["label"] for i in fold.train)
        label = max(task.outputs[0].labels, key=lambda name: labels[name])
        majority |= {rows[i].id: Prediction(task.name, {"label": label}) for i in fold.test}
    counts: dict[str, PerSpeaker] = {}
    for name, predictions in {"majority": majority, **answers}.items():
        for row in rows:
            pair = Pair(row.id, task.reference(row) or {}, predictions[row.id])
            sums = counts.setdefault(name, {})
            sums[str(row.speaker)] = add_counts([sums.get(str(row.speaker), {}), task.count(pair)])
    return counts


def _group(
    task: Task,
    arms: Mapping[str, PerSpeaker],
    baselines: Mapping[str, PerSpeaker],
    speakers: Sequence[str],
    num_seeds: int,
) -> dict[str, Any]:
    """Rates of arms and baselines over some speakers, and paired differences."""

    def chosen(counts: PerSpeaker, times: int = 1) -> list[Counts]:
        # Repeated once per seed, so that both sides of a difference have the same weight.
        return [add_counts([counts[s]] * times) for s in speakers]

    rates = {
        name: speaker_intervals(chosen(counts), task.rates)[RATE].to_json()
        for name, counts in {**arms, **baselines}.items()
    }
    sides = [(arm, "none") for arm in arms if arm != "none" and "none" in arms]
    sides += [("all", "basic")] if {"all", "basic"} <= set(arms) else []
    differences: dict[str, Interval] = {
        f"{after} - {before}": paired_difference(chosen(arms[before]), chosen(arms[after]), task.rates)[RATE]
        for after, before in sides
    }
    for arm in arms:
        for name, counts in baselines.items():
            gap = paired_difference(chosen(counts, num_seeds), chosen(arms[arm]), task.rates)[RATE]
            differences[f"{arm} - {name}"] = gap
    return {
        "speakers": list(speakers),
        "rates": rates,
        "differences": {name: gap.to_json() for name, gap in differences.items()},
        "seeds": {},
    }


def _show(part: Mapping[str, Any], each: Mapping[str, Mapping[str, float]]) -> None:
    """Prints Markdown tables."""
    names = list(each)
    titles = [f"{group} ({len(row['speakers'])})" for group, row in part.items()]
    print("| | " + " | ".join(titles) + " |\n|---|" + "---|" * len(titles))
    for name in names:
        print(f"| {name} | " + " | ".join(_text(row["rates"][name], "%") for row in part.values()) + " |")
    for name in part["all"]["differences"]:
        print(
            f"| {name} | " + " | ".join(_text(row["differences"][name], "+") for row in part.values()) + " |"
        )
    for arm in part["all"]["seeds"]:
        cells = (", ".join(f"{100 * value:.1f}" for value in row["seeds"][arm]) for row in part.values())
        print(f"| {arm}, each seed | " + " | ".join(cells) + " |")
    speakers = list(each[names[0]])
    print("\n| | " + " | ".join(speakers) + " |\n|---|" + "---|" * len(speakers))
    for name in names:
        print(f"| {name} | " + " | ".join(f"{100 * each[name][s]:.1f}" for s in speakers) + " |")


def _text(interval: Mapping[str, Any], kind: str) -> str:
    value, low, high = (100 * (interval[key] or 0.0) for key in ("value", "low", "high"))
    if kind == "%":
        return f"{value:.1f} % [{low:.1f}, {high:.1f}]"
    return f"{value:+.1f} [{low:+.1f}, {high:+.1f}]"
