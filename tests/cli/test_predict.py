import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
import typer
from tests.inference.recognition.toy_recogniser import ToyRecogniser
from typer.testing import CliRunner

from soritune.bundles.calibration import BundleCalibration, OutputCalibration
from soritune.bundles.write import update_card
from soritune.cli.predict import predict, without_repeats
from soritune.corpus.manifest import write_manifest
from soritune.corpus.splitting.splits import SplitSettings, make_splits
from soritune.corpus.utterance import Utterance
from soritune.errors import AudioError, BundleError, SorituneError, SplitError, TaskError
from soritune.inference.predictions import read_predictions
from soritune.inference.predictor import Predictor
from soritune.korean import KOREAN
from soritune.metrics.edit_distance import phone_counts

APP = typer.Typer()
APP.command()(predict)


@pytest.fixture
def models(fakes, tmp_path, monkeypatch):
    """Folders of an emotion bundle, a second one, and a phoneme bundle, opened by the fake backend."""
    made = {
        "emotion": [fakes.emotion_task()],
        "second": [fakes.emotion_task()],
        "phoneme": [fakes.phoneme_task()],
    }
    for name, tasks in made.items():
        fakes.make_bundle(tmp_path / name, tasks)

    def load_member(package, attribute, name, kind):
        return lambda path, *, device: fakes.FakeBackend(made[path.name], seed=sorted(made).index(path.name))

    monkeypatch.setattr("soritune.inference.predictor.load_member", load_member)
    return {name: str(tmp_path / name) for name in made}


@pytest.fixture
def clips(tmp_path):
    folder = tmp_path / "소리 파일"
    folder.mkdir()
    draw = np.random.default_rng(0)
    for name in ("가.wav", "b.WAV", "c d.flac"):
        level = draw.uniform(0.1, 0.9)
        samples = (draw.uniform(-1, 1, 16000) * level).astype(np.float32)
        soundfile.write(folder / name, samples, 16000, format="FLAC" if name.endswith("flac") else "WAV")
    return folder


def call(*arguments, code=0):
    result = CliRunner().invoke(APP, [str(argument) for argument in arguments], catch_exceptions=False)
    assert result.exit_code == code, result.output
    return result


def test_one_file_is_printed_as_a_table(models, clips):
    output = call(clips / "b.WAV", "-b", models["emotion"], "--vad", "off").stdout
    assert "emotion" in output
    assert "%" in output
    assert any(label in output for label in ("calm", "tense", "warm"))


def test_json_is_one_object_and_equals_the_predictor(unseen, tiny_ko):
    files = [unseen.audio_path(row) for row in unseen][:3]
    content = json.loads(call(*files, "--bundle", tiny_ko, "--json").stdout)
    assert (content["predicted"], content["failed"]) == (3, 0)
    same = list(Predictor.load(tiny_ko).predict(files))
    assert [row["tasks"] for row in content["predictions"]] == [row["tasks"] for row in same]
    assert [row["audio"] for row in content["predictions"]] == [str(file) for file in files]
    predictions = [row["tasks"]["phoneme"]["prediction"] for row in content["predictions"]]
    assert all(len(prediction["phones"]) > 5 and prediction["hangul"] for prediction in predictions)
    assert len({prediction["hangul"] for prediction in predictions}) == 3


def test_printed_phones_are_near_the_reference(unseen, tiny_ko):
    rows = [row for row in unseen if row.extra["kind"] == "sentence"][:2]
    shown = call(*(unseen.audio_path(row) for row in rows), "-b", tiny_ko).stdout
    assert "Hangul" in shown.splitlines()[0]
    for row, line in zip(rows, shown.splitlines()[1:], strict=True):
        hypothesis = [symbol for symbol in line.split() if symbol in set(KOREAN.symbols)]
        reference = [phone for phone in row.phones if phone != "|"]
        assert sum(phone_counts(reference, hypothesis)[:3]) < 0.6 * len(reference)


def test_a_folder_gives_the_distribution(models, clips):
    options = ("-b", models["emotion"], "--vad", "off")  # the clips are noise
    content = json.loads(call(clips, *options, "--json").stdout)
    spread = content["distribution"]["emotion"]
    assert spread["total"] == 3
    assert sum(spread["counts"].values()) == 3
    assert sum(spread["shares"].values()) == pytest.approx(1)
    assert "mean probability" in call(clips, *options).stdout


