"""scores.json as classes: what is written is read again, and what is missing or wrong is named."""

from __future__ import annotations

import copy
import dataclasses
import json
import math

import numpy as np
import pytest

from soritune.errors import ManifestError, OutputError
from soritune.reports.score import score_predictions
from soritune.reports.scores import Scores, load_scores


@pytest.fixture
def saved(fakes, tmp_path):
    """scores.json of two tasks, with groups, warnings, a null, an unlabelled and a failed clip."""
    rows = fakes.prediction_rows({f"s{k:02d}": k % 6 for k in range(11)})
    phones = fakes.phoneme_rows({f"s{k:02d}": [("A B | D", "A D | D")] * 6 for k in range(11)})
    for row, other in zip(rows, phones, strict=True):
        row["tasks"] |= other["tasks"]
    rows[0]["tasks"]["emotion"]["reference"] = None
    rows[1]["groups"]["age"] = None
    del rows[2]["groups"]["speaker"]
    rows.append({"id": "bad", "audio": "bad.wav", "error": "is empty"})
    data = {"split": "test", "policy": {"by": ["speaker"], "warnings": ["한 폴드가 작다"]}}
    tasks = [fakes.emotion_task(), fakes.phoneme_task()]
    path = fakes.write_rows(tmp_path / "p.jsonl", tasks, rows, data=data, synthetic=True)
    scores = score_predictions(path, group_by=("gender", "age", "dialect"), resamples=30)
    return scores.save(tmp_path / "scores.json")


def test_what_is_read_is_written_again_byte_for_byte(saved, tmp_path):
    scores = load_scores(saved)
    assert list(scores.tasks) == ["emotion", "phoneme"]
    assert list(scores.tasks["emotion"].groups) == ["gender", "age"]
    assert len(scores.warnings) == 5
    again = scores.save(tmp_path / "again.json")
    assert again.read_bytes() == saved.read_bytes()


def test_groups_of_a_baseline_are_written_only_where_it_has_them_and_read_again(saved, tmp_path):
    scores = load_scores(saved)
    emotion = scores.tasks["emotion"]
    majority = emotion.baselines["majority"]
    assert majority.groups == {}
    groups = {"gender": {"F": {"ua": 0.5, "wa": 0.25}, "M": {"ua": 0.75}}}
    trained = dataclasses.replace(majority, groups=groups)
    emotion = dataclasses.replace(emotion, baselines={"majority": majority, "trained": trained})
    dataclasses.replace(scores, tasks={**scores.tasks, "emotion": emotion}).save(tmp_path / "more.json")
    assert load_scores(tmp_path / "more.json").tasks["emotion"].baselines["trained"].groups == groups


def test_order_of_the_keys_is_that_of_the_documented_file(saved):
    """The order of the schema soritune.scores/1; a file is compared byte for byte with one of an earlier version."""
    content = json.loads(saved.read_text(encoding="utf-8"))
    assert " ".join(content) == (
        "schema created predictions synthetic num_utterances num_failed num_speakers hours resamples seed warnings "
        "tasks header versions"
    )
    emotion = content["tasks"]["emotion"]
    assert " ".join(emotion) == (
        "primary_metric num_utterances num_speakers hours rates groups baselines calibration speakers num_unlabelled"
    )
    assert list(emotion["primary_metric"]) == ["name", "higher_is_better"]
    assert list(emotion["rates"]["wa"]) == ["value", "low", "high", "num_speakers", "reliable"]
    assert list(emotion["groups"]["gender"]["F"]) == ["num_utterances", "num_speakers", "hours", "rates"]
    assert list(emotion["baselines"]["majority"]) == ["description", "rates", "differences"]
    assert list(emotion["calibration"]) == ["ece", "bins"]
    assert list(emotion["calibration"]["bins"][0]) == ["low", "high", "rows", "confidence", "accuracy"]
    assert list(emotion["speakers"]["s01"]) == ["num_utterances", "hours", "rates", "counts"]
    assert list(emotion["speakers"]["s01"]["rates"]["wa"]) == ["value", "low", "high"]
    assert content["tasks"]["phoneme"]["calibration"] is None


def test_values_have_types(saved):
    scores = load_scores(saved)
    emotion = scores.tasks["emotion"]
    assert (scores.num_utterances, scores.num_failed, scores.num_speakers) == (66, 1, 11)
    assert emotion.num_unlabelled == 1
    assert emotion.primary_metric.name == "ua" and emotion.primary_metric.higher_is_better
    assert emotion.primary_interval == scores.interval("emotion", "ua")
    assert emotion.speakers["s03"].counts["confusion"].shape == (3, 3)
    assert emotion.speakers["s03"].counts["confusion"].dtype == np.float64
    assert math.isnan(scores.tasks["phoneme"].speakers["(unknown)"].rates["per"].low)
    assert scores.header.data.split == "test"
    assert [task.name for task in scores.header.tasks] == ["emotion", "phoneme"]


def changed(content, keys, value):
    """A copy with a value at dotted keys, or without the key where the value is `...`."""
    content = copy.deepcopy(content)
    *parents, last = keys.split(".")
    part = content
    for key in parents:
        part = part[key]
    if value is ...:
        del part[last]
    else:
        part[last] = value
    return content


