import json
from dataclasses import replace

import numpy as np
import pytest
import soundfile

from soritune.bundles.write import update_card
from soritune.corpus.manifest import load_manifest, write_manifest
from soritune.corpus.splitting.splits import SplitSettings, load_splits, make_splits
from soritune.corpus.utterance import Utterance
from soritune.errors import BundleError, ManifestError, OutputError, SplitError, TaskError
from soritune.inference.predictions import read_predictions
from soritune.stages.evaluate import evaluate

pytestmark = pytest.mark.slow


@pytest.fixture
def run(fakes, tmp_path, monkeypatch):
    """A run folder whose bundles are opened by the fake backend."""
    rows = []
    draw = np.random.default_rng(0)
    (tmp_path / "audio").mkdir()
    for speaker in range(10):
        for index, label in enumerate(("calm", "tense", "warm")):
            name = f"s{speaker}_{index}.wav"
            soundfile.write(
                tmp_path / "audio" / name, draw.uniform(-0.5, 0.5, 16000).astype(np.float32), 16000
            )
            rows.append(
                Utterance(
                    id=name,
                    audio=name,
                    duration_s=1.0,
                    speaker=f"s{speaker}",
                    emotion=label,
                    gender="F" if speaker % 2 else "M",
                )
            )
    folder = tmp_path / "run"
    write_manifest(folder / "checked.parquet", rows, root=tmp_path / "audio")
    manifest = load_manifest(folder / "checked.parquet")
    make_splits(manifest, SplitSettings(by=("speaker",))).save(folder / "splits.parquet")
    task = fakes.emotion_task()
    for name in ("best_emotion_ua", "last"):
        fakes.make_bundle(folder / "bundles" / name, [task])

    def load_member(package, attribute, name, kind):
        return lambda path, *, device: fakes.FakeBackend([task])

    monkeypatch.setattr("soritune.inference.predictor.load_member", load_member)
    return folder


def test_a_run_gets_predictions_scores_report_and_card(run):
    scores = evaluate(run, resamples=100, checkpoint="best")
    files = scores.pop("files")
    assert files["report"] == str(run / "report.html")
    assert json.loads((run / "scores.json").read_text(encoding="utf-8")) == scores
    predictions = read_predictions(run / "predictions" / "test.jsonl")
    assert predictions.header.model.name == "best_emotion_ua"
    assert {row["groups"]["split"] for row in predictions.rows} == {"test"}
    assert len(predictions.rows) == scores["num_utterances"] < 30
    assert set(scores["tasks"]["emotion"]["groups"]) == {"gender"}
    html = (run / "report.html").read_text(encoding="utf-8")
    assert "<audio" in html
    assert "judged on the test split" in html
    card = (run / "bundles" / "best_emotion_ua" / "README.md").read_text(encoding="utf-8")
    assert "Split test" in card


def test_another_split_does_not_replace_the_test_scores(run):
    evaluate(run, resamples=20)
    before = (run / "scores.json").read_bytes()
    scores = evaluate(run, split="train", resamples=20, audio=False)
    assert (run / "scores.json").read_bytes() == before
    assert (run / "scores-train.json").exists()
    assert (run / "report-train.html").exists()
    assert scores["num_utterances"] > 10


def test_a_bundle_inside_a_run_uses_the_runs_data(run):
    scores = evaluate(run / "bundles" / "best_emotion_ua", resamples=20, audio=False)
    assert scores["header"]["bundle"]["name"] == "best_emotion_ua"
    assert (run / "scores.json").exists()


@pytest.mark.parametrize("by", ["folder", "name"])
def test_another_checkpoint_does_not_replace_the_scores_of_the_best(run, by):
    options = {"resamples": 20, "audio": False}
    evaluate(run, **options)
    files = [run / "scores.json", run / "report.html", run / "predictions" / "test.jsonl"]
    before = [file.read_bytes() for file in files]
    target = {"target": run / "bundles" / "last"} if by == "folder" else {"target": run, "checkpoint": "last"}
    scores = evaluate(**target, **options)
    assert [file.read_bytes() for file in files] == before
    assert scores["header"]["bundle"]["name"] == "last"
    assert scores["files"] == {
        "predictions": str(run / "predictions" / "test-last.jsonl"),
        "scores": str(run / "scores-last.json"),
        "report": str(run / "report-last.html"),
        "text": str(run / "report-last.txt"),
    }
    assert "Split test" in (run / "bundles" / "last" / "README.md").read_text(encoding="utf-8")
    both = evaluate(**target, split="val", **options)["files"]
    assert both["scores"] == str(run / "scores-val-last.json")
    assert both["predictions"] == str(run / "predictions" / "val-last.jsonl")
    assert not (run / "scores-val.json").exists()