def test_single_files_give_no_distribution(models, clips):
    content = json.loads(call(clips / "b.WAV", clips / "c d.flac", "-b", models["emotion"], "--json").stdout)
    assert "distribution" not in content


def test_several_bundles_are_averaged(models, clips):
    def probabilities(*names):
        options = [part for name in names for part in ("-b", models[name])]
        content = json.loads(call(clips / "b.WAV", *options, "--json").stdout)
        return content["predictions"][0]["tasks"]["emotion"]["prediction"]["probabilities"]

    first, second, both = (
        probabilities("emotion"),
        probabilities("second"),
        probabilities("emotion", "second"),
    )
    for label, value in both.items():
        assert value == pytest.approx((first[label] + second[label]) / 2, abs=2e-6)


def test_a_bad_file_among_many_is_a_row_and_exit_code_1(models, clips):
    (clips / "bad.wav").write_bytes(b"RIFF")
    content = json.loads(call(clips, "-b", models["emotion"], "--json", code=1).stdout)
    assert (content["predicted"], content["failed"]) == (3, 1)
    assert [row["id"] for row in content["predictions"] if "error" in row] == [str(clips / "bad.wav")]
    result = call(clips, clips / "gone.wav", "-b", models["emotion"], code=1)
    assert "2 of 5 files could not be predicted" in result.stderr


def test_the_output_is_a_predictions_file(models, clips, tmp_path):
    path = tmp_path / "out" / "p.jsonl"
    content = json.loads(call(clips, "-b", models["emotion"], "-o", path, "--json").stdout)
    assert content["output"] == str(path)
    assert "predictions" not in content
    predictions = read_predictions(path)
    assert len(predictions.good) == 3
    assert predictions.header.model.name == "emotion"


def test_one_split_of_a_manifest_is_predicted(models, clips, tmp_path):
    rows = [
        Utterance(
            id=f"u{k}", audio="b.WAV", duration_s=1.0, speaker=f"s{k}", emotion="calm", source="synthetic"
        )
        for k in range(10)
    ]
    manifest = write_manifest(tmp_path / "m.parquet", rows, root=clips)
    make_splits(manifest, SplitSettings(by=("speaker",))).save(tmp_path / "s.parquet")
    everything = json.loads(
        call("--manifest", tmp_path / "m.parquet", "-b", models["emotion"], "--json").stdout
    )
    assert [row["id"] for row in everything["predictions"]] == [f"u{k}" for k in range(10)]
    options = ["--splits", tmp_path / "s.parquet", "--split", "train", "-o", tmp_path / "p.jsonl"]
    call("--manifest", tmp_path / "m.parquet", "-b", models["emotion"], *options)
    predictions = read_predictions(tmp_path / "p.jsonl")
    assert 0 < len(predictions.rows) < 10
    assert predictions.header.data.split == "train"
    assert predictions.header.synthetic is True
    with pytest.raises(SplitError):
        call("--manifest", tmp_path / "m.parquet", "-b", models["emotion"], *options[:2], "--split", "tset")


def test_a_run_folder_stands_for_its_best_bundle(models, clips, fakes, tmp_path):
    task = fakes.emotion_task()
    fakes.make_bundle(tmp_path / "run" / "bundles" / "second", [task])
    call(clips / "b.WAV", "-b", tmp_path / "run")
    call(clips / "b.WAV", "-b", tmp_path / "run", "--checkpoint", "second")


