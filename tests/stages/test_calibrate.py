import json
from dataclasses import replace

import numpy as np
import pytest
import soundfile

from soritune.bundles.read import load_bundle
from soritune.corpus.manifest import load_manifest, write_manifest
from soritune.corpus.splitting.splits import SplitSettings, load_splits, make_splits
from soritune.corpus.utterance import Utterance
from soritune.errors import BundleError, ManifestError, SplitError, TaskError
from soritune.inference.clip_outputs import Posteriors
from soritune.inference.predictions import read_predictions
from soritune.metrics.calibration import fit_temperature
from soritune.progress import Console
from soritune.recipe import load_recipe
from soritune.reports.compare import compare
from soritune.stages.calibrate import calibrate, calibrate_after_training, fit
from soritune.stages.evaluate import evaluate
from soritune.tasks.task import make_task

LABELS = ("calm", "tense", "warm")
OPTIONS = {"resamples": 100, "vad": "off", "audio": False}


@pytest.fixture
def run(fakes, tmp_path, monkeypatch):
    """A run of ten speakers whose bundles are opened by a fake backend that is right for about half of the clips."""
    draw = np.random.default_rng(0)
    (tmp_path / "audio").mkdir()
    rows = []
    for speaker in range(10):
        for index in range(6):
            name = f"s{speaker}_{index}.wav"
            samples = draw.normal(size=8000) * draw.uniform(0.01, 0.2) + draw.uniform(-0.1, 0.1)
            soundfile.write(tmp_path / "audio" / name, samples.astype(np.float32), 16000)
            rows.append(
                Utterance(
                    id=name,
                    audio=name,
                    duration_s=0.5,
                    speaker=f"s{speaker}",
                    emotion=LABELS[int(draw.integers(3))],
                )
            )
    folder = tmp_path / "run"
    write_manifest(folder / "checked.parquet", rows, root=tmp_path / "audio")
    settings = SplitSettings(by=("speaker",), ratios={"train": 0.2, "val": 0.4, "test": 0.4})
    make_splits(load_manifest(folder / "checked.parquet"), settings).save(folder / "splits.parquet")
    task = fakes.emotion_task()
    for name in ("best_emotion_ua", "last"):
        fakes.make_bundle(folder / "bundles" / name, [task])
    monkeypatch.setattr(
        "soritune.inference.predictor.load_member",
        lambda package, attribute, name, kind: lambda path, *, device: fakes.FakeBackend([task]),
    )
    return folder


def relabelled(run, split):
    """Gives the rows of a split other labels."""
    rows = load_manifest(run / "checked.parquet")
    splits = load_splits(run / "splits.parquet")
    chosen = set(splits.indices(rows, split).tolist())
    changed = [
        replace(row, emotion=LABELS[(LABELS.index(row.emotion) + 1) % 3]) if index in chosen else row
        for index, row in enumerate(rows.utterances())
    ]
    write_manifest(run / "checked.parquet", changed, root=rows.root)


def test_temperature_is_that_of_the_validation_rows(run):
    evaluate(run, split="val", **OPTIONS)
    rows = read_predictions(run / "predictions" / "val.jsonl").good
    answers = [row["tasks"]["emotion"] for row in rows]
    logs = np.log([[a["prediction"]["probabilities"][name] for name in LABELS] for a in answers])
    targets = np.eye(3)[[LABELS.index(a["reference"]["label"]) for a in answers]]
    fitted = calibrate(run)
    output = fitted.outputs["emotion"]
    assert output.temperature == pytest.approx(fit_temperature(logs, targets).temperature, rel=1e-4)
    assert (output.rows, output.speakers) == (fitted.rows, fitted.speakers) == (24, 4)
    assert output.nll_after < output.nll_before
    assert load_bundle(run / "bundles" / "best_emotion_ua").calibration == fitted
    assert load_bundle(run / "bundles" / "last").calibration is None


def test_only_validation_rows_are_fitted_on(run):
    first = calibrate(run)
    relabelled(run, "test")
    relabelled(run, "train")
    assert calibrate(run) == first
    relabelled(run, "val")
    assert calibrate(run).outputs != first.outputs


