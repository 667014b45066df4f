import dataclasses
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from soritune.audio import noise_reduction
from soritune.audio.noise_reduction import NoiseReduction
from soritune.bundles.calibration import BundleCalibration, OutputCalibration
from soritune.bundles.write import update_card
from soritune.corpus.manifest import write_manifest
from soritune.corpus.utterance import Utterance
from soritune.errors import AudioError, BundleError, SorituneError, TaskError, UnknownNameError
from soritune.inference.clips import clips_of_paths
from soritune.inference.predictor import Predictor
from soritune.inference.windows import WindowSettings


def frames_of(predictor, path):
    """The stitched log-probabilities of a file, before decoding."""
    (posteriors,) = predictor.posteriors(path)
    return posteriors.outputs


def test_windowed_frames_equal_the_whole_file(fakes, clip):
    # The fake model sees 0.5 s to each side, the overlap is 2 s: stitching must change nothing.
    tasks = [fakes.phoneme_task(), fakes.emotion_task()]
    path = clip("long.wav", 47.3)
    whole = Predictor([fakes.member(tasks)], windows=WindowSettings(longest_s=100))
    cut = Predictor([fakes.member(tasks)], windows=WindowSettings(longest_s=30))
    expected, found = frames_of(whole, path), frames_of(cut, path)
    assert len(whole.members[0].backend.batch_shapes) == 1
    assert expected["phoneme"].shape == found["phoneme"].shape
    np.testing.assert_allclose(found["phoneme"], expected["phoneme"], atol=1e-4)


def test_too_small_an_overlap_changes_frames_at_the_borders(fakes, clip):
    tasks = [fakes.phoneme_task()]
    path = clip("long.wav", 47.3)
    whole = Predictor([fakes.member(tasks)], windows=WindowSettings(longest_s=100))
    cut = Predictor([fakes.member(tasks)], windows=WindowSettings(longest_s=30, overlap_s=0.2))
    gap = np.abs(frames_of(whole, path)["phoneme"] - frames_of(cut, path)["phoneme"]).max(axis=1)
    assert gap.max() > 1e-3
    assert (gap < 1e-4).mean() > 0.9


def test_long_utterance_output_is_the_duration_weighted_mean(fakes, clip):
    tasks = [fakes.emotion_task()]
    predictor = Predictor([fakes.member(tasks)], windows=WindowSettings(longest_s=30, window_s=20))
    row = next(predictor.predict([clip("long.wav", 47.3)]))
    windows = row["windows"]
    assert windows[0]["start_s"] == 0
    assert windows[-1]["end_s"] == pytest.approx(47.3)
    expected = (
        sum((w["end_s"] - w["start_s"]) * w["tasks"]["emotion"]["probabilities"]["calm"] for w in windows)
        / 47.3
    )
    assert row["tasks"]["emotion"]["prediction"]["probabilities"]["calm"] == pytest.approx(expected, abs=1e-4)


def test_training_limit_shortens_windows_instead_of_dropping_the_rest(fakes, clip):
    tasks = [fakes.emotion_task()]
    predictor = Predictor([fakes.member(tasks, max_duration_s=5.0)])
    row = next(predictor.predict([clip("a.wav", 12.0)]))
    assert row["duration_s"] == pytest.approx(12.0)
    assert len(row["windows"]) >= 3
    assert all(shape[1] <= 5 * 16000 for shape in predictor.members[0].backend.batch_shapes)


def test_clip_alone_equals_clip_in_a_batch_and_order_is_kept(fakes, clip):
    tasks = [fakes.emotion_task(), fakes.phoneme_task()]
    paths = [clip(f"{i}.wav", seconds, seed=i) for i, seconds in enumerate((3.0, 0.7, 5.2, 1.1, 2.6))]
    batched = Predictor([fakes.member(tasks)])
    together = list(batched.predict(paths))
    assert [row["id"] for row in together] == [str(path) for path in paths]
    assert max(shape[0] for shape in batched.members[0].backend.batch_shapes) == 5
    for path, row in zip(paths, together, strict=True):
        alone = next(Predictor([fakes.member(tasks)]).predict([path]))
        assert alone["tasks"]["phoneme"] == row["tasks"]["phoneme"]
        one, other = (r["tasks"]["emotion"]["prediction"]["probabilities"] for r in (alone, row))
        assert one == pytest.approx(other, abs=1e-4)


