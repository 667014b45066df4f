import json
from dataclasses import replace

import pytest

from soritune.inference.header import Header
from soritune.inference.predictions import read_predictions
from soritune.reports.score import score_predictions
from soritune.reports.score_warnings import absent_groups, unlabelled, warnings_of


@pytest.fixture
def predictions(fakes, tmp_path):
    def make(speakers=10, **options):
        rows = fakes.prediction_rows({f"s{k}": 4 for k in range(speakers)})
        return read_predictions(
            fakes.write_rows(tmp_path / "p.jsonl", [fakes.emotion_task()], rows, **options)
        )

    return make


@pytest.mark.parametrize(
    ("data", "synthetic", "expected"),
    [
        ({"split": "test", "policy": {"by": ["speaker"]}}, False, []),
        ({"split": "test", "policy": {"by": ["random"]}}, False, ["Random split"]),
        ({"manifest_hash": "c0ffee", "split": "all"}, False, ["the model was trained on"]),
        ({"manifest_hash": "c0ffee", "split": "val"}, False, ["chose between models"]),
        ({"manifest_hash": "other", "split": "all"}, False, []),
        # Rows known by id count more than the hash and the split's name.
        ({"manifest_hash": "other", "seen": {"train": 1, "val": 0}}, False, ["the model was trained on"]),
        ({"manifest_hash": "other", "seen": {"train": 0, "val": 2}}, False, ["chose between models"]),
        ({"manifest_hash": "other", "seen": {"train": 1, "val": 2}}, False, ["the model was trained on"]),
        ({"manifest_hash": "c0ffee", "split": "all", "seen": {"train": 0, "val": 0}}, False, []),
        ({"policy": {"by": ["speaker"], "warnings": ["one fold is small"]}}, False, ["one fold is small"]),
    ],
)
def test_warnings_follow_from_the_header(predictions, data, synthetic, expected):
    warnings = warnings_of(predictions(data=data, synthetic=synthetic), num_speakers=10)
    assert len(warnings) == len(expected)
    assert all(part in warning for part, warning in zip(expected, warnings, strict=True))


@pytest.mark.parametrize(
    ("trained", "judged", "expected"),
    [
        (False, False, []),
        (
            True,
            True,
            ["Trained and judged on synthetic speech, at least in part; the numbers say little about"],
        ),
        (
            False,
            True,
            ["Judged on synthetic speech, at least in part; the numbers say little about people's"],
        ),
        (
            True,
            False,
            ["Trained on synthetic speech, at least in part; the speech that it is judged on is not marked"],
        ),
        (True, None, ["Trained on synthetic speech, at least in part."]),
    ],
)
def test_synthetic_training_and_synthetic_tests_are_told_apart(predictions, trained, judged, expected):
    warnings = warnings_of(predictions(trained=trained, synthetic=judged), num_speakers=10)
    assert [warning[: len(text)] for warning, text in zip(warnings, expected, strict=True)] == expected


@pytest.mark.parametrize(
    ("number", "start"), [(0, "No known speakers: "), (1, "1 known speaker: "), (9, "9 known speakers: ")]
)
def test_few_speakers_are_reported(predictions, number, start):
    (warning,) = warnings_of(predictions(data={"split": "test"}), num_speakers=number)
    assert warning == f"{start}with fewer than 10 no interval is reliable."


@pytest.mark.parametrize(
    ("number", "data", "advised"),
    [
        (1, {"split": "test"}, True),
        (2, {"split": "test"}, True),
        (3, {"split": "test"}, False),
        (0, {"split": "test"}, False),
        (1, {"split": "test", "pooled": 6}, False),
        (1, {"split": "test", "manifest_hash": "other"}, False),
    ],
)
def test_one_or_two_speakers_of_the_own_test_split_lead_to_crossval(predictions, number, data, advised):
    (warning,) = warnings_of(predictions(data={"manifest_hash": "c0ffee", **data}), num_speakers=number)
    assert warning.endswith(" `soritune crossval` tests every speaker of the corpus once.") is advised


def test_failed_clips_are_reported(twelve):
    warnings = warnings_of(read_predictions(twelve / "predictions" / "test.jsonl"), num_speakers=12)
    assert warnings == ["1 of 73 clips could not be read and are not scored."]


def test_tasks_without_labels_are_reported():
    assert unlabelled({"emotion": 3, "phoneme": 0}, 20) == [
        "3 of 20 clips have no label for the task 'emotion' and are not scored by it."
    ]


