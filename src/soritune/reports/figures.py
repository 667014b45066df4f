"""Figures of a report as SVG with real text, in the page's own colours and fonts.

matplotlib draws with stand-in colours; they become CSS variables afterwards, so one figure serves light and
dark pages, and Hangul is drawn by the browser's fonts, whichever fonts this machine has.
"""

from __future__ import annotations

import io
import math
import re
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import PercentFormatter

INK, MUTED, GRID, ACCENT, SECOND, SURFACE = "#010203", "#040506", "#070809", "#0a0b0c", "#0d0e0f", "#101112"
_VARIABLES = {
    INK: "ink",
    MUTED: "muted",
    GRID: "line",
    ACCENT: "accent",
    SECOND: "second",
    SURFACE: "surface",
}
SPEAKERS_SHOWN = 60
"""Speakers in a dot plot; the best and the worst are kept when there are more."""


def history_figure(events: Sequence[Mapping[str, Any]], metrics: Sequence[str]) -> str | None:
    """Losses, the named validation rates (as `<task>/<rate>`) and the learning rate over steps; None without
    any."""
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
    figure = Figure(figsize=(3.6 * sum(panels), 2.7))
    axes = iter(np.atleast_1d(figure.subplots(1, sum(panels))).tolist())
    if panels[0]:
        axis = next(axes)
        axis.plot(*loss, color=MUTED, linewidth=1.2, label="train")
        axis.plot(*val_loss, color=ACCENT, linewidth=1.8, marker="o", markersize=3, label="validation")
        _style(axis, "Loss")
        _name_lines(axis)
    if panels[1]:
        axis = next(axes)
        for (name, series), colour in zip(
            rates.items(), [ACCENT, SECOND, INK, MUTED] * len(rates), strict=False
        ):
            axis.plot(*series, color=colour, linewidth=1.8, marker="o", markersize=3, label=name)
        _style(axis, "Validation")
        _name_lines(axis)
    if panels[2]:
        axis = next(axes)
        exponent = math.floor(math.log10(max(*lr[1], 1e-12)))
        axis.plot(lr[0], np.asarray(lr[1]) / 10.0**exponent, color=SECOND, linewidth=1.6)
        _style(axis, f"Learning rate (in 1e{exponent})")
    return _svg(figure, w_pad=2.5)


def speaker_figure(
    speakers: Mapping[str, Mapping[str, Any]], rate: str, overall: Mapping[str, Any]
) -> str | None:
    """A dot per speaker with the interval over that speaker's utterances; the line and band are all
    speakers."""
    rows = [
        (name, row["rates"][rate]["value"], row["rates"][rate]["low"], row["rates"][rate]["high"])
        for name, row in speakers.items()
        if row["rates"][rate]["value"] is not None
    ]
    if not rows:
        return None
    rows.sort(key=lambda row: row[1])
    if len(rows) > SPEAKERS_SHOWN:
        half = SPEAKERS_SHOWN // 2
        rows = rows[:half] + rows[-half:]
    figure = Figure(figsize=(7.2, 0.62 + 0.235 * len(rows)))
    axis = figure.subplots()
    places = np.arange(len(rows))
    if overall["low"] is not None and overall["high"] is not None:
        axis.axvspan(overall["low"], overall["high"], color=ACCENT, alpha=0.12, linewidth=0)
    if overall["value"] is not None:
        axis.axvline(overall["value"], color=ACCENT, linewidth=1.2)
    for place, (_, value, low, high) in zip(places, rows, strict=True):
        if low is not None and high is not None:
            axis.plot([low, high], [place, place], color=MUTED, linewidth=1.6, solid_capstyle="round")
        axis.plot([value], [place], "o", color=INK, markersize=5)
    axis.set_yticks(places, [row[0] for row in rows])
    axis.set_ylim(-0.7, len(rows) - 0.3)
    _style(axis, "", grid_axis="x")
    axis.tick_params(axis="y", length=0)
    axis.spines["left"].set_visible(False)
    axis.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0, symbol=" %"))
    return _svg(figure, pad=0.6)