def test_bad_arguments_are_refused_with_one_sentence(models, clips, tmp_path, monkeypatch):
    monkeypatch.setattr("soritune.bundles.packaged.PACKAGED_FOLDER", tmp_path / "no package")
    cases = [
        ([clips / "b.WAV"], BundleError, "--bundle"),
        (["-b", models["emotion"]], SorituneError, "either audio files"),
        (
            [clips, "--manifest", tmp_path / "m.parquet", "-b", models["emotion"]],
            SorituneError,
            "either audio",
        ),
        ([tmp_path / "gone.wav", "-b", models["emotion"]], AudioError, "does not exist"),
        ([clips, "-b", tmp_path], BundleError, "is not a model"),
    ]
    (tmp_path / "rows.jsonl").write_text('{"id": "a"}\n', encoding="utf-8")
    cases.append(
        ([tmp_path / "rows.jsonl", "-b", models["emotion"]], AudioError, "is not audio; .*--manifest")
    )
    cases.append(([clips, "-b", models["emotion"], "--base", tmp_path], BundleError, "needs no base"))
    (tmp_path / "empty").mkdir()
    cases.append(([tmp_path / "empty", "-b", models["emotion"]], AudioError, "holds no audio file"))
    for arguments, kind, message in cases:
        with pytest.raises(kind, match=message) as raised:
            call(*arguments)
        assert "\n" not in str(raised.value)


def test_the_header_counts_rows_that_the_run_was_trained_on(models, clips, fakes, tmp_path):
    rows = [
        Utterance(id=f"u{k}", audio="b.WAV", duration_s=1.0, speaker=f"s{k}", emotion="calm")
        for k in range(10)
    ]
    manifest = write_manifest(tmp_path / "m.parquet", rows, root=clips)
    fakes.make_bundle(tmp_path / "run" / "bundles" / "emotion", [fakes.emotion_task()])
    splits = make_splits(manifest, SplitSettings(by=("speaker",)))
    splits.save(tmp_path / "run" / "splits.parquet")
    call("--manifest", tmp_path / "m.parquet", "-b", tmp_path / "run", "-o", tmp_path / "p.jsonl")
    seen = read_predictions(tmp_path / "p.jsonl").header.data.seen
    assert seen == {"train": len(splits.ids("train")), "val": len(splits.ids("val"))}
    call("--manifest", tmp_path / "m.parquet", "-b", models["emotion"], "-o", tmp_path / "q.jsonl")
    assert read_predictions(tmp_path / "q.jsonl").header.data.seen is None


def test_output_that_is_not_finite_is_a_failed_row(models, clips, monkeypatch, fakes):
    monkeypatch.setattr(fakes.FakeBackend, "features", lambda self, samples: np.full((49, 3), np.nan))
    assert "is not finite" in call(clips, "-b", models["emotion"], code=1).output
    content = json.loads(call(clips, "-b", models["emotion"], "--json", code=1).stdout)
    assert all("error" in row for row in content["predictions"])


def test_headerless_files_and_channels_are_read_as_the_options_state(models, tmp_path):
    samples = np.random.default_rng(0).integers(-9000, 9000, 16000, dtype="<i2")
    (tmp_path / "a.pcm").write_bytes(samples.tobytes())
    result = CliRunner().invoke(APP, [str(tmp_path / "a.pcm"), "-b", models["emotion"], "--json"])
    assert result.exit_code == 1
    assert "headerless PCM" in json.loads(result.stdout)["predictions"][0]["error"]
    soundfile.write(tmp_path / "b.wav", np.stack([samples, -samples], axis=1), 16000)
    rows = []
    for name, options in (("a.pcm", ["--pcm", "s16le:16000"]), ("b.wav", ["--channel", "0"])):
        result = CliRunner().invoke(
            APP, [str(tmp_path / name), "-b", models["emotion"], "--json", *options], catch_exceptions=False
        )
        assert result.exit_code == 0
        rows += json.loads(result.stdout)["predictions"]
    assert rows[0]["tasks"] == rows[1]["tasks"]
    for options in (["--pcm", "s16le"], ["--manifest", "m.jsonl", "--channel", "0"]):
        files = [] if "--manifest" in options else [str(tmp_path / "a.pcm")]
        result = CliRunner().invoke(APP, [*files, "-b", models["emotion"], *options])
        assert isinstance(result.exception, AudioError)