def test_groups_that_no_row_has_are_reported(predictions):
    rows = predictions()
    assert absent_groups(rows, ("gender", "speaker")) == []
    assert absent_groups(rows, ("gender", "dialect", "school")) == [
        "Not grouped by dialect, school: no row has it."
    ]


@pytest.mark.parametrize(("vad", "title"), [("silero", "Silero"), ("energy", "an energy gate")])
def test_clips_without_speech_are_counted_and_scored_nevertheless(fakes, tmp_path, vad, title):
    rows = fakes.prediction_rows({f"s{k}": 4 for k in range(10)})
    for row in rows[:7]:
        row["no_speech"] = True
    path = fakes.write_rows(tmp_path / "p.jsonl", [fakes.emotion_task()], rows, data={"split": "test"})
    header, *lines = path.read_text(encoding="utf-8").splitlines()
    path.write_text("\n".join([json.dumps({**json.loads(header), "vad": vad}), *lines]), encoding="utf-8")
    (warning,) = warnings_of(read_predictions(path), num_speakers=10)
    assert warning.startswith(f"7 of 60 clips hold no speech, as found by {title}")
    assert score_predictions(path, resamples=10).num_utterances == 60


FITTED = {
    "rows": 24,
    "speakers": 4,
    "outputs": {
        "emotion": {
            "temperature": 2.0, "rows": 24, "speakers": 4, "nll_before": 1.0, "nll_after": 0.9, "ece_before": 0.2,
            "ece_after": 0.1,
        }
    },
    "thresholds": {"emotion": [*([0.5] * 99), 0.0]},
}  # fmt: skip


@pytest.mark.parametrize("is_calibrated", [False, True])
@pytest.mark.parametrize(
    ("stated", "what", "fitted"),
    [
        (
            {"label_windows": {"window_s": 5.0, "hop_s": 2.5}},
            "Every clip was cut into windows of 5 s every 2.5 s; its label is the mean of those with speech.",
            "Temperature and thresholds were fitted on whole clips",
        ),
        (
            {"withheld": ["text"]},
            "The model was judged without its input text",
            "Temperature and thresholds were fitted with these inputs",
        ),
    ],
)
def test_confidence_on_other_clips_than_it_was_fitted_on_is_reported(
    predictions, tmp_path, stated, what, fitted, is_calibrated
):
    predictions()
    file = tmp_path / "p.jsonl"
    head, _, rows = file.read_text(encoding="utf-8").partition("\n")
    header = json.loads(head) | stated
    if is_calibrated:
        header["bundles"][0]["calibration"] = header["bundle"]["calibration"] = FITTED
    file.write_text(f"{json.dumps(header)}\n{rows}", encoding="utf-8")
    scores = score_predictions(file, group_by=(), resamples=10)
    assert sum(text.startswith(what) for text in scores.warnings) == 1
    assert sum(text.startswith(fitted) for text in scores.warnings) == is_calibrated
    # The temperature cannot be undone in the mean over windows.
    undone = scores.tasks["emotion"].uncalibrated
    assert (undone is not None) is (is_calibrated and "withheld" in stated)


@pytest.mark.parametrize("calibrated", [0, 1, 2])
def test_models_with_and_without_a_temperature_are_reported(predictions, tmp_path, calibrated):
    predictions()
    file = tmp_path / "p.jsonl"
    head, _, rows = file.read_text(encoding="utf-8").partition("\n")
    header = json.loads(head)
    (bundle,) = header["bundles"]
    header["bundles"] = [bundle | ({"calibration": FITTED} if n < calibrated else {}) for n in range(2)]
    file.write_text(f"{json.dumps(header)}\n{rows}", encoding="utf-8")
    warnings = warnings_of(read_predictions(file), num_speakers=10)
    sentences = [text for text in warnings if text.startswith("1 of 2 models have a temperature;")]
    assert len(sentences) == (calibrated == 1)


def test_recognised_text_in_training_and_as_the_model_is_stated(predictions):
    plain = predictions()
    bundle = {**plain.header.content["bundle"], "data": {"recognised_labels": {"rows": 8, "of": 20}}}
    trained = replace(plain, header=Header({**plain.header.content, "bundle": bundle}))
    (warning,) = warnings_of(trained, num_speakers=10)
    assert warning.startswith("Trained on labels from recognised text: 8 of 20 training and validation rows;")
    of_text = replace(plain, header=Header({**plain.header.content, "from_text": True}))
    (warning,) = warnings_of(of_text, num_speakers=10)
    assert "hears words, so it hides mispronunciations" in warning
