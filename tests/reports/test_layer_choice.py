"""The figures of a sweep: choice, ties, stability, JSON and drawing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from soritune.metrics.bootstrap import Interval
from soritune.reports.figure_files import PAPER, save_figure
from soritune.reports.layer_choice import FoldChoice, LayerChoice, draw_layers, inner_best

LAYERS = ("0", "1", "last")


def around(value: float) -> Interval:
    return Interval(value, value - 0.1, value + 0.1, 12, reliable=True)


def fold(number: int, *values: float) -> FoldChoice:
    inner = {layer: around(value) for layer, value in zip(LAYERS, values, strict=True)}
    return FoldChoice(number, (f"s{number}",), inner, inner_best(LAYERS, inner), 0.6, 0.5)


def choice(*folds: FoldChoice) -> LayerChoice:
    return LayerChoice("r", "e", "emotion", "ua", 30, 3, LAYERS, folds, around(0.6), around(0.5), around(0.1))


def test_the_best_layer_is_chosen_and_of_equal_ones_the_lowest() -> None:
    assert fold(1, 0.4, 0.7, 0.6).chosen == "1"
    assert fold(1, 0.4, 0.7, 0.7).chosen == "1"
    assert fold(1, 0.4, 0.6, 0.7).chosen == "last"


def test_several_folds_take_the_layer_that_most_of_them_chose() -> None:
    # "1" is chosen twice and has the lower mean: 0.5 beside 0.6.
    result = choice(fold(1, 0.4, 0.6, 0.5), fold(2, 0.4, 0.6, 0.5), fold(3, 0.4, 0.3, 0.8))
    assert result.times_chosen() == {"1": 2, "last": 1}
    assert result.mean("1") == pytest.approx(0.5)
    assert (result.chosen, result.override) == ("1", "tasks.emotion.layer=1")
    assert result.rows()[1] == ("1", "50.0 %", "30.0 – 60.0", "2")
    text = "\n".join(result.sentences())
    assert "chosen in 3 folds: 1 (2), last (1)" in text
    assert "not a fair judge" in text


def test_equally_frequent_layers_are_decided_by_their_mean() -> None:
    assert choice(fold(1, 0.4, 0.6, 0.5), fold(2, 0.4, 0.3, 0.8)).chosen == "last"


def test_one_fold_has_intervals_and_no_sentence_about_stability() -> None:
    result = choice(fold(1, 0.4, 0.6, 0.5))
    assert result.rows()[1] == ("1", "60.0 %", "50.0 – 70.0", "1")
    assert len(result.sentences()) == 2


@pytest.mark.parametrize("folds", [1, 3])
def test_it_is_plain_json_and_a_drawing(tmp_path: Path, folds: int) -> None:
    result = choice(*(fold(number, 0.4, 0.6, float("nan")) for number in range(1, folds + 1)))
    content = json.loads(json.dumps(result.to_json(), allow_nan=False))
    assert content["override"] == "tasks.emotion.layer=1"
    assert content["folds"][0]["inner"]["last"]["value"] is None
    drawn = save_figure(tmp_path / "layers.svg", lambda colours: draw_layers(result, colours))
    assert "last" in drawn.read_text(encoding="utf-8")
    assert PAPER.accent in drawn.read_text(encoding="utf-8")
