import json
import math

import numpy as np
import pytest

from soritune.errors import ManifestError
from soritune.inference.predictions import read_predictions
from soritune.reports.players import Players
from soritune.reports.report import render_report, write_report
from soritune.reports.score import score_predictions
from soritune.reports.scores import load_scores
from soritune.reports.sections import task_section
from soritune.reports.text_report import text_report
from soritune.tasks.emotion import EmotionConfig, EmotionTask


def test_rates_are_those_of_summed_counts(twelve):
    scores = score_predictions(twelve / "predictions" / "test.jsonl", group_by=("gender", "age"))
    # Right clips: 0+1+2+3+4+5 and six times 6 of 12 x 6.
    assert scores.interval("emotion", "wa").value == pytest.approx((15 + 36) / 72)
    assert (scores.num_utterances, scores.num_failed, scores.num_speakers) == (72, 1, 12)
    assert scores.hours == pytest.approx(72 * 2 / 3600)
    interval = scores.interval("emotion", "wa")
    assert interval.reliable
    assert interval.low < interval.value < interval.high


def test_interval_equals_resampling_utterances_of_drawn_speakers(twelve):
    right = np.array([min(k, 6) for k in range(12)])
    draws = np.random.default_rng(5).multinomial(12, [1 / 12] * 12, size=400)
    expected = np.quantile(draws @ right / 72, [0.025, 0.975])
    scores = score_predictions(twelve / "predictions" / "test.jsonl", resamples=400, seed=5)
    interval = scores.interval("emotion", "wa")
    assert (interval.low, interval.high) == pytest.approx(tuple(expected))


def test_groups_and_speakers_are_sums_over_their_utterances(twelve):
    scores = score_predictions(twelve / "predictions" / "test.jsonl", group_by=("gender", "age"))
    emotion = scores.tasks["emotion"]
    # Odd speakers are F: 1+3+5+6+6+6 of 36.
    women = emotion.groups["gender"]["F"]
    assert women.rates["wa"].value == pytest.approx(27 / 36)
    assert women.num_speakers == 6
    assert not women.rates["wa"].reliable
    # Twelve distinct ages are cut into quarters of three speakers.
    assert [group.num_speakers for group in emotion.groups["age"].values()] == [3, 3, 3, 3]
    assert emotion.speakers["s03"].rates["wa"].value == pytest.approx(0.5)
    assert emotion.speakers["s03"].counts["confusion"].sum() == 6
    total = sum(speaker.counts["confusion"] for speaker in emotion.speakers.values())
    assert np.trace(total) == 51


def test_speaker_interval_is_over_the_speakers_own_clips(twelve):
    speakers = score_predictions(twelve / "predictions" / "test.jsonl").tasks["emotion"].speakers
    certain, mixed = speakers["s06"].rates["wa"], speakers["s03"].rates["wa"]
    assert (certain.value, certain.low, certain.high) == (1.0, 1.0, 1.0)
    assert mixed.low < 0.5 < mixed.high


def test_more_speakers_than_the_limit_have_no_intervals_of_their_own(fakes, tmp_path, monkeypatch):
    monkeypatch.setattr("soritune.reports.score.SPEAKERS_WITH_INTERVALS", 2)
    for speakers, is_known in ((2, True), (3, False)):
        rows = fakes.prediction_rows({f"s{k}": 3 for k in range(speakers)})
        path = fakes.write_rows(tmp_path / f"{speakers}.jsonl", [fakes.emotion_task()], rows)
        rate = score_predictions(path, resamples=20).tasks["emotion"].speakers["s0"].rates["wa"]
        assert rate.value == pytest.approx(0.5)
        assert math.isfinite(rate.low) is is_known


def test_baseline_and_calibration_equal_numbers_by_hand(twelve):
    emotion = score_predictions(twelve / "predictions" / "test.jsonl").tasks["emotion"]
    assert emotion.baselines["majority"].rates["wa"] == pytest.approx(1 / 3)
    # Every prediction is 80 % sure, 51 of 72 are right.
    assert emotion.calibration.ece == pytest.approx(0.8 - 51 / 72)