def test_parts_of_predict_give_its_rows(fakes, clip, tmp_path):
    """Reading, running a batch and decoding, as a server does them one by one."""
    predictor = Predictor([fakes.member([fakes.emotion_task(), fakes.phoneme_task()])])
    paths = [clip("a.wav", 1.0), tmp_path / "missing.wav", clip("b.wav", 2.0, seed=1)]
    clips = list(clips_of_paths(paths))
    posteriors = predictor.run(clips, [predictor.read(each) for each in clips])
    assert [predictor.row(each) for each in posteriors] == list(predictor.predict(paths))


def test_batches_stay_within_the_budget(fakes, clip):
    tasks = [fakes.emotion_task()]
    predictor = Predictor([fakes.member(tasks)], padded_seconds=6.0)
    list(predictor.predict([clip(f"{i}.wav", 2.0, seed=i) for i in range(7)]))
    shapes = predictor.members[0].backend.batch_shapes
    assert sum(rows for rows, _ in shapes) == 7
    assert all(rows * samples <= 6 * 16000 for rows, samples in shapes)


def test_bad_files_become_rows_with_errors(fakes, clip, tmp_path):
    good = clip("한글 이름.WAV", 1.0)
    empty = tmp_path / "empty.wav"
    empty.touch()
    text = tmp_path / "text.wav"
    text.write_text("no audio")
    short = clip("short.wav", 0.05)
    paths = [empty, good, tmp_path / "missing.wav", text, short, good]
    rows = list(Predictor([fakes.member([fakes.emotion_task()])]).predict(paths))
    assert ["error" in row for row in rows] == [True, False, True, True, True, False]
    assert all(row["error"] and "\n" not in row["error"] for row in rows if "error" in row)


def test_samples_in_memory_equal_the_file(fakes, clip):
    import soundfile

    path = clip("a.wav", 2.0, rate=16000)
    waveform, rate = soundfile.read(path, dtype="float32")
    predictor = Predictor([fakes.member([fakes.emotion_task()])])
    from_file, from_memory = predictor.predict([path, (waveform, rate)])
    assert from_memory["tasks"] == from_file["tasks"]
    assert from_memory["id"] == "1"


def test_manifest_rows_carry_reference_and_groups(fakes, clip, tmp_path):
    clip("a.wav", 3.0)
    rows = [
        Utterance(id="u1", audio="a.wav", duration_s=3.0, emotion="warm", speaker="s1", age=7.0),
        Utterance(id="u2", audio="a.wav", duration_s=1.0, start_s=1.5, speaker="s2"),
        Utterance(id="u3", audio="gone.wav", duration_s=1.0, speaker="s2"),
    ]
    manifest = write_manifest(tmp_path / "m.parquet", rows, root=tmp_path)
    predictor = Predictor([fakes.member([fakes.emotion_task()])])
    first, second, third = predictor.predict(manifest, groups={"split": "test"})
    assert first["tasks"]["emotion"]["reference"] == {"label": "warm"}
    assert first["groups"] == {"speaker": "s1", "age": 7.0, "emotion": "warm", "split": "test"}
    assert second["tasks"]["emotion"]["reference"] is None
    assert second["duration_s"] == pytest.approx(1.0)
    assert third["id"] == "u3"
    assert "error" in third


def test_two_models_give_the_mean_of_probabilities(fakes, clip):
    path = clip("a.wav", 2.0)
    tasks = [fakes.emotion_task()]
    one, two = fakes.member(tasks, seed=1), fakes.member(tasks, seed=2)
    both = next(Predictor([one, two]).predict([path]))["tasks"]["emotion"]["prediction"]["probabilities"]
    alone = [
        next(Predictor([m]).predict([path]))["tasks"]["emotion"]["prediction"]["probabilities"]
        for m in (one, two)
    ]
    for label, probability in both.items():
        assert probability == pytest.approx((alone[0][label] + alone[1][label]) / 2, abs=2e-6)


def test_labels_in_another_order_are_reordered(fakes, clip):
    path = clip("a.wav", 2.0)
    tasks = fakes.emotion_task(("calm", "tense")), fakes.emotion_task(("tense", "calm"))
    first, second = (fakes.member([task]) for task in tasks)
    second.backend.weights["emotion"] = first.backend.weights["emotion"][:, ::-1]
    alone = next(Predictor([first]).predict([path]))
    assert next(Predictor([first, second]).predict([path]))["tasks"] == alone["tasks"]


