import json

import numpy as np
import pytest

from soritune.errors import ManifestError
from soritune.metrics.bootstrap import Interval
from soritune.reports.compare import compare, verdict
from soritune.reports.score import score_predictions


@pytest.fixture
def scored(fakes, tmp_path):
    def make(name, rights, labels=("calm", "tense", "warm")):
        task = fakes.emotion_task(labels)
        rows = fakes.prediction_rows(rights, labels=labels)
        path = fakes.write_rows(tmp_path / name / "p.jsonl", [task], rows, name=name)
        return score_predictions(path, resamples=100).save(tmp_path / name / "scores.json").parent

    return make


def test_gain_in_every_speaker_is_better(scored):
    base = scored("base", {f"s{k:02d}": k % 5 for k in range(12)})
    more = scored("more", {f"s{k:02d}": k % 5 + 1 for k in range(12)})
    comparison = compare([base, more])
    (task,) = comparison.tasks
    gap = task.differences[1]["wa"]
    assert comparison.names == ("base", "more")
    assert (gap.value, gap.low, gap.high) == pytest.approx((1 / 6,) * 3)
    assert verdict(gap, True) == "better"
    assert task.common_speakers == 12
    assert task.differences[0] is None
    assert np.isfinite(task.rates["wa"][1].value)


def test_only_common_speakers_are_paired(scored):
    first = scored("first", {"a": 1, "b": 2, "c": 6})
    second = scored("second", {"a": 2, "b": 3, "z": 0})
    (task,) = compare([first, second]).tasks
    assert task.common_speakers == 2
    assert task.differences[1]["wa"].value == pytest.approx(2 / 12)
    assert not task.differences[1]["wa"].reliable
    assert "2 speakers that all models" in task.notes[0]


def test_models_without_a_common_speaker_are_not_paired(scored):
    (task,) = compare([scored("first", {"a": 1}), scored("second", {"b": 1})]).tasks
    assert task.differences == [None, None]
    assert "different speakers" in task.notes[0]


def test_models_with_other_labels_are_not_paired(scored):
    (task,) = compare([scored("first", {"a": 1}), scored("second", {"a": 1}, labels=("calm", "tense"))]).tasks
    assert task.differences[1] is None
    assert "other labels" in task.notes[-1]


def test_json_of_a_comparison_is_plain(scored):
    comparison = compare([scored("first", {"a": 1}), scored("second", {"a": 2})])
    content = json.loads(json.dumps(comparison.to_json(), allow_nan=False))
    assert [model["name"] for model in content["models"]] == ["first", "second"]
    assert content["tasks"]["emotion"]["differences"][1]["wa"]["low"] is None


def test_synthetic_training_and_synthetic_tests_are_noted_apart(fakes, tmp_path):
    files = []
    for name, marks in {
        "real": {},
        "made": {"trained": True},
        "both": {"trained": True, "synthetic": True},
    }.items():
        rows = fakes.prediction_rows({"a": 2})
        path = fakes.write_rows(tmp_path / name / "p.jsonl", [fakes.emotion_task()], rows, name=name, **marks)
        files.append(score_predictions(path, resamples=10).save(tmp_path / name / "scores.json"))
    notes = compare(files).tasks[0].notes
    assert "Trained on synthetic speech, at least in part: 2 of 3." in notes
    assert "Judged on synthetic speech, at least in part: 1 of 3." in notes
    assert not any("synthetic" in note for note in compare([files[0]] * 2).tasks[0].notes)


def test_one_file_and_other_tasks_are_refused(scored, fakes, tmp_path):
    first = scored("first", {"a": 1})
    with pytest.raises(ManifestError, match="at least two"):
        compare([first])
    rows = fakes.phoneme_rows({"a": [("A", "A")]})
    path = fakes.write_rows(tmp_path / "other" / "p.jsonl", [fakes.phoneme_task()], rows)
    other = score_predictions(path, resamples=10).save(tmp_path / "other" / "scores.json")
    with pytest.raises(ManifestError, match="no task in common"):
        compare([first, other])


@pytest.mark.parametrize(
    ("low", "value", "high", "higher", "expected"),
    [
        (0.01, 0.02, 0.03, True, "better"),
        (0.01, 0.02, 0.03, False, "worse"),
        (-0.03, -0.02, -0.01, False, "better"),
        (-0.01, 0.02, 0.03, True, "not distinguishable"),
        (float("nan"), 0.02, float("nan"), True, "not distinguishable"),
    ],
)
def test_verdict_depends_on_zero_and_on_the_direction(low, value, high, higher, expected):
    assert verdict(Interval(value, low, high, 12, True), higher) == expected


def test_names_contain_the_checkpoints_if_they_differ(fakes, tmp_path):
    def scored(run, name, folder):
        rows = fakes.prediction_rows({"a": 1})
        path = fakes.write_rows(tmp_path / run / "p.jsonl", [fakes.emotion_task()], rows)
        first, *lines = path.read_text(encoding="utf-8").splitlines()
        header = json.loads(first)
        header["bundle"] |= {"name": name, "folder": folder}
        path.write_text("\n".join([json.dumps(header), *lines]) + "\n", encoding="utf-8")
        return score_predictions(path, resamples=10).save(tmp_path / run / "scores.json")

    best, last = scored("one", "toy", "best_emotion_ua"), scored("two", "toy", "last")
    assert compare([best, last]).names == ("one (best_emotion_ua)", "two (last)")
    other = scored("three", "tuned", "best_emotion_ua")
    assert compare([last, other]).names == ("toy (last)", "tuned (best_emotion_ua)")
    assert compare([best, other]).names == ("toy", "tuned")


def test_scores_of_whole_clips_and_of_windows_are_told_apart(scored):
    first, second = scored("first", {"a": 1}), scored("second", {"a": 2})
    file = second / "scores.json"
    content = json.loads(file.read_text(encoding="utf-8"))
    content["header"]["label_windows"] = {"window_s": 5.0, "hop_s": 2.5}
    file.write_text(json.dumps(content), encoding="utf-8")
    note = "The clips were cut into different windows, whose mean is judged."
    assert note in compare([first, second]).tasks[0].notes
    assert note not in compare([second, second]).tasks[0].notes
