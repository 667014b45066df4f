"""The figures of a report: history, confusion, classes, speakers, calibration.

Each drawing takes its colours as an argument. The `…_figure` functions return it for the report's page, as SVG with
real text in the page's colours and fonts; `reports/figure_files.py` writes the same drawings to files.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import PercentFormatter

from soritune.metrics.bootstrap import Interval
from soritune.metrics.calibration import CalibrationBin
from soritune.metrics.classification import ClassRates
from soritune.reports.figure_files import PAGE, Palette, inline_svg
from soritune.reports.numbers import has_range
from soritune.reports.scores import SpeakerScores

NARROW = 3.3
"""Inches that fit a telephone at the size of letters of a wide page."""
Chart = str | tuple[str, str]
"""One drawing for the page, or a wide and a narrow one."""
SPEAKERS_SHOWN = 60
"""Speakers in a dot plot; the best and the worst are kept when there are more."""


def draw_history(
    events: Sequence[Mapping[str, Any]], metrics: Sequence[str], colours: Palette, *, narrow: bool = False
) -> Figure | None:
    """Losses, the named validation rates (as `<task>/<rate>`) and the learning rate over steps, side by side or, if
    `narrow`, below each other; None without events."""
    steps = [event for event in events if event.get("event") == "step"]
    checks = [event for event in events if event.get("event") == "evaluate"]
    loss, val_loss = _series(steps, "loss"), _series(checks, "val/loss")
    rates = {name: _series(checks, f"val/{name}") for name in metrics}
    rates = {name: series for name, series in rates.items() if series[0]}
    lr_names = sorted({key for event in steps for key in event if key.startswith("lr/")} or {"lr"})
    lr = max((_series(steps, name) for name in lr_names), key=lambda series: max(series[1], default=0.0))
    panels = [bool(loss[0] or val_loss[0]), bool(rates), bool(lr[0])]
    if not any(panels):
        return None
    count = sum(panels)
    figure = Figure(figsize=(NARROW, 2.6 * count) if narrow else (3.6 * count, 2.7))
    axes = iter(np.atleast_1d(figure.subplots(*((count, 1) if narrow else (1, count)))).tolist())
    if panels[0]:
        axis = next(axes)
        axis.plot(*loss, color=colours.muted, linewidth=1.2, label="train")
        axis.plot(
            *val_loss, color=colours.accent, linewidth=1.8, marker="o", markersize=3, label="validation"
        )
        _style(axis, colours, "Loss")
        _name_lines(axis)
    if panels[1]:
        axis = next(axes)
        lines = [colours.accent, colours.second, colours.ink, colours.muted] * len(rates)
        tasks = {name.partition("/")[0] for name in rates}
        for (name, series), colour in zip(rates.items(), lines, strict=False):
            shown = name if len(tasks) > 1 else name.partition("/")[2]
            axis.plot(*series, color=colour, linewidth=1.8, marker="o", markersize=3, label=shown)
        _style(axis, colours, "Validation", rows_of_names=math.ceil(len(rates) / 2))
        _name_lines(axis, columns=2)
    if panels[2]:
        axis = next(axes)
        exponent = math.floor(math.log10(max(*lr[1], 1e-12)))
        axis.plot(lr[0], np.asarray(lr[1]) / 10.0**exponent, color=colours.second, linewidth=1.6)
        _style(axis, colours, f"Learning rate (in 1e{exponent})")
    return _fitted(figure, w_pad=2.5)


def draw_speakers(
    speakers: Mapping[str, SpeakerScores],
    rate: str,
    overall: Interval,
    colours: Palette,
    *,
    in_percent: bool = True,
    narrow: bool = False,
) -> Figure | None:
    """A dot per speaker with the interval over that speaker's utterances; the line and band are all speakers."""
    rows = [(name, scores.rates[rate]) for name, scores in speakers.items()]
    rows = [(name, row) for name, row in rows if math.isfinite(row.value)]
    if not rows:
        return None
    rows.sort(key=lambda row: row[1].value)
    if len(rows) > SPEAKERS_SHOWN:
        half = SPEAKERS_SHOWN // 2
        rows = rows[:half] + rows[-half:]
    figure = Figure(figsize=(NARROW if narrow else 7.2, 0.62 + 0.235 * len(rows)))
    axis = figure.subplots()
    heights = np.arange(len(rows))
    if has_range(overall):
        axis.axvspan(overall.low, overall.high, color=colours.accent, alpha=0.12, linewidth=0)
    if math.isfinite(overall.value):
        axis.axvline(overall.value, color=colours.accent, linewidth=1.2)
    for height, (_, row) in zip(heights, rows, strict=True):
        if has_range(row):
            ends, level = [row.low, row.high], [height, height]
            axis.plot(ends, level, color=colours.muted, linewidth=1.6, solid_capstyle="round")
        axis.plot([row.value], [height], "o", color=colours.ink, markersize=5)
    axis.set_yticks(heights, [name for name, _ in rows])
    axis.set_ylim(-0.7, len(rows) - 0.3)
    _style(axis, colours, "", grid_axis="x")
    axis.tick_params(axis="y", length=0)
    axis.spines["left"].set_visible(False)
    if in_percent:
        axis.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0, symbol=" %"))
    return _fitted(figure, pad=0.6)