def speech_like(seconds, rate=16000):
    """Bursts of noise with pauses, which the energy gate takes for speech."""
    draw = np.random.default_rng(0)
    bursts = np.repeat(np.arange(int(seconds * 5)) % 2, rate // 5)
    return (0.001 + 0.2 * bursts) * draw.standard_normal(len(bursts))


def test_silence_and_noise_are_marked_and_in_no_share(models, tmp_path):
    folder = tmp_path / "mixed"
    folder.mkdir()
    noise = 0.1 * np.random.default_rng(1).standard_normal(32000)
    for name, wave in (("a", np.zeros(32000)), ("b", noise), ("c", speech_like(2.0))):
        soundfile.write(folder / f"{name}.wav", wave, 16000)
    options = [str(folder), "-b", models["emotion"], "--vad", "energy"]
    result = CliRunner().invoke(APP, [*options, "--json"], catch_exceptions=False)
    assert result.exit_code == 0
    answer = json.loads(result.stdout)
    assert [row.get("no_speech", False) for row in answer["predictions"]] == [True, True, False]
    assert (answer["predicted"], answer["without_speech"]) == (3, 2)
    assert (answer["distribution"]["emotion"]["total"], answer["distribution"]["emotion"]["no_speech"]) == (
        1,
        2,
    )
    result = CliRunner().invoke(APP, options, catch_exceptions=False)
    assert result.stdout.count("(no speech)") == 2
    assert "no speech in 2 of 3 clips, as found by an energy gate" in result.stderr
    result = CliRunner().invoke(APP, [*options[:-1], "off", "--json"], catch_exceptions=False)
    assert "no_speech" not in result.stdout
    assert json.loads(result.stdout)["distribution"]["emotion"]["total"] == 3


def test_labels_below_the_minimum_confidence_are_uncertain(models, tmp_path):
    soundfile.write(tmp_path / "a.wav", speech_like(2.0), 16000)
    options = [str(tmp_path / "a.wav"), "-b", models["emotion"], "--vad", "energy", "--min-confidence"]
    rows = {}
    for minimum in ("0", "1"):
        result = CliRunner().invoke(APP, [*options, minimum, "--json"], catch_exceptions=False)
        rows[minimum] = json.loads(result.stdout)["predictions"][0]["tasks"]["emotion"]["prediction"]
    assert "uncertain" not in rows["0"]
    assert rows["1"] == {**rows["0"], "uncertain": True}
    assert "(uncertain)" in CliRunner().invoke(APP, [*options, "1"]).stdout
    result = CliRunner().invoke(APP, [*options, "1.5"])
    assert "it is a probability, from 0 to 1" in str(result.exception)
    assert CliRunner().invoke(APP, [*options[:-2], "sielro"]).exit_code == 2


def test_windows_without_speech_are_marked_and_have_no_weight(models, tmp_path):
    """40 s with speech in the first half: the label of the file is that of its windows with speech."""
    wave = np.concatenate([speech_like(25.0), np.zeros(25 * 16000)])
    soundfile.write(tmp_path / "a.wav", wave, 16000)
    answers = {}
    for vad in ("energy", "off"):
        result = CliRunner().invoke(
            APP, [str(tmp_path / "a.wav"), "-b", models["emotion"], "--vad", vad, "--json"]
        )
        answers[vad] = json.loads(result.stdout)["predictions"][0]
    marks = [window.get("no_speech", False) for window in answers["energy"]["windows"]]
    assert marks[0] is False and marks[-1] is True
    assert "no_speech" not in answers["energy"]
    assert not any("no_speech" in window for window in answers["off"]["windows"])
    assert answers["energy"]["tasks"] != answers["off"]["tasks"]


def test_prompt_that_no_task_reads_is_refused(models, clips, fakes, monkeypatch):
    arguments = [str(clips / "b.WAV"), "-b", models["phoneme"], "--vad", "off", "--input", "text=가나"]
    result = CliRunner().invoke(APP, arguments)
    assert "--input text=… has no effect, because no task of the model (phoneme) reads" in str(
        result.exception
    )
    monkeypatch.setattr(type(fakes.phoneme_task()), "reads_prompt", True)
    call(*arguments)


def test_withholding_is_refused_where_it_cannot_act(models, clips, tmp_path):
    with pytest.raises(SorituneError, match="--withhold has no effect without --manifest; leave it out"):
        call(clips / "b.WAV", "-b", models["emotion"], "--withhold", "text")
    rows = [Utterance(id="a", audio=str(clips / "b.WAV"), duration_s=1.0, text="가")]
    manifest = write_manifest(tmp_path / "m.parquet", rows, root=tmp_path)
    with pytest.raises(TaskError, match="'text' cannot be withheld from a model that does not read it"):
        call("--manifest", manifest.path, "-b", models["emotion"], "--withhold", "text")


def test_minimum_confidence_of_a_model_without_labels_is_refused(models, clips):
    arguments = [str(clips / "b.WAV"), "-b", models["phoneme"], "--min-confidence", "0.5"]
    assert "no task of the model gives one label (phoneme)" in str(
        CliRunner().invoke(APP, arguments).exception
    )


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--coverage", "0.8"], "has no thresholds of coverage; `soritune calibrate RUN` fits them"),
        (["--coverage", "0.8", "--min-confidence", "0.5"], "give one of them"),
        (["--coverage", "80"], "the coverage is 80; it is the share of clips that keep their label"),
        (["--speaker-norm", "3"], "--speaker-norm has no effect without --manifest; --enrol is for files"),
        (["--enrol", "."], "`soritune calibrate RUN --speaker-norm` computes them"),
        (
            ["--enrol", ".", "--channel", "each"],
            "--enrol has no effect with --channel each, whose channels are",
        ),
    ],
)
def test_coverage_and_normalisation_without_what_they_need_are_refused(
    models, clips, monkeypatch, options, sentence
):
    monkeypatch.chdir(clips)
    result = CliRunner().invoke(APP, [str(clips / "b.WAV"), "-b", models["emotion"], *options])
    assert sentence in str(result.exception)