def test_names_in_a_given_output_have_no_checkpoint(run, tmp_path):
    out = tmp_path / "judged"
    evaluate(run, checkpoint="last", output=out, resamples=20, audio=False)
    assert (out / "scores.json").exists()
    assert not (run / "scores-last.json").exists()


def test_the_checkpoint_that_the_recipe_names_gets_no_suffix(run):
    for name in ("best_emotion_ua", "last"):
        update_card(run / "bundles" / name, recipe={"evaluate": {"checkpoint": "last"}})
    evaluate(run, checkpoint="last", resamples=20, audio=False)
    before = (run / "scores.json").read_bytes()
    evaluate(run, resamples=20, audio=False)
    assert (run / "scores.json").read_bytes() == before
    assert (run / "scores-best_emotion_ua.json").exists()


def test_training_rows_are_known_by_their_ids_in_another_manifest(run, tmp_path):
    manifest = load_manifest(run / "checked.parquet")
    splits = load_splits(run / "splits.parquet")
    options = {"resamples": 20, "audio": False, "output": tmp_path / "out"}

    def warnings(split):
        # Another content, so another hash than the run's own file has.
        rows = [
            replace(row, extra={"note": "x"}) for row in manifest.utterances(splits.indices(manifest, split))
        ]
        path = tmp_path / f"{split}.parquet"
        write_manifest(path, rows, root=manifest.root)
        assert load_manifest(path).hash != manifest.hash
        return " ".join(evaluate(run / "bundles" / "last", manifest=path, **options)["warnings"])

    assert "the model was trained on" in warnings("train")
    assert "chose between models" in warnings("val")
    assert "trained on" not in warnings("test")
    assert "trained on" not in " ".join(evaluate(run, **options)["warnings"])


def test_a_split_without_a_splits_file_is_refused(run, tmp_path):
    with pytest.raises(SplitError, match="name its splits file with --splits"):
        evaluate(run, manifest=run / "checked.parquet", split="val")
    with pytest.raises(SplitError, match=r"gone\.parquet does not exist; make it with `soritune split`"):
        evaluate(run, splits=tmp_path / "gone.parquet")


