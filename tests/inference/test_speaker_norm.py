from dataclasses import replace

import numpy as np
import pytest
import soundfile

from soritune.bundles.calibration import BundleCalibration, OutputCalibration
from soritune.bundles.speaker_norm import FeatureStatistics, TrainingFeatures
from soritune.corpus.manifest import load_manifest, write_manifest
from soritune.corpus.utterance import Utterance
from soritune.errors import BundleError, TaskError
from soritune.inference.origin import make_header
from soritune.inference.predictor import Predictor

TRAINING = TrainingFeatures(
    9, 3, {"emotion": FeatureStatistics(np.array([0.01, 0.5, 1.0]), np.array([0.05, 0.1, 0.2]))}
)


@pytest.fixture
def member(fakes):
    return replace(fakes.member([fakes.emotion_task()]), training_features=TRAINING)


@pytest.fixture
def rows(tmp_path):
    """Four clips of each of two speakers."""
    draw = np.random.default_rng(0)
    utterances = []
    for speaker, level in (("a", 0.05), ("b", 0.2)):
        for index in range(4):
            name = f"{speaker}{index}.wav"
            samples = draw.normal(size=8000) * level * draw.uniform(0.5, 1.5) + draw.uniform(-0.1, 0.1)
            soundfile.write(tmp_path / name, samples.astype(np.float32), 16000)
            utterances.append(Utterance(id=name, audio=name, duration_s=0.5, speaker=speaker))
    write_manifest(tmp_path / "rows.parquet", utterances, root=tmp_path)
    return load_manifest(tmp_path / "rows.parquet")


def test_clips_are_normalised_by_the_enrolment_clips_of_their_speaker(member, rows):
    predictor = Predictor([member], vad="off")
    features = [part["emotion"][0] for part in predictor.features(rows)]
    predictor.enrol(rows.select([0, 1, 2, 4, 5, 6]))
    found = list(predictor.posteriors(rows.select([3, 7])))
    for index, enrolled, posteriors in ((3, (0, 1, 2), found[0]), (7, (4, 5, 6), found[1])):
        own = np.stack([features[i] for i in enrolled]).astype(np.float64)
        training = TRAINING.outputs["emotion"]
        deviation = np.maximum(own.std(0), training.std / 10)
        moved = (features[index] - own.mean(0)) / deviation * training.std + training.mean
        logits = moved @ member.backend.weights["emotion"]
        expected = logits - np.log(np.exp(logits).sum())
        np.testing.assert_allclose(posteriors.outputs["emotion"], expected, atol=1e-4)
    header = make_header(predictor)
    assert header.content["speaker_norm"] == {"speakers": 2, "clips": [3, 3]}
    assert header.speaker_norm == "normalisation per speaker from 3 enrolment clips"
    assert make_header(Predictor([member], vad="off")).speaker_norm is None


def test_files_of_one_speaker_normalise_every_clip(member, rows):
    by_row, by_file = Predictor([member], vad="off"), Predictor([member], vad="off")
    by_row.enrol(rows.select([0, 1, 2]))
    by_file.enrol([rows.audio_path(row) for row in rows.utterances([0, 1, 2])])
    (expected,) = by_row.posteriors(rows.select([3]))
    (found,) = by_file.posteriors([rows.audio_path(next(rows.utterances([3])))])
    np.testing.assert_allclose(found.outputs["emotion"], expected.outputs["emotion"], atol=1e-6)


def test_clip_of_a_speaker_without_enrolment_fails_alone(member, rows):
    predictor = Predictor([member], vad="off")
    predictor.enrol(rows.select([0, 1]))
    known, unknown = predictor.predict(rows.select([2, 7]))
    assert "error" not in known
    assert (
        unknown["error"] == "normalisation per speaker is impossible: "
        "no enrolment clip of its speaker 'b' was given"
    )


def test_speakers_are_compared_in_one_spelling(member, rows, tmp_path):
    """A name with composed and with decomposed Hangul is one speaker."""
    spelt = [
        replace(row, speaker=("\uac00", "\u1100\u1161")[index % 2])
        for index, row in enumerate(rows.utterances([0, 1, 2, 3]))
    ]
    write_manifest(tmp_path / "spelt.parquet", spelt, root=tmp_path)
    twice = load_manifest(tmp_path / "spelt.parquet")
    predictor, expected = Predictor([member], vad="off"), Predictor([member], vad="off")
    predictor.enrol(twice.select([0, 1, 2]))
    expected.enrol(rows.select([0, 1, 2]))
    assert predictor.speaker_norm == expected.speaker_norm == {"speakers": 1, "clips": [3, 3]}
    (found,), (same,) = predictor.posteriors(twice.select([3])), expected.posteriors(rows.select([3]))
    np.testing.assert_array_equal(found.outputs["emotion"], same.outputs["emotion"])


def test_windows_for_labels_are_refused(member, rows):
    predictor = Predictor([member], vad="off", window_s=0.5)
    with pytest.raises(
        TaskError, match="windows for labels and normalisation per speaker cannot be combined"
    ):
        predictor.enrol(rows.select([0, 1, 2]))


def test_temperatures_are_not_applied_and_a_coverage_is_refused(member, rows):
    output = OutputCalibration(3.0, 9, 3, 1.0, 0.9, 0.2, 0.1)
    fitted = BundleCalibration({"emotion": output}, {"emotion": (0.0,) * 100})
    plain = Predictor([member], vad="off")
    calibrated = Predictor([replace(member, calibration=fitted)], vad="off")
    for predictor in (plain, calibrated):
        predictor.enrol(rows.select([0, 1, 2]))
    (expected,), (found,) = (p.posteriors(rows.select([3])) for p in (plain, calibrated))
    np.testing.assert_array_equal(found.outputs["emotion"], expected.outputs["emotion"])
    with pytest.raises(TaskError, match="a coverage was fitted without normalisation per speaker"):
        Predictor([replace(member, calibration=fitted)], coverage=0.8).enrol(rows)


def test_what_cannot_be_enrolled_is_reported(fakes, member, rows, tmp_path):
    with pytest.raises(TaskError, match="speaker 'b' has fewer than 2 enrolment clips"):
        Predictor([member], vad="off").enrol(rows.select([0, 1, 7]))
    with pytest.raises(TaskError, match=r"the enrolment clip .*gone\.wav cannot be used"):
        Predictor([member], vad="off").enrol([tmp_path / "gone.wav"])
    plain = fakes.member([fakes.emotion_task()])
    with pytest.raises(BundleError, match="`soritune calibrate RUN --speaker-norm`"):
        Predictor([plain], vad="off").enrol(rows)