def test_different_labels_are_refused(fakes):
    one, other = (
        fakes.member([fakes.phoneme_task()], name="one"),
        fakes.member([fakes.phoneme_task(("A", "B"))], name="other"),
    )
    with pytest.raises(BundleError, match=r"'one' and 'other' cannot be averaged.*only in the first: D"):
        Predictor([one, other])


def test_models_of_different_tasks_predict_together(fakes, clip):
    both = Predictor([fakes.member([fakes.phoneme_task()]), fakes.member([fakes.emotion_task()])])
    row = next(both.predict([clip("a.wav", 1.5)]))
    assert set(row["tasks"]) == {"phoneme", "emotion"}


def test_predictor_without_a_model_is_refused():
    with pytest.raises(BundleError, match="no model"):
        Predictor([])


def test_folder_that_is_not_a_bundle_is_refused(tmp_path):
    with pytest.raises(BundleError):
        Predictor.load(tmp_path)


def test_unknown_backend_is_refused(fakes, tmp_path):
    bundle = fakes.make_bundle(tmp_path / "bundle", [fakes.emotion_task()])
    with pytest.raises(UnknownNameError, match="unknown backend 'pytorhc'"):
        Predictor.load(bundle.path, backend="pytorhc")


def test_load_opens_bundles_with_their_own_settings(fakes, tmp_path, clip, monkeypatch):
    task = fakes.emotion_task()
    bundle = fakes.make_bundle(tmp_path / "bundle", [task], max_duration_s=4.0)
    opened = []

    def load_member(package, attribute, name, kind):
        def open_backend(path, *, device):
            opened.append((name, path, device))
            return fakes.FakeBackend([task])

        return open_backend

    monkeypatch.setattr("soritune.inference.predictor.load_member", load_member)
    predictor = Predictor.load([bundle.path], device="cpu")
    assert opened == [("pytorch", bundle.path, "cpu")]
    assert predictor.members[0].geometry.samples_per_frame == 320
    assert predictor.members[0].preprocessing.max_duration_s == 4.0
    assert "error" not in next(predictor.predict([clip("a.wav", 1.0)]))