def test_a_bundle_elsewhere_needs_a_manifest(run, fakes, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    bundle = fakes.make_bundle(tmp_path / "mine", [fakes.emotion_task()])
    with pytest.raises(BundleError, match="give --manifest"):
        evaluate(bundle.path)
    scores = evaluate(
        bundle.path,
        manifest=run / "checked.parquet",
        output=tmp_path / "out",
        resamples=20,
        audio=False,
    )
    assert scores["num_utterances"] == 30
    assert (tmp_path / "out" / "predictions" / "all.jsonl").exists()
    assert (tmp_path / "out" / "report.html").exists()


def test_all_rows_of_a_run_are_marked_as_seen_in_training(run):
    scores = evaluate(run, split="all", resamples=20, audio=False)
    assert scores["num_utterances"] == 30
    assert scores["header"]["data"]["split"] == "all"
    assert any("the model was trained on" in text for text in scores["warnings"])


def test_an_unknown_split_is_refused(run):
    with pytest.raises(SplitError):
        evaluate(run, split="tset")


def test_folder_that_is_not_a_model_is_refused(tmp_path):
    with pytest.raises(BundleError, match="is not a model"):
        evaluate(tmp_path)


@pytest.fixture
def lists(run):
    audio = sorted((run.parent / "audio").glob("*.wav"))
    return audio, [("calm", "tense", "warm")[int(path.stem[-1])] for path in audio]


OPTIONS = {"resamples": 20, "audio": False}


def test_lists_of_paths_and_labels_are_judged(run, lists, tmp_path):
    audio, labels = lists
    bad = tmp_path / "bad.wav"
    bad.write_bytes(b"no audio")
    evaluation = evaluate(
        run, audio_paths=[*audio, bad], labels=[*labels, "calm"], output=tmp_path / "out", **OPTIONS
    )
    assert (evaluation["num_utterances"], evaluation["num_failed"], evaluation["num_speakers"]) == (30, 1, 0)
    assert evaluation.confusion.sum(axis=1).tolist() == [10, 10, 10]
    assert (tmp_path / "out" / "report.txt").read_text(encoding="utf-8") == evaluation.report()
    # Without speakers there is no interval, and the value is marked.
    interval = evaluation["tasks"]["emotion"]["rates"]["wa"]
    assert (interval["low"], interval["reliable"]) == (None, False)
    named = evaluate(run, audio_paths=audio, labels=labels, speakers=[p.stem[:2] for p in audio], **OPTIONS)
    assert named["num_speakers"] == 10
    assert named["tasks"]["emotion"]["rates"]["wa"]["reliable"]
    assert named["files"]["scores"] == str(run / "evaluation" / "lists" / "scores.json")


def test_labels_for_a_model_without_labels_are_refused(fakes, lists, tmp_path):
    bundle = fakes.make_bundle(tmp_path / "phones", [fakes.phoneme_task()])
    paths, labels = lists
    with pytest.raises(
        TaskError, match=r"no task of the model has one label for an utterance .tasks: phoneme."
    ):
        evaluate(bundle.path, audio_paths=paths, labels=labels, output=tmp_path / "judged")
    assert not (tmp_path / "judged").exists()


def test_all_unknown_labels_are_named_before_any_prediction(run, lists, tmp_path):
    audio, labels = lists
    strange = ["angry", "angry", "sad", *labels[3:]]
    with pytest.raises(
        TaskError, match=r"3 of 30 rows .*: angry \(2\), sad \(1\); it knows calm, tense, warm"
    ):
        evaluate(run, audio_paths=audio, labels=strange, output=tmp_path / "out", **OPTIONS)
    assert not (tmp_path / "out").exists()
    with pytest.raises(ManifestError, match="30 audio_paths but 2 labels"):
        evaluate(run, audio_paths=audio, labels=["calm", "warm"], **OPTIONS)
    with pytest.raises(ManifestError, match="two data sets"):
        evaluate(run, audio_paths=audio, labels=labels, data=tmp_path, **OPTIONS)


def corpus(folder):
    """A tree <speaker>/<label>/<n>.wav with a broken file."""
    draw = np.random.default_rng(1)
    for speaker in ("가", "나"):
        for label in ("calm", "tense", "warm"):
            path = folder / speaker / label
            path.mkdir(parents=True)
            soundfile.write(path / "1.wav", draw.uniform(-0.5, 0.5, 16000), 16000)
    (folder / "나" / "warm" / "2.wav").touch()
    return folder


PATTERN = r"(?P<speaker>[^/]+)/(?P<emotion>[^/]+)/.+"


def test_a_corpus_folder_is_read_as_the_training_corpus_was(run, tmp_path):
    data = {"source": "speaker-folders", "config": {"pattern": PATTERN}}
    for name in ("best_emotion_ua", "last"):
        update_card(run / "bundles" / name, recipe={"data": data})
    root, out = corpus(tmp_path / "말뭉치"), tmp_path / "out"
    evaluation = evaluate(run, data=root, output=out, **OPTIONS)
    assert (evaluation["num_utterances"], evaluation["num_failed"], evaluation["num_speakers"]) == (6, 1, 2)
    assert any("1 of 7 clips could not be read" in text for text in evaluation["warnings"])
    assert load_manifest(out / "manifest.parquet").column("speaker").unique().to_pylist() == ["가", "나"]
    assert "2.wav" in (out / "quarantine.jsonl").read_text(encoding="utf-8")
    assert {"report.html", "report.txt", "scores.json", "predictions"} <= {
        path.name for path in out.iterdir()
    }
    default = evaluate(run, data=root, **OPTIONS)["files"]["scores"]
    assert default == str(run / "evaluation" / "말뭉치" / "scores.json")


def test_a_corpus_is_read_by_the_named_source(run, tmp_path):
    root = corpus(tmp_path / "corpus")
    with pytest.raises(BundleError, match="does not record how a corpus is read; name a source"):
        evaluate(run, data=root, output=tmp_path / "out", **OPTIONS)
    evaluation = evaluate(
        run,
        data=root,
        source="speaker-folders",
        settings={"pattern": PATTERN},
        output=tmp_path / "out",
        **OPTIONS,
    )
    assert evaluation["num_utterances"] == 6
    listed = evaluate(run, data=tmp_path / "out" / "manifest.parquet", output=tmp_path / "again", **OPTIONS)
    assert listed.scores == evaluation.scores


def test_a_run_is_refused_as_the_output_of_another_corpus(run, tmp_path):
    before = (run / "checked.parquet").read_bytes()
    with pytest.raises(OutputError, match="is a run, whose own manifest would be replaced"):
        evaluate(run, data=corpus(tmp_path / "corpus"), output=run, **OPTIONS)
    assert (run / "checked.parquet").read_bytes() == before
    assert not (run / "manifest.parquet").exists()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"labels": ["calm"]}, "labels without audio_paths would be left unused; give audio_paths"),
        ({"speakers": ["a"], "texts": ["b"]}, "speakers and texts without audio_paths"),
        ({"labels": ["calm"], "data": "corpus"}, "labels without audio_paths"),
        ({"source": "csv"}, "source without data would be left unused; give data"),
        ({"settings": {"delimiter": ";"}}, "settings without data"),
        ({"source": "csv", "audio_paths": ["a.wav"]}, "audio_paths needs no reading; leave them out"),
        ({"data": "corpus", "split": "val"}, "split would be left unused: all rows of data"),
        ({"audio_paths": ["a.wav"], "root": "b"}, "root would be left unused"),
    ],
)
def test_options_that_would_change_nothing_are_refused(run, options, sentence):
    with pytest.raises(ManifestError, match=sentence):
        evaluate(run, **options, **OPTIONS)
    assert not (run / "scores.json").exists()


