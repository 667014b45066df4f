import json
import math

import numpy as np
import pytest

from soritune.errors import ManifestError, OutputError
from soritune.reports.report import write_report
from soritune.reports.score import load_scores, score_predictions


def test_rates_are_those_of_summed_counts(twelve):
    scores = score_predictions(twelve / "predictions" / "test.jsonl", group_by=("gender", "age"))
    # Right clips: 0+1+2+3+4+5 and six times 6 of 12 x 6.
    assert scores.interval("emotion", "wa").value == pytest.approx((15 + 36) / 72)
    assert scores.content["num_utterances"] == 72
    assert scores.content["num_failed"] == 1
    assert scores.content["num_speakers"] == 12
    assert scores.content["hours"] == pytest.approx(72 * 2 / 3600)
    interval = scores.interval("emotion", "wa")
    assert interval.reliable
    assert interval.low < interval.value < interval.high


def test_interval_equals_resampling_utterances_of_drawn_speakers(twelve):
    right = np.array([min(k, 6) for k in range(12)])
    draws = np.random.default_rng(5).multinomial(12, [1 / 12] * 12, size=400)
    expected = np.quantile(draws @ right / 72, [0.025, 0.975])
    found = score_predictions(twelve / "predictions" / "test.jsonl", resamples=400, seed=5).interval(
        "emotion", "wa"
    )
    assert (found.low, found.high) == pytest.approx(tuple(expected))


def test_groups_and_speakers(twelve):
    own = score_predictions(twelve / "predictions" / "test.jsonl", group_by=("gender", "age")).tasks[
        "emotion"
    ]
    # Odd speakers are F: 1+3+5+6+6+6 of 36.
    assert own["groups"]["gender"]["F"]["rates"]["wa"]["value"] == pytest.approx(27 / 36)
    assert own["groups"]["gender"]["F"]["num_speakers"] == 6
    assert not own["groups"]["gender"]["F"]["rates"]["wa"]["reliable"]
    # Twelve distinct ages are cut into quarters of three speakers.
    assert [group["num_speakers"] for group in own["groups"]["age"].values()] == [3, 3, 3, 3]
    assert own["speakers"]["s03"]["rates"]["wa"]["value"] == pytest.approx(0.5)
    assert np.array(own["speakers"]["s03"]["counts"]["confusion"]).sum() == 6
    total = sum(np.array(row["counts"]["confusion"]) for row in own["speakers"].values())
    assert np.trace(total) == 51


def test_speaker_interval_is_over_the_speakers_own_clips(twelve):
    speakers = score_predictions(twelve / "predictions" / "test.jsonl").tasks["emotion"]["speakers"]
    assert speakers["s06"]["rates"]["wa"] == {"value": 1.0, "low": 1.0, "high": 1.0}
    assert speakers["s03"]["rates"]["wa"]["low"] < 0.5 < speakers["s03"]["rates"]["wa"]["high"]


def test_baseline_and_calibration(twelve):
    own = score_predictions(twelve / "predictions" / "test.jsonl").tasks["emotion"]
    assert own["baselines"]["majority"]["rates"]["wa"] == pytest.approx(1 / 3)
    # Every prediction is 80 % sure, 51 of 72 are right.
    assert own["calibration"]["ece"] == pytest.approx(0.8 - 51 / 72)


def test_phoneme_counts_by_hand(fakes, tmp_path):
    rows = fakes.phoneme_rows(
        {"s1": [("A B | D", "A B | D"), ("A B", "A")], "s2": [("A A | B", "A D | B B")]}
    )
    path = fakes.write_rows(tmp_path / "p.jsonl", [fakes.phoneme_task()], rows)
    own = score_predictions(path).tasks["phoneme"]
    # 8 reference phones; one deletion, one substitution, one insertion.
    assert own["rates"]["per"]["value"] == pytest.approx(3 / 8)
    assert own["rates"]["per_insertions"]["value"] == pytest.approx(1 / 8)
    # Words: AB D, AB, AA B: 5, of which AB -> A, AA -> AD, B -> BB are wrong.
    assert own["rates"]["word_phone_er"]["value"] == pytest.approx(3 / 5)
    assert own["baselines"]["empty"]["rates"]["per"] == 1.0
    assert own["calibration"] is None


def test_rows_without_reference_or_speaker(fakes, tmp_path):
    rows = fakes.prediction_rows({"s1": 6, "s2": 3})
    rows[0]["tasks"]["emotion"]["reference"] = None
    for row in rows[6:]:
        del row["groups"]["speaker"]
    path = fakes.write_rows(tmp_path / "p.jsonl", [fakes.emotion_task()], rows)
    scores = score_predictions(path)
    own = scores.tasks["emotion"]
    assert (own["num_utterances"], own["num_unlabelled"], own["num_speakers"]) == (11, 1, 1)
    assert set(own["speakers"]) == {"s1", "(unknown)"}


def test_nothing_to_score_is_refused(fakes, tmp_path):
    rows = fakes.prediction_rows({"s1": 6})
    for row in rows:
        row["tasks"]["emotion"]["reference"] = None
    path = fakes.write_rows(tmp_path / "p.jsonl", [fakes.emotion_task()], rows)
    with pytest.raises(ManifestError, match="no row with a reference"):
        score_predictions(path)


