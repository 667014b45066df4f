from __future__ import annotations

from matplotlib.patches import Rectangle

from soritune.reports.figure_files import PAPER
from soritune.reports.phone_analysis import PhoneAnalysis
from soritune.reports.phone_heat_map import draw_phone_heat_map, phone_heat_map
from soritune.tasks.results import Pair, Prediction


def analysis() -> PhoneAnalysis:
    pairs = [
        Pair("a", {"phones": ["G", "A", "G"]}, Prediction("phoneme", {"phones": ["G", "A", "Kh"]})),
        Pair("b", {"phones": ["G", "A"]}, Prediction("phoneme", {"phones": ["G"]})),
    ]
    made = PhoneAnalysis.of(pairs, ["G", "Kh", "A"], resamples=10)
    assert made is not None
    return made


def test_a_square_per_pair_of_phones_with_the_share_as_strength() -> None:
    (axis,) = draw_phone_heat_map(analysis(), PAPER).axes
    squares = {
        (round(patch.get_y() + 0.47), round(patch.get_x() + 0.47)): patch.get_alpha()
        for patch in axis.patches
        if isinstance(patch, Rectangle)
    }
    # G: 2 right, 1 as Kh; A: 1 right, 1 not recognised. Kh was never expected, nothing was inserted.
    assert set(squares) == {(0, 0), (0, 1), (2, 2), (2, 3)}
    assert squares[0, 0] > squares[2, 2] == squares[2, 3] > squares[0, 1]
    assert [text.get_text() for text in axis.get_yticklabels()] == ["ㄱ G", "ㅋ Kh", "ㅏ A", "inserted"]
    assert [text.get_text() for text in axis.get_xticklabels()][-1] == "not recognised"


def test_figure_of_the_page_has_its_colours() -> None:
    svg = phone_heat_map(analysis())
    assert svg.startswith("<svg")
    assert "var(--accent)" in svg
    assert "var(--second)" in svg