def test_phoneme_rates_equal_counts_by_hand(fakes, tmp_path):
    rows = fakes.phoneme_rows(
        {"s1": [("A B | D", "A B | D"), ("A B", "A")], "s2": [("A A | B", "A D | B B")]}
    )
    path = fakes.write_rows(tmp_path / "p.jsonl", [fakes.phoneme_task()], rows)
    phoneme = score_predictions(path).tasks["phoneme"]
    # 8 reference phones; one deletion, one substitution, one insertion.
    assert phoneme.rates["per"].value == pytest.approx(3 / 8)
    assert phoneme.rates["per_insertions"].value == pytest.approx(1 / 8)
    # Words: AB D, AB, AA B: 5, of which AB -> A, AA -> AD, B -> BB are wrong.
    assert phoneme.rates["word_phone_er"].value == pytest.approx(3 / 5)
    assert phoneme.baselines["empty"].rates["per"] == 1.0
    assert phoneme.calibration is None


def test_rows_without_reference_or_speaker_are_counted(fakes, tmp_path):
    rows = fakes.prediction_rows({"s1": 6, "s2": 3})
    rows[0]["tasks"]["emotion"]["reference"] = None
    for row in rows[6:]:
        del row["groups"]["speaker"]
    path = fakes.write_rows(tmp_path / "p.jsonl", [fakes.emotion_task()], rows)
    emotion = score_predictions(path).tasks["emotion"]
    assert (emotion.num_utterances, emotion.num_unlabelled, emotion.num_speakers) == (11, 1, 1)
    assert set(emotion.speakers) == {"s1", "(unknown)"}


def test_predictions_without_references_are_refused(fakes, tmp_path):
    rows = fakes.prediction_rows({"s1": 6})
    for row in rows:
        row["tasks"]["emotion"]["reference"] = None
    path = fakes.write_rows(tmp_path / "p.jsonl", [fakes.emotion_task()], rows)
    with pytest.raises(ManifestError, match="no row with a reference"):
        score_predictions(path)


def test_intervals_of_few_speakers_are_unreliable(fakes, tmp_path):
    rows = fakes.prediction_rows({"s1": 6, "s2": 3})
    path = fakes.write_rows(tmp_path / "p.jsonl", [fakes.emotion_task()], rows)
    assert not score_predictions(path).interval("emotion", "ua").reliable


def test_group_that_no_row_has_is_left_out(twelve):
    scores = score_predictions(twelve / "predictions" / "test.jsonl", group_by=("gender", "dialect"))
    assert set(scores.tasks["emotion"].groups) == {"gender"}


def test_predictions_without_confidence_are_left_out_of_the_calibration(twelve):
    path = twelve / "predictions" / "test.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines()
    row = json.loads(lines[1])
    row["tasks"]["emotion"]["prediction"]["confidence"] = None
    broken = path.with_name("broken.jsonl")
    broken.write_text("\n".join([lines[0], json.dumps(row), *lines[2:]]) + "\n", encoding="utf-8")
    whole, less = (score_predictions(file).tasks["emotion"].calibration for file in (path, broken))
    assert sum(b.rows for b in whole.bins) == sum(b.rows for b in less.bins) + 1


def test_model_without_finite_outputs_is_scored_without_calibration(fakes, tmp_path):
    rows = fakes.prediction_rows({f"s{k}": 4 for k in range(10)})
    for row in rows:
        prediction = row["tasks"]["emotion"]["prediction"]
        prediction["confidence"] = math.nan
        prediction["probabilities"] = dict.fromkeys(prediction["probabilities"], math.nan)
    path = fakes.write_rows(tmp_path / "p.jsonl", [fakes.emotion_task()], rows)
    scores = score_predictions(path, resamples=50)
    assert scores.tasks["emotion"].calibration is None
    assert scores.interval("emotion", "wa").value == pytest.approx(4 / 6)
    assert any("60 of 60 predictions have no probability" in text for text in scores.warnings)
    scores.save(tmp_path / "scores.json")
    assert write_report(tmp_path, predictions_path=path, audio=False).is_file()


@pytest.fixture
def partly_certain(fakes, tmp_path):
    """Of each of ten speakers: clips 0 to 3 are right and 4, 5 wrong; 3 and 4 are uncertain, 0 holds no speech."""
    rows = fakes.prediction_rows({f"s{k}": 4 for k in range(10)})
    for row in rows:
        index = int(row["id"].split("_")[1])
        if index in (3, 4):
            row["tasks"]["emotion"]["prediction"] |= {"confidence": 0.5, "uncertain": True}
        if index == 0:
            row["no_speech"] = True
    path = fakes.write_rows(tmp_path / "p.jsonl", [fakes.emotion_task()], rows)
    lines = path.read_text(encoding="utf-8").splitlines()
    header = json.dumps(json.loads(lines[0]) | {"min_confidence": 0.6, "vad": "energy"})
    path.write_text("\n".join([header, *lines[1:]]) + "\n", encoding="utf-8")
    return path