def test_calibrated_evaluation_keeps_labels_and_states_both_errors(run):
    before = evaluate(run, **OPTIONS)
    labels = _labels(run)
    fitted = calibrate(run).outputs["emotion"]
    after = evaluate(run, **OPTIONS)
    assert _labels(run) == labels
    emotion = after["tasks"]["emotion"]
    for rate in ("wa", "ua", "macro_f1"):
        assert emotion["rates"][rate] == before["tasks"]["emotion"]["rates"][rate]
    assert emotion["rates"]["loss"]["value"] != before["tasks"]["emotion"]["rates"]["loss"]["value"]
    undone = emotion["uncalibrated"]
    assert undone["temperature"] == fitted.temperature
    assert (undone["fitted_rows"], undone["fitted_speakers"]) == (24, 4)
    assert undone["calibration"]["ece"] == pytest.approx(
        before["tasks"]["emotion"]["calibration"]["ece"], abs=1e-4
    )
    assert "uncalibrated" not in before["tasks"]["emotion"]
    assert "coverages" not in before["tasks"]["emotion"]
    text = (run / "report.txt").read_text(encoding="utf-8")
    html = (run / "report.html").read_text(encoding="utf-8")
    sentence = f"without the temperature {fitted.temperature:.2f}, which was fitted on 24 validation clips"
    for report in (text, html):
        assert sentence in report
        assert "Clips that keep their label" in report


def _labels(run):
    rows = read_predictions(run / "predictions" / "test.jsonl").rows
    return [row["tasks"]["emotion"]["prediction"]["label"] for row in rows]


def test_stated_coverage_is_that_of_the_validation_rows(run):
    calibrate(run)
    for coverage, kept in ((0.5, 12), (0.8, 20), (1.0, 24)):
        scores = evaluate(run, split="val", coverage=coverage, **OPTIONS)["tasks"]["emotion"]
        assert (scores["certain"]["num_utterances"], scores["certain"]["coverage"]) == (kept, coverage)
    header = read_predictions(run / "predictions" / "val.jsonl").header
    assert (header.coverage, header.threshold("emotion"), header.min_confidence) == (1.0, 0.0, None)
    kept = {row["coverage"]: row["num_utterances"] for row in scores["coverages"]}
    assert kept == {1.0: 24, 0.9: 22, 0.8: 20, 0.7: 17, 0.5: 12}
    warnings = evaluate(run, split="val", **OPTIONS)["warnings"]
    assert any(text.startswith("Temperature and thresholds were fitted on these rows") for text in warnings)


def test_realised_coverage_of_test_rows_is_counted(run):
    calibrate(run)
    scores = evaluate(run, **OPTIONS)["tasks"]["emotion"]
    rows = read_predictions(run / "predictions" / "test.jsonl").good
    answers = [(row["tasks"]["emotion"]["prediction"], row["tasks"]["emotion"]["reference"]) for row in rows]
    for row in scores["coverages"]:
        kept = [(p, r) for p, r in answers if p["confidence"] >= row["threshold"]]
        assert (row["num_utterances"], row["share"]) == (len(kept), pytest.approx(len(kept) / len(rows)))
        right = sum(p["label"] == r["label"] for p, r in kept)
        assert row["rates"]["wa"]["value"] == pytest.approx(right / len(kept))
    shares = [row["share"] for row in scores["coverages"]]
    assert shares == sorted(shares, reverse=True)
    assert shares[0] == 1.0


def test_coverage_without_calibration_names_the_way_out(run):
    with pytest.raises(BundleError, match="soritune calibrate RUN"):
        evaluate(run, coverage=0.8, **OPTIONS)


def test_run_without_validation_rows_and_bundle_without_run_are_reported(run, fakes, tmp_path):
    fakes.make_bundle(tmp_path / "alone", [fakes.emotion_task()])
    with pytest.raises(BundleError, match=r"alone is not part of a run with splits\.parquet"):
        calibrate(tmp_path / "alone")
    rows = load_manifest(run / "checked.parquet")
    settings = SplitSettings(by=("speaker",), ratios={"train": 0.5, "val": 0.0, "test": 0.5})
    make_splits(rows, settings).save(run / "splits.parquet")
    with pytest.raises(SplitError, match="the validation split of .* is empty"):
        calibrate(run)
    recipe = load_recipe("demo", ["data=x"])
    console = Recorder()
    recipe.data.root = None
    calibrate_after_training(recipe, run, console=console)
    assert [text for text in console.warnings if "not calibrated: the validation split" in text]
    assert load_bundle(run / "bundles" / "best_emotion_ua").calibration is None