def matrix_figure(labels: Sequence[str], counts: Sequence[Sequence[float]]) -> str:
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
                Rectangle((column - 0.47, row - 0.46), 0.94, 0.92, color=ACCENT, alpha=strength, linewidth=0)
            )
            colour = SURFACE if share[row, column] > 0.55 else INK
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
    axis.set_xlabel("predicted", color=MUTED, fontsize=9)
    axis.xaxis.set_label_position("top")
    axis.set_ylabel("reference", color=MUTED, fontsize=9)
    axis.tick_params(length=0, labelsize=9.5, labelcolor=INK, pad=2)
    for spine in axis.spines.values():
        spine.set_visible(False)
    return _svg(figure, pad=0.4)


def calibration_figure(bins: Sequence[Mapping[str, float]]) -> str:
    """Accuracy against confidence; dots on the diagonal mean the confidence can be believed."""
    figure = Figure(figsize=(3.4, 2.9))
    axis = figure.subplots()
    axis.plot([0, 1], [0, 1], color=GRID, linewidth=1.2)
    most = max(row["rows"] for row in bins)
    for row in bins:
        size = 4 + 9 * math.sqrt(row["rows"] / most)
        axis.plot([row["confidence"]], [row["accuracy"]], "o", color=ACCENT, markersize=size, alpha=0.85)
    axis.set_xlim(0, 1.03)
    axis.set_ylim(0, 1.05)
    axis.set_xlabel("confidence", color=MUTED, fontsize=9)
    axis.set_ylabel("share right", color=MUTED, fontsize=9)
    _style(axis, "", xlabel=None)
    return _svg(figure, pad=0.4)


def _series(events: Sequence[Mapping[str, Any]], key: str) -> tuple[list[float], list[float]]:
    found = [
        (float(event["step"]), float(event[key]))
        for event in events
        if isinstance(event.get(key), int | float) and math.isfinite(event[key]) and "step" in event
    ]
    return [step for step, _ in found], [value for _, value in found]


def _name_lines(axis: Axes) -> None:
    """The lines' names in their colours, at the right of the title."""
    axis.legend(
        loc="lower right",
        bbox_to_anchor=(1.02, 0.99),
        ncols=2,
        frameon=False,
        fontsize=8.5,
        handlelength=1.0,
        handletextpad=0.4,
        columnspacing=1.0,
        borderpad=0.2,
        labelcolor="linecolor",
    )


def _style(axis: Axes, title: str, *, grid_axis: str = "y", xlabel: str | None = "step") -> None:
    if title:
        axis.set_title(title, loc="left", fontsize=10, color=INK, pad=8)
        if xlabel:
            axis.set_xlabel(xlabel, color=MUTED, fontsize=8.5)
    axis.grid(True, axis=grid_axis, color=GRID, linewidth=0.8)  # type: ignore[arg-type]
    axis.set_axisbelow(True)
    for side in ("top", "right"):
        axis.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axis.spines[side].set_color(GRID)
    axis.tick_params(colors=MUTED, labelsize=8.5, length=0)
    axis.margins(y=0.16)


def _svg(figure: Figure, *, pad: float = 1.08, w_pad: float | None = None) -> str:
    """The figure as an inline `<svg>` that takes colours and fonts from the page."""
    figure.patch.set_alpha(0)
    for axis in figure.axes:
        axis.patch.set_alpha(0)
    buffer = io.StringIO()
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "soritune"}), warnings.catch_warnings():
        # Widths of letters this machine's fonts lack are guessed; the browser has them.
        warnings.filterwarnings("ignore", message="Glyph .* missing")
        figure.tight_layout(pad=pad, w_pad=w_pad)
        FigureCanvasSVG(figure).print_svg(buffer, metadata={"Date": None, "Creator": None})  # type: ignore[no-untyped-call]
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    head, rest = text.split(">", 1)
    width = re.search(r'viewBox="0 0 ([\d.]+)', head)
    head = re.sub(r' (?:width|height)="[^"]*"', "", head)
    # Text may be wider in the browser's font than it was guessed to be, hence the visible overflow.
    style = f"width:{width[1] if width else 600}pt;max-width:100%;height:auto;overflow:visible"
    text = f'{head} style="{style}">{rest}'
    text = re.sub(r"font:\s*(?:\w+ )?([\d.]+px)[^;\"]*", r"font-size: \1", text)
    text = re.sub(r"font-family:[^;\"]*;?", "", text)
    for stand_in, variable in _VARIABLES.items():
        text = text.replace(stand_in, f"var(--{variable})")
    return text
