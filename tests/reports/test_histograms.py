"""Histograms of a page: bars beyond a limit have the second colour."""

from __future__ import annotations

import re

from matplotlib.colors import to_hex
from matplotlib.patches import Rectangle

from soritune.reports.figure_files import PAPER
from soritune.reports.histograms import draw_histogram, histogram_figure

EDGES, COUNTS = [0.0, 1.0, 2.0, 3.0, 4.0], [1, 100_000, 0, 2]


def test_bars_beyond_the_limits_have_the_second_colour() -> None:
    axis = draw_histogram(EDGES, COUNTS, PAPER, below=1.0, above=3.0, unit="dB").axes[0]
    bars = [patch for patch in axis.patches if isinstance(patch, Rectangle)]
    assert [bar.get_height() for bar in bars] == COUNTS
    assert [to_hex(bar.get_facecolor()) for bar in bars] == [
        PAPER.second,
        PAPER.accent,
        PAPER.accent,
        PAPER.second,
    ]
    assert axis.get_xlabel() == "dB"


def test_limit_outside_of_the_values_marks_nothing() -> None:
    axis = draw_histogram(EDGES, COUNTS, PAPER, below=-1.0, above=9.0).axes[0]
    assert {to_hex(bar.get_facecolor()) for bar in axis.patches} == {PAPER.accent}
    assert not axis.lines


def test_figure_of_a_page_takes_its_colours_from_the_page() -> None:
    figures = histogram_figure(EDGES, COUNTS, below=1.0)
    for figure in figures:
        assert figure.startswith("<svg")
        assert "var(--second)" in figure
        assert "max-width:100%" in figure
    wide, narrow = (96 / 72 * float(re.search(r"--width:([\d.]+)pt", figure)[1]) for figure in figures)
    assert narrow < 330 < wide  # pixels
    assert histogram_figure(EDGES, COUNTS, below=1.0) == figures
