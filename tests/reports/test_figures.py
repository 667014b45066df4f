import re
import warnings
import xml.etree.ElementTree as ElementTree

import pytest

from soritune.reports.figures import calibration_figure, history_figure, matrix_figure, speaker_figure


def texts(svg):
    root = ElementTree.fromstring(svg)
    return [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]


@pytest.fixture(autouse=True)
def _strict():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def test_matrix_shows_counts_and_shares_of_rows():
    found = texts(matrix_figure(("불안", "친절"), ((3, 1), (0, 0))))
    assert found.count("불안") == 2
    assert {"3", "1", "75 %", "25 %"} <= set(found)
    assert "nan %" not in found


def test_history_shows_what_the_log_has():
    events = [
        {"event": "step", "step": 1, "loss": 2.0},
        {"event": "evaluate", "step": 4, "val/a/b": float("nan")},
    ]
    found = texts(history_figure(events, ["a/b"]))
    assert "Loss" in found
    assert "Validation" not in found
    assert history_figure([], []) is None
    assert history_figure([{"event": "start", "step": 0}], ["a/b"]) is None


def speakers(values):
    return {name: {"rates": {"per": {"value": v, "low": v, "high": v}}} for name, v in values.items()}


def test_speakers_are_sorted_and_those_without_a_value_left_out():
    overall = {"value": 0.3, "low": None, "high": None}
    found = texts(speaker_figure(speakers({"나": 0.5, "가": 0.1, "다": None}), "per", overall))
    assert [text for text in found if text in "가나다"] == ["가", "나"]
    assert speaker_figure(speakers({"a": None}), "per", overall) is None


def test_of_many_speakers_the_ends_are_kept():
    overall = {"value": 0.3, "low": 0.2, "high": 0.4}
    found = texts(speaker_figure(speakers({f"s{k:03d}": k / 200 for k in range(200)}), "per", overall))
    names = [text for text in found if re.fullmatch(r"s\d+", text or "")]
    assert len(names) == 60
    assert {"s000", "s029", "s170", "s199"} <= set(names)
    assert "s100" not in names


def test_calibration_is_one_svg_in_page_colours():
    svg = calibration_figure([{"rows": 3, "confidence": 0.8, "accuracy": 0.5}])
    assert svg.startswith("<svg")
    assert "var(--accent)" in svg
    assert "height=" not in svg.split(">", 1)[0].replace("style=", "")