def draw_matrix(labels: Sequence[str], counts: Sequence[Sequence[float]], colours: Palette) -> Figure:
    """A count matrix as a heat map: colour is the share of the row, text the count and the share."""
    matrix = np.asarray(counts, dtype=np.float64)
    totals = matrix.sum(axis=1, keepdims=True)
    share = np.divide(matrix, totals, out=np.zeros_like(matrix), where=totals > 0)
    size = len(labels)
    figure = Figure(figsize=(1.5 + 0.85 * size, 0.9 + 0.62 * size))
    axis = figure.subplots()
    for row in range(size):
        for column in range(size):
            # Opacity of one colour instead of a colour map: it works on light and dark pages alike.
            strength = 0.04 + 0.86 * share[row, column]
            axis.add_patch(
                Rectangle(
                    (column - 0.47, row - 0.46), 0.94, 0.92, color=colours.accent, alpha=strength, linewidth=0
                )
            )
            colour = colours.surface if share[row, column] > 0.55 else colours.ink
            axis.text(
                column,
                row - 0.1,
                f"{matrix[row, column]:g}",
                ha="center",
                va="center",
                color=colour,
                fontsize=11,
            )
            if totals[row, 0]:
                percent = f"{100 * share[row, column]:.0f} %"
                axis.text(column, row + 0.25, percent, ha="center", va="center", color=colour, fontsize=7.5)
    axis.set_xlim(-0.5, size - 0.5)
    axis.set_ylim(size - 0.5, -0.5)
    axis.set_xticks(range(size), labels)
    axis.set_yticks(range(size), labels)
    axis.xaxis.tick_top()
    axis.set_xlabel("predicted", color=colours.muted, fontsize=9)
    axis.xaxis.set_label_position("top")
    axis.set_ylabel("reference", color=colours.muted, fontsize=9)
    axis.tick_params(length=0, labelsize=9.5, labelcolor=colours.ink, pad=2)
    for spine in axis.spines.values():
        spine.set_visible(False)
    return _fitted(figure, pad=0.4)


def draw_classes(
    labels: Sequence[str], rates: Sequence[ClassRates], colours: Palette, *, narrow: bool = False
) -> Figure:
    """Precision, recall and F1 of every class as bars, in the order of the labels from above; a dash for a rate without
    a denominator."""
    size = len(labels)
    figure = Figure(figsize=(NARROW if narrow else 4.6, 0.95 + 0.78 * size))
    axis = figure.subplots()
    kinds = (("precision", colours.muted), ("recall", colours.second), ("f1", colours.accent))
    for number, (kind, colour) in enumerate(kinds):
        heights = np.arange(size) + 0.25 * (number - 1)
        values = [getattr(row, kind) for row in rates]
        known = np.nan_to_num(values)
        axis.barh(heights, known, height=0.21, color=colour, label="F1" if kind == "f1" else kind)
        for height, value in zip(heights, values, strict=True):
            text = f"{100 * value:.0f} %" if math.isfinite(value) else "–"
            x = (value if math.isfinite(value) else 0.0) + 0.012
            axis.text(x, height, text, va="center", color=colours.muted, fontsize=7.5)
    clips = [f"{row.support:g} clip{'' if row.support == 1 else 's'}" for row in rates]
    axis.set_yticks(range(size), [f"{label}\n{count}" for label, count in zip(labels, clips, strict=True)])
    axis.set_ylim(size - 0.5, -0.5)
    axis.set_xlim(0, 1.1)
    axis.set_xticks([0, 0.25, 0.5, 0.75, 1])
    _style(axis, colours, "", grid_axis="x")
    axis.tick_params(axis="y", labelcolor=colours.ink, pad=9)  # letters of other scripts are wider
    axis.spines["left"].set_visible(False)
    axis.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0, symbol=" %"))
    _name_lines(axis)
    return _fitted(figure, pad=0.4)


