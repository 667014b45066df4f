import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from functools import partial

import numpy as np
import pytest
from matplotlib import image
from matplotlib.figure import Figure
from matplotlib.font_manager import findfont
from matplotlib.ft2font import FT2Font

from soritune.errors import OutputError
from soritune.metrics.classification import class_table
from soritune.reports import figure_files
from soritune.reports.figure_files import PAGE, font_with, save_figure
from soritune.reports.figures import class_figures, draw_classes, draw_history, draw_matrix

COUNTS = [[3, 1], [0, 2]]
HANGUL = partial(draw_matrix, ["불안", "친절"], COUNTS)
LATIN = partial(draw_matrix, ["Anxious", "Kind"], COUNTS)


def hangul_font():
    family = font_with(frozenset(map(ord, "불안친절")))
    if family is None:
        pytest.skip("no font with Hangul here: install the extra hangul-figures or a Korean font")
    return family


def texts(path):
    return [element.text for element in ElementTree.parse(path).iter("{http://www.w3.org/2000/svg}text")]


def test_svg_has_real_text_and_real_colours(tmp_path):
    path = save_figure(tmp_path / "새 폴더" / "a.svg", HANGUL)
    assert texts(path).count("불안") == 2
    written = path.read_text(encoding="utf-8")
    assert not [colour for colour in PAGE if colour in written]
    assert path.read_bytes() == save_figure(tmp_path / "b.svg", HANGUL).read_bytes()


@pytest.mark.slow
def test_hangul_is_drawn_into_png_with_a_font_that_has_it(tmp_path):
    family = hangul_font()
    assert ord("불") in FT2Font(findfont(family)).get_charmap()
    hangul = image.imread(save_figure(tmp_path / "a.png", HANGUL))
    other = image.imread(save_figure(tmp_path / "b.png", partial(draw_matrix, ["기쁨", "슬픔"], COUNTS)))
    assert hangul.shape == other.shape
    assert hangul.std() > 0.01
    # Boxes in the place of missing letters would be alike for all labels.
    assert np.abs(hangul - other).max() > 0.5


def test_letters_that_no_font_has_are_named_and_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.setattr(figure_files, "font_with", lambda codes: None)
    with pytest.raises(OutputError, match=r"letters 불안절친; write \.svg instead, or install a font"):
        save_figure(tmp_path / "a.png", HANGUL)
    assert list(tmp_path.iterdir()) == []
    assert save_figure(tmp_path / "b.png", LATIN).stat().st_size > 5000


def test_letters_of_ticks_titles_and_legends_count(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(figure_files, "font_with", lambda codes: asked.append(codes))

    def draw(colours):
        figure = Figure()
        axis = figure.subplots()
        axis.plot([0, 1], [0, 1], label="나")
        axis.set_title("가 A\n다")
        axis.set_yticks([0, 1], ["라", "−1"])
        axis.legend()
        return figure

    with pytest.raises(OutputError, match="letters 가나다라;"):
        save_figure(tmp_path / "a.png", draw)
    assert asked == [frozenset(map(ord, "가나다라"))]


def test_other_suffixes_are_refused(tmp_path):
    with pytest.raises(OutputError, match=r"written as \.svg or \.png, not as '\.bmp'"):
        save_figure(tmp_path / "a.bmp", LATIN)


def test_path_that_cannot_be_written_to_is_refused(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot be written"):
        save_figure(tmp_path / "file" / "a.png", LATIN)


def test_bars_of_classes_show_precision_recall_and_f1(tmp_path):
    # Rows: 3 of 4 right, 2 of 2 right, none; columns predicted: 3, 3, 0.
    table = class_table([[3, 1, 0], [0, 2, 0], [0, 0, 0]])
    words = texts(save_figure(tmp_path / "a.svg", partial(draw_classes, ["가", "나", "다"], table)))
    assert {"가", "4 clips", "precision", "recall", "F1"} <= set(words)
    # precision 3/3, 2/3; recall 3/4, 2/2; F1 6/7, 4/5; the class without clips has dashes.
    assert {"100 %", "67 %", "75 %", "86 %", "80 %"} <= set(words)
    assert words.count("–") == 3
    assert "var(--accent)" in class_figures(["가", "나", "다"], table)[0]


def test_history_names_losses_and_rates(tmp_path):
    events = [{"event": "step", "step": n, "loss": 2 / n, "lr": 1e-4} for n in (1, 2, 3)]
    events += [
        {"event": "evaluate", "step": n, "val/loss": 1.0, "val/emotion/wa": 0.5, "val/emotion/ua": 0.4}
        for n in (2, 3)
    ]
    draw = partial(draw_history, events, ["emotion/wa", "emotion/ua"])
    assert {"train", "validation", "wa", "ua"} <= set(texts(save_figure(tmp_path / "h.svg", draw)))


@pytest.mark.slow
def test_finding_a_font_changes_no_settings_of_matplotlib():
    code = (
        "import matplotlib as mpl; before = dict(mpl.rcParams)\n"
        "from soritune.reports.figure_files import font_with; font_with(frozenset({0xAC00}))\n"
        "assert dict(mpl.rcParams) == before"
    )
    assert subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=False).returncode == 0