def test_a_source_for_a_manifest_in_memory_is_refused(run):
    rows = load_manifest(run / "checked.parquet")
    with pytest.raises(ManifestError, match="source would be left unused.*a Manifest needs no reading"):
        evaluate(run, data=rows, source="csv", **OPTIONS)


def test_missing_labels_are_reported_before_any_prediction(run, lists, tmp_path):
    audio, labels = lists
    sentence = "labels are missing: none of 30 rows has what the model's 'emotion' is judged by .emotion."
    for given in (None, [None] * len(audio)):
        with pytest.raises(ManifestError, match=sentence):
            evaluate(run, audio_paths=audio, labels=given, output=tmp_path / "out", **OPTIONS)
    assert not (tmp_path / "out").exists()
    table = tmp_path / "unlabelled.csv"
    table.write_text(f"file_path\n{audio[0]}\n", encoding="utf-8")
    with pytest.raises(ManifestError, match="labels are missing: none of 1 rows"):
        evaluate(run, data=table, output=tmp_path / "out", **OPTIONS)
    assert not (tmp_path / "out" / "predictions").exists()
    some = evaluate(
        run, audio_paths=audio, labels=[None, "", *labels[2:]], output=tmp_path / "some", **OPTIONS
    )
    warning = "2 of 30 clips have no label for the task 'emotion' and are not scored by it."
    assert warning in some["warnings"]
    assert warning not in evaluate(run, **OPTIONS)["warnings"]


def test_a_missing_corpus_is_reported(run, tmp_path):
    for options in ({"source": "csv"}, {"source": "manifest"}, {"source": "speaker-folders"}):
        with pytest.raises(ManifestError, match="gone: does not exist"):
            evaluate(run, data=tmp_path / "gone", output=tmp_path / "out", **options, **OPTIONS)
    assert not (tmp_path / "out").exists()


def test_minimum_confidence_is_in_the_predictions_and_scores(run, tmp_path):
    """The fake backend is sure of its labels, by 0.99."""
    for minimum, share in ((0.9, 1.0), (1.0, 0.0)):
        output = tmp_path / str(minimum)
        scores = evaluate(run, resamples=100, min_confidence=minimum, vad="off", output=output)
        predictions = read_predictions(output / "predictions" / "test.jsonl")
        assert predictions.header.min_confidence == minimum
        answers = [row["tasks"]["emotion"]["prediction"] for row in predictions.good]
        assert [answer.get("uncertain", False) for answer in answers] == [share == 0.0] * len(answers)
        assert scores["tasks"]["emotion"]["certain"]["share"] == share
    with pytest.raises(TaskError, match="minimum confidence is 40"):
        evaluate(run, min_confidence=40)