def draw_calibration(bins: Sequence[CalibrationBin], colours: Palette) -> Figure:
    """Accuracy against confidence; dots on the diagonal mean that the confidence is right."""
    figure = Figure(figsize=(3.4, 2.9))
    axis = figure.subplots()
    axis.plot([0, 1], [0, 1], color=colours.line, linewidth=1.2)
    most = max(row.rows for row in bins)
    for row in bins:
        size = 4 + 9 * math.sqrt(row.rows / most)
        axis.plot([row.confidence], [row.accuracy], "o", color=colours.accent, markersize=size, alpha=0.85)
    axis.set_xlim(0, 1.03)
    axis.set_ylim(0, 1.05)
    axis.set_xlabel("confidence", color=colours.muted, fontsize=9)
    axis.set_ylabel("share right", color=colours.muted, fontsize=9)
    _style(axis, colours, "", xlabel=None)
    return _fitted(figure, pad=0.4)


def history_figures(events: Sequence[Mapping[str, Any]], metrics: Sequence[str]) -> Chart | None:
    """`draw_history` for the page."""
    wide, narrow = (draw_history(events, metrics, PAGE, narrow=narrow) for narrow in (False, True))
    return None if wide is None or narrow is None else (inline_svg(wide), inline_svg(narrow))


def speaker_figures(
    speakers: Mapping[str, SpeakerScores],
    rate: str,
    overall: Interval,
    *,
    in_percent: bool = True,
) -> Chart | None:
    """`draw_speakers` for the page."""
    wide, narrow = (
        draw_speakers(speakers, rate, overall, PAGE, in_percent=in_percent, narrow=narrow)
        for narrow in (False, True)
    )
    return None if wide is None or narrow is None else (inline_svg(wide), inline_svg(narrow))


def matrix_figure(labels: Sequence[str], counts: Sequence[Sequence[float]]) -> str:
    """`draw_matrix` for the page."""
    return inline_svg(draw_matrix(labels, counts, PAGE))


def class_figures(labels: Sequence[str], rates: Sequence[ClassRates]) -> Chart:
    """`draw_classes` for the page."""
    wide, narrow = (inline_svg(draw_classes(labels, rates, PAGE, narrow=narrow)) for narrow in (False, True))
    return wide, narrow


def calibration_figure(bins: Sequence[CalibrationBin]) -> str:
    """`draw_calibration` for the page."""
    return inline_svg(draw_calibration(bins, PAGE))


def _fitted(figure: Figure, *, pad: float = 1.08, w_pad: float | None = None) -> Figure:
    with warnings.catch_warnings():
        # Widths of letters that this machine's fonts lack are estimated; `figure_files` reports missing letters.
        warnings.filterwarnings("ignore", message="Glyph .* missing")
        figure.tight_layout(pad=pad, w_pad=w_pad)
    return figure


def _series(events: Sequence[Mapping[str, Any]], key: str) -> tuple[list[float], list[float]]:
    points = [
        (float(event["step"]), float(event[key]))
        for event in events
        if isinstance(event.get(key), int | float) and math.isfinite(event[key]) and "step" in event
    ]
    return [step for step, _ in points], [value for _, value in points]


def _name_lines(axis: Axes, *, columns: int = 3) -> None:
    """The lines' names in their colours, at the right of the title."""
    axis.legend(
        loc="lower right",
        bbox_to_anchor=(1.02, 0.99),
        ncols=columns,
        frameon=False,
        fontsize=8.5,
        handlelength=1.0,
        handletextpad=0.4,
        columnspacing=1.0,
        borderpad=0.2,
        labelcolor="linecolor",
    )


def _style(
    axis: Axes,
    colours: Palette,
    title: str,
    *,
    grid_axis: str = "y",
    xlabel: str | None = "step",
    rows_of_names: int = 1,
) -> None:
    """Grid and title; more names of lines than fit beside the title are between it and the lines."""
    if title:
        pad = 8 if rows_of_names < 2 else 8 + 13 * rows_of_names
        axis.set_title(title, loc="left", fontsize=10, color=colours.ink, pad=pad)
        if xlabel:
            axis.set_xlabel(xlabel, color=colours.muted, fontsize=8.5)
    axis.grid(True, axis=grid_axis, color=colours.line, linewidth=0.8)  # type: ignore[arg-type]
    axis.set_axisbelow(True)
    for side in ("top", "right"):
        axis.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axis.spines[side].set_color(colours.line)
    axis.tick_params(colors=colours.muted, labelsize=8.5, length=0)
    axis.margins(y=0.16)
