"""A decoder that another package brings: where results say that it was used, and what they do not replace."""

import json

import numpy as np
import pytest
import soundfile
import typer
from tests.conftest import MUTE_DECODER
from typer.testing import CliRunner

from soritune.bundles.write import update_card
from soritune.cli.predict import predict
from soritune.cli.report import evaluate as evaluate_verb
from soritune.corpus.manifest import write_manifest
from soritune.corpus.splitting.splits import SplitSettings, make_splits
from soritune.corpus.utterance import Utterance
from soritune.errors import ManifestError, TaskError
from soritune.inference.predictions import pool_predictions, read_predictions
from soritune.reports.compare import compare
from soritune.stages.evaluate import evaluate

OPTIONS = {"resamples": 20, "audio": False}
APP = typer.Typer()
APP.command()(predict)
APP.command("evaluate")(evaluate_verb)


def call(*arguments):
    result = CliRunner().invoke(APP, [str(argument) for argument in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.fixture
def run(fakes, tmp_path, monkeypatch, external_package):
    """A run folder with a phone bundle, opened by a backend that gives A, B, D in turn, five frames each."""
    external_package("soritune.tasks.decoding", "mute", MUTE_DECODER)
    task = fakes.phoneme_task()
    (tmp_path / "audio").mkdir()
    rows = []
    for speaker in range(5):
        soundfile.write(tmp_path / "audio" / f"s{speaker}.wav", 0.1 * np.sin(np.arange(16000)), 16000)
        name = f"s{speaker}.wav"
        rows.append(
            Utterance(id=name, audio=name, duration_s=1.0, speaker=f"s{speaker}", phones=("A", "B", "D"))
        )
    folder = tmp_path / "run"
    manifest = write_manifest(folder / "checked.parquet", rows, root=tmp_path / "audio")
    make_splits(manifest, SplitSettings(by=("speaker",))).save(folder / "splits.parquet")
    fakes.make_bundle(folder / "bundles" / "best_phoneme_per", [task])

    class Turns(fakes.FakeBackend):
        def run(self, inputs):
            arrays = super().run(inputs)
            columns = [task.vocabulary.index(phone) for phone in ("A", "B", "D")]
            for name, table in arrays.items():
                if name == "phoneme":
                    table[:] = 0.0
                    for frame in range(table.shape[1]):
                        table[:, frame, columns[frame // 5 % 3] if frame < 15 else 0] = 9.0
            return arrays

    monkeypatch.setattr(
        "soritune.inference.predictor.load_member", lambda *asked: lambda path, *, device: Turns([task])
    )
    return folder


def test_results_of_another_decoder_have_its_name(run):
    greedy = evaluate(run, **OPTIONS)
    greedy_files = [run / "scores.json", run / "report.html", run / "predictions" / "test.jsonl"]
    greedy_files += [run / "bundles" / "best_phoneme_per" / "README.md"]
    before = [file.read_bytes() for file in greedy_files]
    muted = evaluate(run, decoder={"name": "mute", "keep": 7}, **OPTIONS)
    assert [file.read_bytes() for file in greedy_files] == before
    # Seven frames hold A and the beginning of B: one of three phones is missing.
    assert (greedy.scores["per"], muted.scores["per"]) == (0.0, pytest.approx(1 / 3))
    assert muted["files"]["scores"] == str(run / "scores-mute.json")
    assert muted["files"]["predictions"] == str(run / "predictions" / "test-mute.jsonl")
    assert "decoder" not in greedy["header"]
    assert muted["header"]["decoder"] == {"name": "mute", "keep": 7}
    predictions = read_predictions(run / "predictions" / "test-mute.jsonl")
    assert predictions.header.decoder == {"name": "mute", "keep": 7}
    page = (run / "report-mute.html").read_text(encoding="utf-8")
    assert "mute (keep 7)" in page
    assert "judged on split test, decoder mute (keep 7)" in muted.report()
    assert "decoder" not in greedy.report()
    assert any("different decoders: greedy, mute (keep 7)" in note for note in compared_notes(run))
    with pytest.raises(ManifestError, match="was read by another decoder than .*test.jsonl"):
        pool_predictions([greedy_files[2], run / "predictions" / "test-mute.jsonl"], run / "pooled.jsonl")


def compared_notes(run):
    return compare([run / "scores.json", run / "scores-mute.json"], resamples=20).tasks[0].notes


def test_the_decoder_that_the_recipe_names_gets_no_suffix(run):
    recipe = {"evaluate": {"decoder": {"name": "mute", "keep": 7}}}
    update_card(run / "bundles" / "best_phoneme_per", recipe=recipe)
    evaluate(run, decoder={"name": "mute", "keep": 7}, **OPTIONS)
    before = (run / "scores.json").read_bytes()
    card = (run / "bundles" / "best_phoneme_per" / "README.md").read_text(encoding="utf-8")
    assert "Split test, decoder mute (keep 7): " in card
    for other, name in (("greedy", "scores-greedy.json"), ({"name": "mute", "keep": 2}, "scores-mute.json")):
        evaluate(run, decoder=other, **OPTIONS)
        assert (run / name).exists()
    assert (run / "scores.json").read_bytes() == before


def test_the_command_line_takes_a_decoder_with_settings(run):
    clip = run.parent / "audio" / "s0.wav"

    def phones(*options):
        shown = json.loads(call("predict", clip, "-b", run, "--json", *options))
        return shown["predictions"][0]["tasks"]["phoneme"]["prediction"]["phones"]

    assert phones() == phones("--decoder", "greedy") == ["A", "B", "D"]
    assert phones("--decoder", "mute") == []
    assert phones("--decoder", "mute", "--decoder-set", "keep=7") == ["A", "B"]
    scores = json.loads(
        call("evaluate", run, "--decoder", "mute", "--decoder-set", "keep=7", "--json", "--no-audio")
    )
    assert scores["header"]["decoder"] == {"name": "mute", "keep": 7}
    with pytest.raises(TaskError, match="decoder 'mute': kep: unknown key; did you mean 'keep'"):
        phones("--decoder", "mute", "--decoder-set", "kep=7")
    with pytest.raises(ManifestError, match="--decoder-set expects NAME=VALUE, got 'keep'"):
        phones("--decoder", "mute", "--decoder-set", "keep")


def test_a_decoder_for_a_model_without_ctc_is_refused(run, fakes):
    fakes.make_bundle(run / "bundles" / "styles", [fakes.emotion_task()])
    with pytest.raises(
        TaskError, match="the decoder 'mute' reads CTC outputs, but the model has no such output"
    ):
        evaluate(run, checkpoint="styles", decoder="mute", **OPTIONS)
    assert not (run / "scores-styles-mute.json").exists()
