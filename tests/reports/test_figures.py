import re
import warnings
import xml.etree.ElementTree as ElementTree

import pytest

from soritune.metrics.bootstrap import Interval
from soritune.metrics.calibration import CalibrationBin
from soritune.reports.figures import calibration_figure, history_figures, matrix_figure, speaker_figures
from soritune.reports.scores import SpeakerRate, SpeakerScores

UNKNOWN = float("nan")


def texts(svg):
    root = ElementTree.fromstring(svg)
    return [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]


@pytest.fixture(autouse=True)
def _strict():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def test_matrix_shows_counts_and_shares_of_rows():
    words = texts(matrix_figure(("불안", "친절"), ((3, 1), (0, 0))))
    assert words.count("불안") == 2
    assert {"3", "1", "75 %", "25 %"} <= set(words)
    assert "nan %" not in words


def test_history_shows_what_the_log_has():
    events = [
        {"event": "step", "step": 1, "loss": 2.0},
        {"event": "evaluate", "step": 4, "val/a/b": float("nan")},
    ]
    words = texts(history_figures(events, ["a/b"])[0])
    assert "Loss" in words
    assert "Validation" not in words
    assert history_figures([], []) is None
    assert history_figures([{"event": "start", "step": 0}], ["a/b"]) is None


def speakers(values):
    return {name: SpeakerScores(1, 1.0, {"per": SpeakerRate(v, v, v)}, {}) for name, v in values.items()}


def test_speakers_are_sorted_and_speakers_without_a_value_are_left_out():
    overall = Interval(0.3, UNKNOWN, UNKNOWN, 3, False)
    words = texts(speaker_figures(speakers({"나": 0.5, "가": 0.1, "다": UNKNOWN}), "per", overall)[0])
    assert [text for text in words if text in "가나다"] == ["가", "나"]
    assert speaker_figures(speakers({"a": UNKNOWN}), "per", overall) is None


def test_best_and_worst_of_many_speakers_are_drawn():
    overall = Interval(0.3, 0.2, 0.4, 200, True)
    words = texts(speaker_figures(speakers({f"s{k:03d}": k / 200 for k in range(200)}), "per", overall)[0])
    names = [text for text in words if re.fullmatch(r"s\d+", text or "")]
    assert len(names) == 60
    assert {"s000", "s029", "s170", "s199"} <= set(names)
    assert "s100" not in names


def test_calibration_is_one_svg_in_page_colours():
    svg = calibration_figure([CalibrationBin(0.7, 0.8, 3, 0.8, 0.5)])
    assert svg.startswith("<svg")
    assert "var(--accent)" in svg
    assert "height=" not in svg.split(">", 1)[0].replace("style=", "")
