"""Which layer of a frozen encoder a linear head reads best: the figures of a sweep, as JSON, table and drawing.

`stages/layer_sweep.py` makes them.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from soritune.inference.json_values import without_nan
from soritune.metrics.bootstrap import Interval, paired_difference, speaker_intervals
from soritune.reports.figure_files import Palette
from soritune.reports.numbers import has_range, percent, range_text
from soritune.tasks.results import Counts
from soritune.tasks.task import Task

PerSpeaker = dict[str, Counts]
"""Summed counts of each speaker."""
SCHEMA = "soritune.layers/1"
DEFAULT = "last"
"""What a head reads unless its task's settings name a layer."""


@dataclass(frozen=True, slots=True)
class FoldChoice:
    """One outer fold: a layer is chosen inside its training speakers and judged on its test speakers."""

    number: int
    test_speakers: tuple[str, ...]
    inner: Mapping[str, Interval]
    """Layer to the rate over the inner folds, in which every training speaker is judged once."""
    chosen: str
    outer: float
    """The chosen layer's rate on the test speakers."""
    outer_default: float
    """The same of `DEFAULT`."""

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "number": self.number,
            "test_speakers": list(self.test_speakers),
            "inner": {layer: interval.to_json() for layer, interval in self.inner.items()},
            "chosen": self.chosen,
            "outer": self.outer,
            "outer_default": self.outer_default,
        }


@dataclass(frozen=True, slots=True)
class LayerChoice:
    """The outcome of a sweep."""

    recipe: str
    encoder: str
    task: str
    rate: str
    """Name of the task's primary rate, of which more is better."""
    num_rows: int
    num_speakers: int
    layers: tuple[str, ...]
    """Every layer that a head may read, from the lowest."""
    folds: tuple[FoldChoice, ...]
    outer: Interval
    """Of the layers chosen, over all test speakers; each is judged with the layer of its own fold."""
    outer_default: Interval
    difference: Interval
    """`outer` minus `outer_default`, paired over speakers."""

    @property
    def chosen(self) -> str:
        """The layer that most folds chose; of several, the one with the best mean rate over the inner folds."""
        times = self.times_chosen()
        return max(self.layers, key=lambda layer: (times[layer], self.mean(layer)))

    @property
    def override(self) -> str:
        """The override of a recipe that sets the layer."""
        return f"tasks.{self.task}.layer={self.chosen}"

    def times_chosen(self) -> Counter[str]:
        """Layer to the number of folds that chose it."""
        return Counter(fold.chosen for fold in self.folds)

    def mean(self, layer: str) -> float:
        """Mean over the folds of a layer's rate on the inner folds."""
        return float(np.mean([fold.inner[layer].value for fold in self.folds]))

    def to_json(self) -> dict[str, Any]:
        """The content of layers.json; nan becomes null."""
        content: dict[str, Any] = without_nan(
            {
                "schema": SCHEMA,
                "recipe": self.recipe,
                "encoder": self.encoder,
                "task": self.task,
                "rate": self.rate,
                "num_rows": self.num_rows,
                "num_speakers": self.num_speakers,
                "layers": self.layers,
                "chosen": self.chosen,
                "override": self.override,
                "times_chosen": dict(self.times_chosen()),
                "mean_inner": {layer: self.mean(layer) for layer in self.layers},
                "outer": self.outer.to_json(),
                "outer_default": self.outer_default.to_json(),
                "difference": self.difference.to_json(),
                "folds": [fold.to_json() for fold in self.folds],
            }
        )
        return content

    def rows(self) -> list[tuple[str, str, str, str]]:
        """Per layer: its name, its rate over the inner folds, the range of it, and how many folds chose it."""
        times = self.times_chosen()
        return [
            (layer, percent(self.mean(layer)), self._range(layer), str(times[layer] or ""))
            for layer in self.layers
        ]

    def _range(self, layer: str) -> str:
        """Of one fold the interval over speakers; of several, the lowest and the highest of their rates."""
        if len(self.folds) == 1:
            return range_text(self.folds[0].inner[layer])
        values = [fold.inner[layer].value for fold in self.folds]
        return f"{100 * min(values):.1f} – {100 * max(values):.1f}"

    def sentences(self) -> list[str]:
        """What the figures say: the judged rate, how stable the choice is, and what to set."""
        doubt = "" if self.outer.reliable else ", unreliable"
        gap = self.difference
        lines = [
            f"{self.rate} on the test speakers, each by the layer chosen without them: {percent(self.outer.value)} "
            f"[{range_text(self.outer)}]{doubt}; by {DEFAULT}: {percent(self.outer_default.value)}; difference "
            f"{100 * gap.value:+.1f} points [{100 * gap.low:+.1f}, {100 * gap.high:+.1f}]"
        ]
        if len(self.folds) > 1:
            times = self.times_chosen()
            named = ", ".join(f"{layer} ({count})" for layer, count in times.most_common())
            lines.append(f"chosen in {len(self.folds)} folds: {named}")
        lines.append(f"to use it: {self.override}")
        if len(self.folds) > 1:
            lines.append(
                f"every speaker had a part in this choice; a cross-validation with {self.override} is therefore not a "
                "fair judge of it, the figure above is"
            )
        return lines


