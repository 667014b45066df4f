"""The heat map of phones: expected against recognised, as shares of the expected ones."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from soritune.reports.figure_files import PAGE, Palette, inline_svg
from soritune.reports.phone_analysis import INSERTED, NOT_RECOGNISED, PhoneAnalysis
from soritune.tasks.phones.phone_errors import phone_name

LEAST_SHARE = 0.005
"""Smaller shares are not drawn."""
_CELL = 0.2
"""Inches."""


def draw_phone_heat_map(analysis: PhoneAnalysis, colours: Palette) -> Figure:
    """A square per pair of phones; the stronger its colour, the larger its share of the expected phone. What was right
    is in the second colour. The last row has insertions, as shares of all of them."""
    counts, size = analysis.confusion, len(analysis.labels) + 1
    totals = counts.sum(axis=1, keepdims=True)
    share = np.divide(counts, totals, out=np.zeros_like(counts), where=totals > 0)
    figure = Figure(figsize=(1.1 + _CELL * size, 1.0 + _CELL * size))
    axis = figure.subplots()
    for row, column in np.argwhere(share >= LEAST_SHARE):
        colour = colours.second if row == column else colours.accent
        strength = 0.08 + 0.92 * float(share[row, column]) ** 0.6
        axis.add_patch(
            Rectangle((column - 0.47, row - 0.47), 0.94, 0.94, color=colour, alpha=strength, linewidth=0)
        )
    axis.set_xlim(-0.5, size - 0.5)
    axis.set_ylim(size - 0.5, -0.5)
    names = [phone_name(symbol) for symbol in analysis.labels]
    axis.set_xticks(range(size), [*names, NOT_RECOGNISED], rotation=90)
    axis.set_yticks(range(size), [*names, INSERTED])
    axis.xaxis.tick_top()
    axis.xaxis.set_label_position("top")
    axis.set_xlabel("recognised", color=colours.muted, fontsize=9)
    axis.set_ylabel("expected", color=colours.muted, fontsize=9)
    axis.tick_params(length=0, labelsize=7.5, labelcolor=colours.ink, pad=2)
    axis.set_xticks(np.arange(-0.5, size), minor=True)
    axis.set_yticks(np.arange(-0.5, size), minor=True)
    axis.grid(which="minor", color=colours.line, linewidth=0.4)
    axis.tick_params(which="minor", length=0)
    axis.set_axisbelow(True)
    for spine in axis.spines.values():
        spine.set_visible(False)
    figure.subplots_adjust(
        left=0.95 / figure.get_figwidth(), right=0.99, bottom=0.01, top=1 - 0.95 / figure.get_figheight()
    )
    return figure


def phone_heat_map(analysis: PhoneAnalysis) -> str:
    """`draw_phone_heat_map` for a page."""
    return inline_svg(draw_phone_heat_map(analysis, PAGE))
