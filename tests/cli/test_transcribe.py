"""`soritune transcribe` as typed."""

from __future__ import annotations

import inspect
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from tests.inference.recognition.toy_recogniser import ToyRecogniser, recognised
from typer.testing import CliRunner, Result

from soritune.cli.main import app
from soritune.cli.transcribe import TITLES
from soritune.cli.transcribe import transcribe as verb
from soritune.corpus.manifest import Manifest, load_manifest
from soritune.errors import AudioError, ModelError, SorituneError
from soritune.inference.recognition.acceptance import MIN_CONFIDENCE

MODEL = ("--model", "folder")


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch) -> ToyRecogniser:
    """The recogniser that every `--model` opens."""
    toy = ToyRecogniser(recognised("가 나", 0.9), recognised("다", 0.3), *[recognised("라", 0.8)] * 50)
    monkeypatch.setattr("soritune.cli.transcribe.open_recogniser", lambda model, **options: toy)
    return toy


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "소리 파일"
    folder.mkdir()
    for name in ("a.wav", "b.wav", "c.wav"):
        noise = np.random.default_rng(0).uniform(-0.5, 0.5, (16000, 2)).astype(np.float32)
        soundfile.write(folder / name, noise, 16000)
    return folder


def call(*arguments: object, code: int = 0) -> Result:
    result = CliRunner().invoke(
        app, ["transcribe", *map(str, arguments)], env={"COLUMNS": "160"}, catch_exceptions=False
    )
    assert result.exit_code == code, result.output
    return result


def test_a_folder_becomes_a_manifest_and_what_is_set_aside_is_counted(
    toy: ToyRecogniser, folder: Path, tmp_path: Path
) -> None:
    done = call(folder, *MODEL, "-o", tmp_path / "asr.jsonl")
    assert f"2 rows with recognised text in {tmp_path / 'asr.jsonl'}" in done.stdout
    assert "1 clip below the minimum confidence, such as" in done.stderr
    assert f"set aside: {tmp_path / 'asr.quarantine.jsonl'}" in done.stdout
    assert [row.text for row in load_manifest(tmp_path / "asr.jsonl")] == ["가 나", "라"]


def test_json_is_one_object(toy: ToyRecogniser, folder: Path, tmp_path: Path) -> None:
    done = call(folder, *MODEL, "-o", tmp_path / "a.jsonl", "--predictions", tmp_path / "p.jsonl", "--json")
    content = json.loads(done.stdout)
    assert (content["transcribed"], content["set_aside"], content["failed"]) == (2, 1, 0)
    assert content["reasons"] == {"asr-low-confidence": 1}
    assert content["predictions"] == str(tmp_path / "p.jsonl")
    again = call(folder, *MODEL, "-o", tmp_path / "a.jsonl", "--resume", "--min-confidence", 0.2, "--json")
    content = json.loads(again.stdout)
    assert (content["transcribed"], content["resumed"], len(toy.lengths)) == (3, 3, 3)


def test_each_channel_is_a_row(toy: ToyRecogniser, folder: Path, tmp_path: Path) -> None:
    call(folder / "a.wav", *MODEL, "-o", tmp_path / "a.jsonl", "--channel", "each", "--min-confidence", 0)
    rows = list(load_manifest(tmp_path / "a.jsonl"))
    assert [(row.id[-5:], row.channel) for row in rows] == [("#left", 0), ("right", 1)]


def test_rows_of_a_manifest_are_scored_against_their_texts(
    toy: ToyRecogniser, tones: Manifest, tmp_path: Path
) -> None:
    phones = tmp_path / "phones" / "predictions" / "all.jsonl"
    done = call("--manifest", tones.path, *MODEL, "-o", tmp_path / "a.jsonl", "--predictions", phones)
    assert "texts that rows had before, kept as given_text: 35" in done.stdout
    assert f"`soritune score {phones}` judges them" in done.stdout
    scored = CliRunner().invoke(app, ["score", str(phones), "--resamples", "20", "--json"])
    scores: dict[str, Any] = json.loads(scored.stdout)
    assert scores["num_speakers"] == 6
    assert 0 < scores["tasks"]["phoneme"]["rates"]["per"]["value"] <= 2
    assert any("hides mispronunciations" in text for text in scores["warnings"])


def test_nothing_that_can_be_a_label_ends_with_1(toy: ToyRecogniser, folder: Path, tmp_path: Path) -> None:
    done = call(folder, *MODEL, "-o", tmp_path / "a.jsonl", "--min-confidence", 1, code=1)
    assert "no clip has a text that can be a label, so no manifest was written" in done.stderr
    (folder / "d.wav").write_text("not audio")
    done = call(folder, *MODEL, "-o", tmp_path / "b.jsonl", code=1)
    assert "1 clip could not be read, such as" in done.stderr
    assert (tmp_path / "b.jsonl").exists()


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((), SorituneError, r"give either audio files \(or folders\) or --manifest"),
        (("FOLDER", "--root", "x"), SorituneError, "--root needs --manifest"),
        (("FOLDER", "--split", "val"), SorituneError, "--split has no effect without --splits"),
        (("FOLDER", "--min-confidence", "60"), SorituneError, "must be from 0 to 1, got 60"),
        (("FOLDER", "--channel", "top"), AudioError, "must be left, right, each or a number"),
        (("FOLDER/missing",), AudioError, "does not exist"),
        (("--manifest", "m.jsonl", "--pcm", "s16le:16000"), AudioError, "leave out --pcm"),
    ],
)
def test_faulty_arguments_are_reported_before_the_model_is_opened(
    arguments: tuple[str, ...],
    error: type[Exception],
    message: str,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def no_model(*_: object, **__: object) -> None:
        raise ModelError("the model was opened")

    monkeypatch.setattr("soritune.cli.transcribe.open_recogniser", no_model)
    given = [argument.replace("FOLDER", str(folder)) for argument in arguments]
    with pytest.raises(error, match=message):
        call(*given, *MODEL, "-o", "a.jsonl")


def test_defaults_and_titles_are_those_of_the_reasons() -> None:
    assert inspect.signature(verb).parameters["min_confidence"].default == MIN_CONFIDENCE
    source = (
        Path(inspect.getfile(ToyRecogniser)).parents[3] / "src/soritune/inference/recognition/acceptance.py"
    )
    kinds = {part.split('"')[0] for part in source.read_text(encoding="utf-8").split('"asr-')[1:]}
    assert {kind.removeprefix("asr-") for kind in TITLES} == kinds