def draw_layers(choice: LayerChoice, colours: Palette) -> Figure:
    """The rate of every layer over the inner folds: the mean of the folds, each fold, and which layer is chosen.

    With one fold, bars are the intervals over its training speakers.
    """
    figure = Figure(figsize=(1.6 + 0.42 * len(choice.layers), 3.0))
    axis = figure.subplots()
    steps = np.arange(len(choice.layers))
    for fold in choice.folds if len(choice.folds) > 1 else ():
        values = [100 * fold.inner[layer].value for layer in choice.layers]
        axis.plot(steps, values, color=colours.muted, linewidth=0.9, alpha=0.45)
    means = [100 * choice.mean(layer) for layer in choice.layers]
    axis.plot(steps, means, color=colours.accent, linewidth=1.8, marker="o", markersize=4)
    if len(choice.folds) == 1:
        for step, layer in zip(steps, choice.layers, strict=True):
            interval = choice.folds[0].inner[layer]
            if has_range(interval):
                axis.vlines(
                    step, 100 * interval.low, 100 * interval.high, color=colours.accent, linewidth=1.0
                )
    place = choice.layers.index(choice.chosen)
    axis.plot([place], [means[place]], color=colours.second, marker="o", markersize=9, fillstyle="none")
    axis.set_xticks(steps, choice.layers)
    axis.set_xlabel("layer", color=colours.muted)
    axis.set_title(f"{choice.rate} on the inner folds, %", loc="left", fontsize=10, color=colours.ink)
    axis.grid(True, axis="y", color=colours.line, linewidth=0.8)
    axis.tick_params(colors=colours.muted, labelsize=8.5, length=0)
    for side in ("top", "right"):
        axis.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axis.spines[side].set_color(colours.line)
    figure.tight_layout()
    return figure


def primary_interval(task: Task, counts: PerSpeaker, resamples: int = 1000) -> Interval:
    """The task's primary rate over speakers."""
    return speaker_intervals(
        list(counts.values()), task.rates, resamples=resamples, contributes_fn=task.contributes
    )[task.primary_metric.name]


def primary_difference(task: Task, before: PerSpeaker, after: PerSpeaker, resamples: int = 1000) -> Interval:
    """The primary rate of `after` minus that of `before`, paired over the same speakers."""
    return paired_difference(
        [before[name] for name in after],
        list(after.values()),
        task.rates,
        resamples=resamples,
        contributes_fn=task.contributes,
    )[task.primary_metric.name]


def inner_best(layers: Sequence[str], inner: Mapping[str, Interval]) -> str:
    """The layer with the highest known rate; of several, the lowest layer."""

    def order(layer: str) -> tuple[float, int]:
        value = inner[layer].value
        return (value if math.isfinite(value) else -math.inf, -layers.index(layer))

    return max(layers, key=order)