def test_certain_clips_are_scored_beside_all(partly_certain, tmp_path):
    """Clips 1, 2 and 5 remain: 3 of 6, of which 2 are right; all together 4 of 6 are."""
    scores = score_predictions(partly_certain, resamples=100)
    emotion = scores.tasks["emotion"]
    assert emotion.rates["wa"].value == pytest.approx(4 / 6)
    certain = emotion.certain
    assert (certain.min_confidence, certain.num_utterances, certain.share) == (0.6, 30, 0.5)
    assert certain.rates["wa"].value == pytest.approx(2 / 3)
    assert certain.rates["wa"].num_speakers == 10
    scores.save(tmp_path / "scores.json")
    assert load_scores(tmp_path / "scores.json").tasks["emotion"].certain == certain


def test_scores_without_a_minimum_confidence_have_no_certain_clips(twelve):
    scores = score_predictions(twelve / "predictions" / "test.jsonl")
    assert scores.tasks["emotion"].certain is None
    assert "certain" not in scores.to_json()["tasks"]["emotion"]


def test_no_certain_clip_leaves_no_rates(partly_certain):
    text = partly_certain.read_text(encoding="utf-8").replace('"label":', '"uncertain": true, "label":')
    partly_certain.write_text(text, encoding="utf-8")
    certain = score_predictions(partly_certain, resamples=100).tasks["emotion"].certain
    assert (certain.num_utterances, certain.share, certain.rates) == (0, 0.0, {})


def test_reports_show_the_certain_clips(partly_certain, tmp_path):
    scores = score_predictions(partly_certain, resamples=100)
    title = "Clips with speech and a label of at least 60.0 %: 30 of 60 (50.0 %)"
    assert title in text_report(scores)
    assert "66.7 %" in text_report(scores).split("all clips")[1].split("class")[0]
    assert title in render_report(scores, read_predictions(partly_certain))


def test_message_names_the_first_failure_if_every_clip_failed(fakes, tmp_path):
    rows = [{"id": f"a{k}", "audio": f"a{k}.wav", "error": "the output is not finite"} for k in range(3)]
    path = fakes.write_rows(tmp_path / "p.jsonl", [fakes.emotion_task()], rows)
    with pytest.raises(ManifestError, match="all 3 clips failed, first a0: the output is not finite"):
        score_predictions(path)


@pytest.mark.parametrize(
    ("part", "field", "value", "message"),
    [
        ("prediction", "label", "weird", "not one of the task emotion .*weird"),
        ("prediction", "label", 3, "not one of the task emotion"),
        ("reference", "label", None, "not one of the task emotion"),
        ("prediction", "probabilities", {"화남": 0.9, "슬픔": 0.9}, "add to 1.8, not to 1"),
    ],
)
def test_row_that_does_not_fit_the_task_is_refused_by_its_id(fakes, tmp_path, part, field, value, message):
    rows = fakes.prediction_rows({f"s{k}": 2 for k in range(3)})
    rows[1]["tasks"]["emotion"][part][field] = value
    path = fakes.write_rows(tmp_path / "p.jsonl", [fakes.emotion_task()], rows)
    with pytest.raises(ManifestError, match=f"row '{rows[1]['id']}': .*{message}"):
        score_predictions(path, resamples=20)


def test_rows_without_a_reference_label_are_in_no_calibration(fakes, tmp_path):
    """Ratings without a majority: the reference has no label, and a task of ratings judges the row by `soft_loss`."""
    task = EmotionTask(EmotionConfig(labels=fakes.emotion_task().config.labels, rated_target="soft"))
    rows = fakes.prediction_rows({f"s{k:02d}": 6 for k in range(12)})
    plain = score_predictions(fakes.write_rows(tmp_path / "a.jsonl", [task], rows), resamples=20).tasks[
        "emotion"
    ]
    first, second = task.config.labels[:2]
    for row in rows[::6]:
        row["tasks"]["emotion"]["reference"] = {"label": None, "ratings": {first: 1, second: 1}}
    path = fakes.write_rows(tmp_path / "b.jsonl", [task], rows)
    scores = score_predictions(path, resamples=20)
    tied = scores.tasks["emotion"]
    assert sum(row.rows for row in plain.calibration.bins) == 72
    assert sum(row.rows for row in tied.calibration.bins) == 60
    assert np.isfinite(tied.rates["soft_loss"].value)
    assert any(text.startswith("12 of 72 clips have ratings without a majority") for text in scores.warnings)
    section = task_section(task, tied, read_predictions(path), Players(None))
    assert all(row["reference"] for row in section["errors"])