def test_judged_and_best_bundle_are_calibrated_after_training(run):
    recipe = load_recipe("demo", ["data=x"])
    recipe.data.root, recipe.evaluate.checkpoint = None, "last"
    calibrate_after_training(recipe, run, console=Recorder())
    judged, best = (load_bundle(run / "bundles" / name).calibration for name in ("last", "best_emotion_ua"))
    assert judged == best is not None


class Recorder(Console):
    def __init__(self):
        super().__init__(quiet=True)
        self.warnings = []

    def warning(self, text):
        self.warnings.append(text)


def test_model_of_phones_has_nothing_to_calibrate(run, fakes):
    fakes.make_bundle(run / "bundles" / "last", [fakes.phoneme_task()])
    with pytest.raises(TaskError, match="so there is nothing to calibrate"):
        calibrate(run, checkpoint="last")


def rows_of(fakes, probabilities, labels, speakers):
    return [
        Posteriors(
            id=str(index),
            audio="a.wav",
            outputs={"emotion": np.log(np.array(p, np.float32))},
            utterance=Utterance(id=str(index), audio="a.wav", duration_s=1.0, emotion=label),
            groups={"speaker": speaker},
        )
        for index, (p, label, speaker) in enumerate(zip(probabilities, labels, speakers, strict=True))
    ]


def test_fit_worked_by_hand(fakes):
    """21 clips at 0.9, two of three right: 2/3 is the best confidence, and all thresholds below 100 % are that."""
    posteriors = rows_of(fakes, [[0.9, 0.1]] * 21, ["calm", "calm", "tense"] * 7, "aba" * 7)
    fitted = fit([fakes.emotion_task(("calm", "tense"))], posteriors)
    output = fitted.outputs["emotion"]
    assert output.temperature == pytest.approx(np.log(9) / np.log(2), rel=1e-5)
    assert (output.ece_before, output.ece_after) == (pytest.approx(0.9 - 2 / 3), pytest.approx(0, abs=1e-5))
    assert fitted.thresholds["emotion"][:99] == pytest.approx([2 / 3] * 99, rel=1e-5)
    assert (output.rows, output.speakers) == (21, 2)
    assert "fitted on 21 validation clips; fewer than 100" in fitted.warnings[0]


def test_rows_without_a_label_have_thresholds_but_no_likelihood(fakes):
    posteriors = rows_of(fakes, [[0.9, 0.1]] * 32, ["calm", "calm", "tense", None] * 8, "aabb" * 8)
    fitted = fit([fakes.emotion_task(("calm", "tense"))], posteriors)
    assert (fitted.outputs["emotion"].rows, fitted.rows) == (24, 32)
    with pytest.raises(
        TaskError, match="'emotion' has no temperature: 0 of its validation clips have a label;"
    ):
        fit([fakes.emotion_task(("calm", "tense"))], posteriors[3::4])


def test_soft_ratings_are_calibrated_by_the_label_that_rates_judge_by(fakes):
    """30 clips at 0.9 with three ratings each. The majority is right in 20 of them, so 2/3 is the best confidence, as
    without ratings. Ten further clips with tied ratings have no label."""
    task = make_task("emotion", {"labels": ["calm", "tense"], "ratings": ["raters"], "rated_target": "soft"})
    raters = [["calm", "calm", "tense"]] * 20 + [["tense", "tense", "calm"]] * 10 + [["calm", "tense"]] * 10
    rows = [
        replace(done, utterance=replace(done.utterance, extra={"raters": given}))
        for done, given in zip(rows_of(fakes, [[0.9, 0.1]] * 40, [None] * 40, "ab" * 20), raters, strict=True)
    ]
    fitted = fit([task], rows)
    output = fitted.outputs["emotion"]
    assert (output.rows, fitted.rows) == (30, 40)
    assert output.temperature == pytest.approx(np.log(9) / np.log(2), rel=1e-5)
    assert (output.ece_before, output.ece_after) == (pytest.approx(0.9 - 2 / 3), pytest.approx(0, abs=1e-5))