def test_coverage_of_windows_is_reported_as_that_of_whole_clips(models, clips, tmp_path):
    output = OutputCalibration(1.5, 120, 6, 0.9, 0.7, 0.11, 0.04)
    thresholds = {"emotion": (*([0.1] * 99), 0.0)}
    fitted = BundleCalibration({"emotion": output}, thresholds, 120, 6)
    update_card(Path(models["emotion"]), calibration=fitted.to_json())
    arguments = (clips / "b.WAV", "-b", models["emotion"], "--vad", "off", "--coverage", "0.8")
    sentence = "the thresholds of --coverage were fitted on whole clips, not on windows"
    assert sentence not in call(*arguments).stderr
    assert sentence in " ".join(call(*arguments, "--window-s", "0.5").stderr.split())


def test_file_that_is_also_in_a_folder_is_predicted_once(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    files = [Path("a.wav"), tmp_path / "a.wav", Path("b.wav")]
    assert without_repeats(files) == [Path("a.wav"), Path("b.wav")]
    assert "1 of the files are given more than once" in capsys.readouterr().err


def test_text_is_recognised_beside_the_prediction(models, clips, tmp_path, monkeypatch):
    opened = []

    def open_toy(model, **options):
        opened.append((model, options))
        return ToyRecogniser("가 나", "다", "라 마")

    monkeypatch.setattr("soritune.cli.predict.open_recogniser", open_toy)
    output = tmp_path / "p.jsonl"
    shown = call(clips, "-b", models["emotion"], "--text", "--asr-model", "recogniser", "-o", output).stdout
    assert "text" in shown.splitlines()[0]
    assert all(any(text in line for line in shown.splitlines()) for text in ("가 나", "라 마"))
    assert opened == [("recogniser", {"device": "auto"})]
    predictions = read_predictions(output)
    assert [(row["text"], row["text_source"]) for row in predictions.rows] == [
        ("가 나", "asr"),
        ("다", "asr"),
        ("라 마", "asr"),
    ]
    assert predictions.rows[0]["words"][1]["word"] == "나"
    assert predictions.header.recogniser_text == "toy (toys, ko, beam 1, int8)"
    plain = call(clips, "-b", models["emotion"]).stdout
    assert "text" not in plain.splitlines()[0]


def test_text_and_its_recogniser_need_each_other(models, clips):
    with pytest.raises(SorituneError, match="--text needs --asr-model"):
        call(clips, "-b", models["emotion"], "--text")
    with pytest.raises(SorituneError, match="--asr-model has no effect without --text; leave it out"):
        call(clips, "-b", models["emotion"], "--asr-model", "recogniser")