@pytest.mark.slow
def test_importing_inference_loads_no_torch():
    code = (
        "import sys, soritune.inference.predictor, soritune.inference.predictions, soritune.reports.report;"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_folders_stand_for_the_audio_files_in_them(fakes, clip, tmp_path):
    paths = [clip("folder/b.wav", 1.0), clip("folder/가/a.wav", 1.2), clip("alone.wav", 0.8)]
    (tmp_path / "folder" / "notes.txt").touch()
    (tmp_path / "folder" / "bad.flac").write_bytes(b"no audio")
    predictor = Predictor([fakes.member([fakes.emotion_task()])])
    names = [Path(row["audio"]).name for row in predictor.predict(tmp_path / "folder")]
    assert names == ["b.wav", "bad.flac", "a.wav"]
    rows = list(predictor.predict([paths[2], tmp_path / "folder"]))
    assert [Path(row["audio"]).name for row in rows] == ["alone.wav", *names]
    assert ["error" in row for row in rows] == [False, False, True, False]
    (tmp_path / "empty").mkdir()
    with pytest.raises(AudioError, match=r"empty: contains no audio file; known suffixes: \.aac"):
        list(predictor.predict(tmp_path / "empty"))


def test_pair_alone_is_one_clip_and_unusable_pairs_become_rows_with_errors(fakes, tmp_path, clip):
    predictor = Predictor([fakes.member([fakes.emotion_task()])])
    waveform = np.random.default_rng(0).uniform(-0.5, 0.5, 16000).astype(np.float32)
    (alone,) = predictor.predict((waveform, 16000))
    assert alone["duration_s"] == 1.0
    pairs = [(waveform, rate) for rate in (0, -1, np.nan, None, 16000, np.int64(16000))]
    rows = list(predictor.predict([*pairs, (np.array(["a", "b"]), 16000), clip("a.wav", 1.0)]))
    assert ["error" in row for row in rows] == [True, True, True, True, False, False, True, False]
    assert rows[0]["error"] == "has the sample rate 0; it must be a number above 0"
    assert rows[6]["error"].startswith("must be numbers")
    assert rows[4]["tasks"] == alone["tasks"]
    # Two pairs are not a pair, nor are a pair and a path.
    assert len(list(predictor.predict([(waveform, 16000), (waveform, 16000)]))) == 2
    assert len(list(predictor.predict([(waveform, 16000), clip("b.wav", 1.0)]))) == 2
    assert len(list(predictor.predict((clip("a.wav", 1.0), clip("b.wav", 1.0))))) == 2


@pytest.mark.parametrize(
    ("items", "sentence"),
    [
        (None, "got None; give files, folders"),
        (3, "got 3; give files"),
        ([None], "item 0 is None; give files"),
        ([3], "item 0 is 3"),
        (np.zeros(16000), "an array alone has no sample rate; give .samples, rate."),
        ([np.zeros(3)], "item 0 is array"),
    ],
)
def test_items_of_another_type_are_refused(fakes, items, sentence):
    with pytest.raises(AudioError, match=sentence):
        list(Predictor([fakes.member([fakes.emotion_task()])]).predict(items))


def test_distribution_of_paths_is_refused(fakes):
    predictor = Predictor([fakes.member([fakes.emotion_task()])])
    for items in (["a.wav"], [Path("a.wav")], {"id": "x"}):
        with pytest.raises(
            TaskError, match="row 0 is .*, not a prediction; give the rows that predict returned"
        ):
            predictor.distribution(items)


def test_distribution_counts_labels_of_the_first_task_with_labels(fakes):
    predictor = Predictor([fakes.member([fakes.phoneme_task()]), fakes.member([fakes.emotion_task()])])
    sure = {"calm": [0.6, 0.8], "warm": [0.7]}
    rows = [
        {"tasks": {"emotion": {"prediction": {"label": label, "confidence": value}}}}
        for label, values in sure.items()
        for value in values
    ]
    found = predictor.distribution([*rows, {"id": "x", "audio": "x.wav", "error": "is empty"}])
    assert found.counts == {"calm": 2, "tense": 0, "warm": 1}
    assert found.shares == {"calm": pytest.approx(2 / 3), "tense": 0.0, "warm": pytest.approx(1 / 3)}
    assert found.mean_confidence == pytest.approx(0.7)
    with pytest.raises(TaskError, match="no task 'phoneme' that gives a label; there is: emotion"):
        predictor.distribution(rows, task="phoneme")


def test_load_takes_the_best_or_the_named_bundle_of_a_run(fakes, tmp_path, monkeypatch):
    for name in ("best_emotion_ua", "last"):
        fakes.make_bundle(tmp_path / "bundles" / name, [fakes.emotion_task()])
    backend = fakes.FakeBackend([fakes.emotion_task()])
    monkeypatch.setattr(
        "soritune.inference.predictor.load_member", lambda *names: lambda path, *, device: backend
    )
    assert Predictor.load(tmp_path).members[0].folder == "best_emotion_ua"
    assert Predictor.load(tmp_path, checkpoint="last").members[0].folder == "last"
    with pytest.raises(UnknownNameError, match="unknown checkpoint 'lats'"):
        Predictor.load(tmp_path, checkpoint="lats")


def test_windows_beyond_the_training_limit_are_normalised_one_by_one(fakes, tmp_path):
    import soundfile

    # Ten quiet seconds, then ten loud ones: normalised as a whole, the quiet ones would nearly vanish.
    loud = np.random.default_rng(0).uniform(-1, 1, 20 * 16000)
    loud[: 10 * 16000] *= 0.01
    soundfile.write(tmp_path / "a.wav", loud, 16000, subtype="FLOAT")
    levels = []

    class Recording(fakes.FakeBackend):
        def run(self, inputs):
            levels.extend(inputs["waveform"][:, :1000].std(axis=1))
            return super().run(inputs)

    def first_window(max_duration_s):
        levels.clear()
        member = fakes.member([fakes.emotion_task()], max_duration_s=max_duration_s)
        member = dataclasses.replace(member, backend=Recording([fakes.emotion_task()]))
        list(
            Predictor([member], windows=WindowSettings(longest_s=12, window_s=10)).predict(
                [tmp_path / "a.wav"]
            )
        )
        return levels[0]

    assert first_window(10.0) == pytest.approx(1.0, abs=0.1)
    assert first_window(None) < 0.1


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("kind", ["emotion", "phoneme"])
def test_output_that_is_not_finite_is_a_failed_row(value, kind, fakes, clip, monkeypatch):
    task = fakes.emotion_task() if kind == "emotion" else fakes.phoneme_task()
    member = fakes.member([task])
    run = member.backend.run

    def spoilt(inputs):
        arrays = run(inputs)
        longest = int(inputs["num_samples"].argmax())
        arrays[kind][longest, ..., 0] = value
        return arrays

    monkeypatch.setattr(member.backend, "run", spoilt)
    predictor = Predictor([member])
    paths = [clip("a.wav", 1.0), clip("b.wav", 2.0, seed=1)]
    good, bad = predictor.predict(paths)
    assert "error" not in good
    assert set(bad) == {"id", "audio", "error"}
    assert bad["error"].startswith(f"the model's output '{kind}' is not finite")
    posteriors = list(predictor.posteriors(paths))
    assert [each.error is None for each in posteriors] == [True, False]
    assert posteriors[1].outputs == {}


def test_missing_extra_of_a_model_is_named_before_anything_is_read(fakes, monkeypatch):
    member = fakes.member([fakes.emotion_task()])
    member = dataclasses.replace(
        member, preprocessing=member.preprocessing.model_copy(update={"noise_reduction": NoiseReduction()})
    )
    noise_reduction._library.cache_clear()
    monkeypatch.setitem(sys.modules, "noisereduce", None)
    try:
        with pytest.raises(SorituneError, match=r"soritune\[denoise\]"):
            Predictor([member])
    finally:
        noise_reduction._library.cache_clear()


def calibrated(temperature):
    output = OutputCalibration(temperature, 9, 3, 1.0, 0.9, 0.2, 0.1)
    thresholds = (*(1 - percent / 100 for percent in range(1, 100)), 0.0)
    return BundleCalibration({"emotion": output}, {"emotion": thresholds}, 9, 3)


def test_each_member_of_an_ensemble_has_its_own_temperature(fakes, clip):
    tasks = [fakes.emotion_task()]
    path = clip("a.wav", 1.0)
    members = [fakes.member(tasks, name=str(seed), seed=seed) for seed in (0, 1)]
    alone = [np.exp(frames_of(Predictor([member]), path)["emotion"].astype(np.float64)) for member in members]
    powers = [p ** (1 / t) / (p ** (1 / t)).sum() for p, t in zip(alone, (2.0, 0.5), strict=True)]
    joint = Predictor(
        [dataclasses.replace(m, calibration=calibrated(t)) for m, t in zip(members, (2.0, 0.5), strict=True)]
    )
    found = np.exp(frames_of(joint, path)["emotion"])
    np.testing.assert_allclose(found, (powers[0] + powers[1]) / 2, atol=1e-5)


def test_temperature_of_a_bundle_is_applied_unless_declined(fakes, tmp_path, clip, monkeypatch):
    task = fakes.emotion_task()
    monkeypatch.setattr(
        "soritune.inference.predictor.load_member",
        lambda package, attribute, name, kind: lambda path, *, device: fakes.FakeBackend([task]),
    )
    fakes.make_bundle(tmp_path / "b", [task])
    path = clip("a.wav", 1.0)
    plain = frames_of(Predictor.load(tmp_path / "b"), path)["emotion"]
    update_card(tmp_path / "b", calibration=calibrated(3.0).to_json())
    tempered = frames_of(Predictor.load(tmp_path / "b"), path)["emotion"]
    assert tempered.argmax() == plain.argmax()
    assert tempered.max() < plain.max()
    declined = frames_of(Predictor.load(tmp_path / "b", calibrated=False), path)["emotion"]
    np.testing.assert_array_equal(declined, plain)
    update_card(
        tmp_path / "b", calibration={**calibrated(3.0).to_json(), "outputs": {"phoneme": {"temperature": 1}}}
    )
    with pytest.raises(BundleError, match="'calibration' is faulty"):
        Predictor.load(tmp_path / "b")


def test_coverage_marks_labels_below_the_threshold_of_the_bundle(fakes, clip):
    tasks = [fakes.emotion_task()]
    member = dataclasses.replace(fakes.member(tasks), calibration=calibrated(1.0))
    path = clip("a.wav", 1.0)
    (row,) = Predictor([member]).predict([path])
    percent = round(100 * (1 - row["tasks"]["emotion"]["prediction"]["confidence"]))
    for coverage, is_uncertain in (((percent - 2) / 100, True), ((percent + 2) / 100, False), (1.0, False)):
        (marked,) = Predictor([member], coverage=coverage).predict([path])
        assert marked["tasks"]["emotion"]["prediction"].get("uncertain", False) is is_uncertain
    with pytest.raises(TaskError, match="give one of them"):
        Predictor([member], coverage=0.8, min_confidence=0.5)
