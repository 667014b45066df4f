from dataclasses import replace

import pytest

from soritune.inference.header import Header
from soritune.metrics.bootstrap import Interval
from soritune.reports.overview import lead, rate_tiles, size_tiles, title
from soritune.reports.score import score_predictions
from soritune.reports.text_report import headlines

UNKNOWN = float("nan")


@pytest.fixture
def scores(fakes, tmp_path):
    rows = fakes.prediction_rows({f"s{k:02d}": min(k, 6) for k in range(12)})
    data = {"split": "test", "policy": {"by": ["speaker"]}}
    path = fakes.write_rows(tmp_path / "p.jsonl", [fakes.emotion_task()], rows, data=data)
    return score_predictions(path, resamples=50)


def with_header(scores, **parts):
    return replace(scores, header=Header({**scores.header.content, **parts}))


def test_title_is_the_recipes_name_else_the_models(scores):
    assert title(scores) == "fake"
    assert title(with_header(scores, bundle={"name": "toy"})) == "toy"
    assert title(with_header(scores, bundle={})) == "Model"


def test_lead_names_tasks_split_and_size(scores):
    assert lead(scores) == "emotion judged on the test split: 72 clips of 12 speakers"
    pooled = with_header(scores, data={"split": "all", "pooled": 5})
    assert lead(pooled) == "emotion judged on a manifest, 5 folds together: 72 clips of 12 speakers"


def test_rate_tile_has_interval_and_baseline(scores):
    (tile,) = rate_tiles(scores)
    assert tile["name"] == "emotion: mean recall (ua), higher is better"
    assert tile["number"] == "70.8 %"
    assert tile["note"].startswith("95 % interval ") and tile["note"].endswith(" · baseline 33.3 %")
    assert tile["gauge"]["value"] == 70.83
    assert tile["gauge"]["baseline"] == 33.33
    assert 0 < tile["gauge"]["low"] < 70.83 < tile["gauge"]["low"] + tile["gauge"]["width"] < 100


@pytest.mark.parametrize(
    ("interval", "gauge"),
    [
        (Interval(0.25, UNKNOWN, UNKNOWN, 1, False), {"value": 25.0, "low": 25.0, "width": 0.0}),
        (Interval(1.5, 0.9, 1.8, 12, True), {"value": 100.0, "low": 90.0, "width": 10.0}),
        (Interval(UNKNOWN, UNKNOWN, UNKNOWN, 0, False), None),
    ],
)
def test_gauge_is_cut_at_its_ends_and_needs_a_value(scores, interval, gauge):
    emotion = scores.tasks["emotion"]
    changed = replace(emotion, rates={**emotion.rates, "ua": interval}, baselines={})
    (tile,) = rate_tiles(replace(scores, tasks={"emotion": changed}))
    assert tile["gauge"] == (None if gauge is None else {**gauge, "baseline": None})
    assert tile["note"] == ("95 % interval 90.0 – 180.0" if interval.reliable else "no interval")


def test_size_tiles_state_speakers_outside_training_only_if_that_is_known(scores):
    assert [tile["note"] for tile in size_tiles(scores)] == ["2.4 min", "none of them in training"]
    assert size_tiles(with_header(scores, data={"split": "all"}))[1]["note"] == ""
    trained = with_header(scores, bundle={"data": {"hours": {"train": 2.5}}})
    assert (size_tiles(trained)[-1]["name"], size_tiles(trained)[-1]["number"]) == ("Trained on", "2.50 h")


def test_interval_over_few_speakers_is_marked_on_the_tile_and_in_the_last_line_of_a_run(fakes, tmp_path):
    rows = fakes.prediction_rows({"kim": 3, "lee": 4})
    path = fakes.write_rows(tmp_path / "few.jsonl", [fakes.emotion_task()], rows)
    few = score_predictions(path, resamples=50)
    (tile,) = rate_tiles(few)
    assert "· unreliable, 2 speakers" in tile["note"]
    assert headlines(few).endswith(", unreliable, 2 speakers")


def test_interval_over_enough_speakers_is_not_marked(scores):
    assert "unreliable" not in rate_tiles(scores)[0]["note"] + headlines(scores)