@pytest.mark.parametrize(
    ("keys", "value", "sentence"),
    [
        ("tasks", ..., "'tasks' is missing"),
        ("tasks", [], "'tasks' must be an object, not []"),
        ("num_failed", "1", "'num_failed' must be a whole number, not '1'"),
        ("num_failed", True, "'num_failed' must be a whole number, not True"),
        ("hours", "long", "'hours' must be a number or null, not 'long'"),
        ("synthetic", 0, "'synthetic' must be true or false, not 0"),
        ("warnings", ["a", 1], "'warnings' must be a list of texts, not ['a', 1]"),
        ("tasks.emotion", 3, "'tasks.emotion' must be an object, not 3"),
        ("tasks.emotion.rates.wa.value", ..., "'tasks.emotion.rates.wa.value' is missing"),
        ("tasks.emotion.rates.ua", ..., "'tasks.emotion.rates.ua' is missing"),
        (
            "tasks.emotion.groups.gender.F.rates.ua",
            ...,
            "'tasks.emotion.groups.gender.F.rates.ua' is missing",
        ),
        ("tasks.emotion.speakers.s01.rates.ua", ..., "'tasks.emotion.speakers.s01.rates.ua' is missing"),
        (
            "tasks.emotion.speakers.s01.counts.confusion",
            "many",
            "'tasks.emotion.speakers.s01.counts.confusion' must be an array of numbers",
        ),
        (
            "tasks.emotion.speakers.s01.counts.confusion",
            [[1, 2], [3]],
            "'tasks.emotion.speakers.s01.counts.confusion' must be an array of numbers",
        ),
        ("tasks.emotion.calibration", ..., "'tasks.emotion.calibration' is missing"),
        ("tasks.emotion.calibration.bins", [3], "'tasks.emotion.calibration.bins[0]' is not a JSON object"),
        ("header.tasks", ..., "'header.tasks' is missing"),
        ("header.tasks", [], "'header.tasks' does not contain 'emotion', which 'tasks' contains"),
        ("header.bundle", "x", "'header.bundle' must be an object, not 'x'"),
    ],
)
def test_missing_key_and_wrong_type_are_named_with_the_file(saved, keys, value, sentence):
    content = json.loads(saved.read_text(encoding="utf-8"))
    saved.write_text(json.dumps(changed(content, keys, value)), encoding="utf-8")
    with pytest.raises(ManifestError) as caught:
        load_scores(saved)
    assert str(caught.value) == f"{saved}: {sentence}; write it with `soritune score`"


def test_null_among_counts_is_nan(saved):
    content = json.loads(saved.read_text(encoding="utf-8"))
    content = changed(content, "tasks.emotion.speakers.s01.counts.confusion", [[None, 1], [0, 2]])
    counts = Scores.from_json(content).tasks["emotion"].speakers["s01"].counts["confusion"]
    np.testing.assert_array_equal(counts, [[math.nan, 1], [0, 2]])


def test_rates_that_cannot_be_computed_are_null_in_the_file(fakes, tmp_path):
    # One class only: the recall of others is undefined, and a single speaker has no interval.
    rows = [row for row in fakes.prediction_rows({"s1": 6}) if row["id"].endswith(("_0", "_3"))]
    path = fakes.write_rows(tmp_path / "p.jsonl", [fakes.emotion_task()], rows)
    saved = score_predictions(path).save(tmp_path / "out" / "scores.json")
    assert "NaN" not in saved.read_text(encoding="utf-8")
    assert json.loads(saved.read_text(encoding="utf-8"))["tasks"]["emotion"]["rates"]["wa"]["low"] is None
    loaded = load_scores(tmp_path / "out")
    assert loaded.interval("emotion", "wa").value == 1.0
    assert math.isnan(loaded.interval("emotion", "wa").low)


@pytest.mark.parametrize("text", ["{}", "[]", '{"schema": "soritune.predictions/1"}'])
def test_file_that_is_not_scores_is_refused(tmp_path, text):
    (tmp_path / "other.json").write_text(text)
    with pytest.raises(ManifestError, match=r"other\.json: is not a scores file"):
        load_scores(tmp_path / "other.json")


@pytest.mark.parametrize("content", [b"{", b"\xff\xfe"])
def test_file_that_cannot_be_read_is_refused(tmp_path, content):
    (tmp_path / "scores.json").write_bytes(content)
    with pytest.raises(ManifestError, match=r"scores\.json: cannot be read as scores"):
        load_scores(tmp_path)


def test_missing_file_is_refused_with_the_command_that_writes_it(tmp_path):
    with pytest.raises(ManifestError, match="write it with `soritune score`"):
        load_scores(tmp_path / "gone.json")


def test_run_that_was_not_judged_is_named_with_the_commands_that_judge_it(tmp_path):
    (tmp_path / "my run" / "bundles").mkdir(parents=True)
    with pytest.raises(ManifestError) as raised:
        load_scores(tmp_path / "my run")
    text = str(raised.value)
    assert "has not been judged" in text and "--resume" in text
    assert f"`soritune evaluate '{tmp_path / 'my run'}'`" in text
    (tmp_path / "empty").mkdir()
    for gone in (tmp_path / "empty", tmp_path / "gone"):
        with pytest.raises(ManifestError) as raised:
            load_scores(gone)
        assert "Errno" not in str(raised.value) and "soritune score" in str(raised.value)


def test_path_that_cannot_be_written_to_is_refused(saved, tmp_path):
    scores = load_scores(saved)
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot be written"):
        scores.save(tmp_path / "file" / "scores.json")