@pytest.mark.parametrize(
    ("rows", "speakers", "fault"),
    [
        (2, "ab", "2 of its validation clips have a label; 20 clips of 2 speakers are the least"),
        (19, "ab", "19 of its validation clips have a label;"),
        (40, "a", "40 of its validation clips have a label, all of one speaker;"),
        (40, ["\uac00", "\u1100\u1161"], "40 of its validation clips have a label, all of one speaker;"),
        (20, "ab", None),
        (20, [None], None),
    ],
)
def test_too_few_clips_or_speakers_give_no_temperature(fakes, rows, speakers, fault):
    names = [speakers[n % len(speakers)] for n in range(rows)]
    labels = ["calm" if n % 3 else "tense" for n in range(rows)]
    posteriors = rows_of(fakes, [[0.9, 0.1]] * rows, labels, names)
    tasks = [fakes.emotion_task(("calm", "tense"))]
    if fault is None:
        assert fit(tasks, posteriors).outputs["emotion"].rows == rows
        return
    with pytest.raises(TaskError, match=fault):
        fit(tasks, posteriors)


def test_degenerate_fits_are_reported(fakes):
    task = fakes.emotion_task(("calm", "tense"))
    right = fit([task], rows_of(fakes, [[0.9, 0.1]] * 20, ["calm"] * 20, "ab" * 10))
    assert right.outputs["emotion"].temperature == 1.0
    assert right.warnings[0] == "every validation clip is right, so the temperature of 'emotion' stays 1"
    wrong = fit([task], rows_of(fakes, [[0.9, 0.1]] * 20, ["tense"] * 20, "ab" * 10))
    assert wrong.outputs["emotion"].temperature == 20.0
    assert "at its upper bound, 20" in wrong.warnings[0]
    assert json.dumps(wrong.to_json())


def test_few_validation_clips_leave_a_bundle_uncalibrated_but_with_features_of_training(run):
    first = calibrate(run)
    rows = load_manifest(run / "checked.parquet")
    settings = SplitSettings(by=("speaker",), ratios={"train": 0.5, "val": 0.1, "test": 0.4})
    make_splits(rows, settings).save(run / "splits.parquet")
    with pytest.raises(TaskError, match="6 of its validation clips have a label, all of one speaker"):
        calibrate(run)
    console = Recorder()
    assert calibrate(run, speaker_norm=True, console=console).outputs == {}
    assert console.warnings == [
        "the probabilities are not calibrated: 'emotion' has no temperature: 6 of its validation clips have a label, "
        "all of one speaker; 20 clips of 2 speakers are the least (train again with a larger share of val "
        "in split.ratios, which `run --dry-run` names, or with a higher --val-share of crossval)"
    ]
    bundle = load_bundle(run / "bundles" / "best_emotion_ua")
    assert bundle.training_features.rows == 30
    assert bundle.calibration == first


def test_normalised_evaluation_leaves_out_enrolment_clips_and_is_compared_with_its_like_alone(run):
    with pytest.raises(BundleError, match="soritune calibrate RUN --speaker-norm"):
        evaluate(run, speaker_norm=2, **OPTIONS)
    calibrate(run, speaker_norm=True)
    features = load_bundle(run / "bundles" / "best_emotion_ua").training_features
    assert (features.rows, features.speakers) == (12, 2)
    plain = evaluate(run, **OPTIONS)
    stored = (run / "scores.json").read_bytes()
    scores = evaluate(run, speaker_norm=2, **OPTIONS)
    assert (run / "scores.json").read_bytes() == stored
    assert scores["files"]["scores"] == str(run / "scores-speaker-norm-2.json")
    assert (plain["num_utterances"], scores["num_utterances"]) == (24, 16)
    assert scores["header"]["speaker_norm"] == {"speakers": 4, "clips": [2, 2]}
    assert "coverages" not in scores["tasks"]["emotion"]
    for report in ("report-speaker-norm-2.txt", "report-speaker-norm-2.html"):
        text = (run / report).read_text(encoding="utf-8")
        assert "with normalisation per speaker from 2 enrolment clips" in text
    files = [run / "scores-speaker-norm-2.json", run / "scores.json"]
    with pytest.raises(ManifestError, match="with normalisation per speaker and .* without it"):
        compare(files)
    evaluate(run, speaker_norm=3, **OPTIONS)
    (task,) = compare([files[0], run / "scores-speaker-norm-3.json"], resamples=100).tasks
    assert any("numbers of enrolment clips differ" in note for note in task.notes)


def test_features_of_training_rows_do_not_depend_on_other_rows_or_labels(run):
    calibrate(run, speaker_norm=True)
    first = load_bundle(run / "bundles" / "best_emotion_ua").card["speaker_norm"]
    for split in ("train", "val", "test"):
        relabelled(run, split)
    calibrate(run, speaker_norm=True)
    assert load_bundle(run / "bundles" / "best_emotion_ua").card["speaker_norm"] == first