@pytest.mark.parametrize(
    ("data", "synthetic", "expected"),
    [
        ({"split": "test", "policy": {"by": ["speaker"]}}, False, []),
        ({"split": "test", "policy": {"by": ["random"]}}, False, ["Random split"]),
        ({"split": "test"}, True, ["Synthetic speech"]),
        ({"manifest_hash": "c0ffee", "split": "all"}, False, ["were trained on|was trained on"]),
        ({"manifest_hash": "c0ffee", "split": "val"}, False, ["chose between models"]),
        ({"manifest_hash": "other", "split": "all"}, False, []),
        # What is known by id goes before what the hash and the split's name suggest.
        ({"manifest_hash": "other", "seen": {"train": 1, "val": 0}}, False, ["was trained on"]),
        ({"manifest_hash": "other", "seen": {"train": 0, "val": 2}}, False, ["chose between models"]),
        ({"manifest_hash": "c0ffee", "split": "all", "seen": {"train": 0, "val": 0}}, False, []),
        ({"policy": {"by": ["speaker"], "warnings": ["one fold is small"]}}, False, ["one fold is small"]),
    ],
)
def test_warnings(fakes, tmp_path, data, synthetic, expected):
    rows = fakes.prediction_rows({f"s{k}": 4 for k in range(10)})
    path = fakes.write_rows(
        tmp_path / "p.jsonl", [fakes.emotion_task()], rows, data=data, synthetic=synthetic
    )
    warnings = score_predictions(path, resamples=50).content["warnings"]
    assert len(warnings) == len(expected)
    for warning, pattern in zip(warnings, expected, strict=True):
        assert any(part in warning for part in pattern.split("|"))


def test_few_speakers_are_said_and_marked(fakes, tmp_path):
    path = fakes.write_rows(
        tmp_path / "p.jsonl", [fakes.emotion_task()], fakes.prediction_rows({"s1": 6, "s2": 3})
    )
    scores = score_predictions(path)
    assert "2 known speakers: with fewer than 10 no interval" in scores.content["warnings"][0]
    assert not scores.interval("emotion", "ua").reliable


def test_saved_scores_are_plain_json_and_load_again(fakes, tmp_path):
    # One class only: the recall of others is undefined, and a single speaker has no interval.
    rows = [row for row in fakes.prediction_rows({"s1": 6}) if row["id"].endswith(("_0", "_3"))]
    path = fakes.write_rows(tmp_path / "p.jsonl", [fakes.emotion_task()], rows)
    saved = score_predictions(path).save(tmp_path / "out" / "scores.json")
    assert "NaN" not in saved.read_text(encoding="utf-8")
    assert json.loads(saved.read_text(encoding="utf-8"))["tasks"]["emotion"]["rates"]["wa"]["low"] is None
    loaded = load_scores(tmp_path / "out")
    assert loaded.interval("emotion", "wa").value == 1.0
    assert math.isnan(loaded.interval("emotion", "wa").low)


def test_what_is_no_scores_file_is_refused(tmp_path):
    with pytest.raises(ManifestError, match="soritune score"):
        load_scores(tmp_path / "gone.json")
    (tmp_path / "other.json").write_text("{}")
    with pytest.raises(ManifestError, match="no scores file"):
        load_scores(tmp_path / "other.json")


def test_unwritable_place(twelve):
    scores = score_predictions(twelve / "predictions" / "test.jsonl", resamples=0)
    (twelve / "file").touch()
    with pytest.raises(OutputError, match="cannot be written"):
        scores.save(twelve / "file" / "scores.json")


def test_a_group_no_row_has_is_said(twelve):
    content = score_predictions(twelve / "predictions" / "test.jsonl", group_by=("gender", "dialect")).content
    assert "Not grouped by dialect: no row has it." in content["warnings"]
    assert set(content["tasks"]["emotion"]["groups"]) == {"gender"}


def test_confidences_that_are_no_numbers_are_left_out_of_the_calibration(twelve):
    path = twelve / "predictions" / "test.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines()
    row = json.loads(lines[1])
    row["tasks"]["emotion"]["prediction"]["confidence"] = None
    broken = path.with_name("broken.jsonl")
    broken.write_text("\n".join([lines[0], json.dumps(row), *lines[2:]]) + "\n", encoding="utf-8")
    whole, less = (score_predictions(one).tasks["emotion"]["calibration"] for one in (path, broken))
    assert sum(b["rows"] for b in whole["bins"]) == sum(b["rows"] for b in less["bins"]) + 1


def test_a_model_that_gives_no_numbers_is_scored_and_said(fakes, tmp_path):
    rows = fakes.prediction_rows({f"s{k}": 4 for k in range(10)})
    for row in rows:
        prediction = row["tasks"]["emotion"]["prediction"]
        prediction["confidence"] = math.nan
        prediction["probabilities"] = dict.fromkeys(prediction["probabilities"], math.nan)
    path = fakes.write_rows(tmp_path / "p.jsonl", [fakes.emotion_task()], rows)
    scores = score_predictions(path, resamples=50)
    assert scores.tasks["emotion"]["calibration"] is None
    assert scores.interval("emotion", "wa").value == pytest.approx(4 / 6)
    assert any("60 of 60 predictions have no probability" in text for text in scores.content["warnings"])
    scores.save(tmp_path / "scores.json")
    assert write_report(tmp_path, predictions_path=path, audio=False).is_file()
