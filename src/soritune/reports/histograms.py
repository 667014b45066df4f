"""A histogram for a report's page. Next: `reports/check_page.py`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from soritune.reports.figure_files import PAGE, Palette, inline_svg


def draw_histogram(
    edges: Sequence[float],
    counts: Sequence[int],
    colours: Palette,
    *,
    below: float | None = None,
    above: float | None = None,
    unit: str = "",
    narrow: bool = False,
) -> Figure:
    """Bars on a scale of powers of ten, so that few rows far off are seen beside millions; those beyond the limits have
    the second colour.

    Args:
        edges: (bins + 1,) in the unit.
        counts: (bins,).
        colours: of the page or the file.
        below, above: limits, in the unit.
        unit: of the axis.
        narrow: for the width of a telephone.
    """
    figure = Figure(figsize=(3.3, 1.9) if narrow else (6.2, 1.9))
    axis = figure.subplots()
    left, heights = np.asarray(edges[:-1]), np.asarray(counts)
    width = np.diff(np.asarray(edges))
    middle = left + width / 2
    is_beyond = np.zeros(len(heights), dtype=bool)
    for limit, sign in ((below, -1), (above, 1)):
        if limit is not None and edges[0] <= limit <= edges[-1]:
            is_beyond |= sign * (middle - limit) > 0
            axis.axvline(limit, color=colours.muted, linewidth=1.0, linestyle=(0, (3, 3)))
    bar_colours = [colours.second if beyond else colours.accent for beyond in is_beyond]
    axis.bar(left, heights, width=width * 0.92, align="edge", color=bar_colours, linewidth=0)
    axis.set_yscale("symlog", linthresh=1)
    axis.set_ylim(0, max(int(heights.max(initial=1)), 1) * 1.6)
    axis.set_xlabel(unit, color=colours.muted, fontsize=8.5)
    axis.set_ylabel("utterances", color=colours.muted, fontsize=8.5)
    axis.grid(True, axis="y", color=colours.line, linewidth=0.8)
    axis.set_axisbelow(True)
    for side in ("top", "right"):
        axis.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axis.spines[side].set_color(colours.line)
    axis.tick_params(colors=colours.muted, labelsize=8.5, length=0)
    axis.yaxis.minorticks_off()
    figure.tight_layout(pad=0.4)
    return figure


def histogram_figure(
    edges: Sequence[float],
    counts: Sequence[int],
    *,
    below: float | None = None,
    above: float | None = None,
    unit: str = "",
) -> tuple[str, str]:
    """`draw_histogram` for the page: as wide as a page, and as wide as a telephone."""
    wide, narrow = (
        inline_svg(draw_histogram(edges, counts, PAGE, below=below, above=above, unit=unit, narrow=narrow))
        for narrow in (False, True)
    )
    return wide, narrow
