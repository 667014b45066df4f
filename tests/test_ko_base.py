"""The default model of the package: the files of its folder, its card, and its error rates."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers
from release.pack_bundle import CORPORA, check
from typer.testing import CliRunner

from soritune.audio.waveform import read_audio
from soritune.bundles.card import INT8, WEIGHTS_FORMAT
from soritune.bundles.default_model import DEFAULT_MODEL
from soritune.bundles.packaged import PACKAGED_FOLDER
from soritune.bundles.packing import unpack_bundle
from soritune.bundles.read import load_bundle
from soritune.cli.main import app
from soritune.corpus.manifest import Manifest
from soritune.inference.predictor import Predictor
from soritune.models.loading import load_model
from soritune.recipe import load_recipe
from soritune.reports.model_card import model_card
from soritune.stages.evaluate import evaluate
from soritune.stages.run import run

NAME = "soritune/ko-base"
FOLDER = PACKAGED_FOLDER / "ko-base"
ENCODER_PARAMETERS = 20_590_592
"""Of the encoder of Whisper base, its fixed positions among them."""


def test_the_folder_is_small_and_complete_and_contains_no_machine_paths() -> None:
    check(FOLDER)
    assert sum(file.stat().st_size for file in FOLDER.iterdir()) <= 25_000_000
    bundle = load_bundle(NAME)
    bundle.check_files()
    assert bundle.card[WEIGHTS_FORMAT] == INT8
    weights = bundle.weights()
    encoder = {name: value for name, value in weights.items() if name.startswith("encoder.")}
    assert sum(value.size for value in encoder.values()) == ENCODER_PARAMETERS
    assert {value.dtype for value in weights.values()} == {np.dtype(np.float32)}
    for file in FOLDER.iterdir():
        if file.suffix == ".safetensors":  # any two letters occur in millions of numbers
            continue
        content = file.read_bytes().replace(b"runs/quickstart", b"")
        for word in (b"/tmp", b"/home", b"/root", b"/work", b"runs/", socket.gethostname().encode()):
            assert word not in content, (file.name, word)


def test_the_card_records_the_origin_of_the_weights() -> None:
    card = load_bundle(NAME).card
    assert card["recipe_name"] == "ko-base" and card["encoder"]["source"] == "openai/whisper-base"
    assert set(card["data"]["corpora"]) == set(CORPORA)
    assert "MIT License" in card["notice"] and "re-upload" in card["notice"]
    assert {entry["speakers"] for entry in card["measured"]} == {10, 12}
    text = (FOLDER / "README.md").read_text(encoding="utf-8")
    for word in (
        "license: mit",
        "base_model: openai/whisper-base",
        "MIT License",
        "CC BY 4.0",
        "re-upload",
        "hiring",
    ):
        assert word in text
    assert "@" not in text.replace("@import", "")  # encloses the place of a measured figure


def test_predict_uses_it_if_no_model_is_named_and_states_its_error_rates(unseen: Manifest) -> None:
    assert DEFAULT_MODEL == NAME
    clip = str(unseen.audio_path(unseen.utterance(0)))
    alone = CliRunner().invoke(app, ["predict", clip, "--json"])
    named = CliRunner().invoke(app, ["predict", clip, "--json", "--bundle", NAME])
    assert (alone.exit_code, named.exit_code) == (0, 0), alone.output
    assert alone.stdout == named.stdout
    (rates,) = named.stderr.splitlines()
    assert rates.startswith(f"{NAME}, measured: phone error rate ") and "12 speakers" in rates
    line, same_rates = alone.stderr.splitlines()
    assert same_rates == rates
    for word in (NAME, "fine-tuning", "--bundle"):
        assert word in line


def test_the_level_of_a_recording_changes_nothing(unseen: Manifest) -> None:
    samples = read_audio(unseen.audio_path(unseen.utterance(0)))
    predictor = Predictor.load(NAME, vad="off")
    rows = list(predictor.predict([{"audio": (gain * samples, 16000)} for gain in (1.0, 0.01, 0.9)]))
    phones = [row["tasks"]["phoneme"]["prediction"]["phones"] for row in rows]
    assert phones[0] == phones[1] == phones[2] and len(phones[0]) > 5


def test_the_unpacked_folder_opens_in_transformers_with_the_same_states(tmp_path: Path) -> None:
    plain = unpack_bundle(NAME, tmp_path / "plain").path
    theirs = transformers.WhisperModel.from_pretrained(plain).encoder.eval()
    ours = load_model(FOLDER).encoder.eval()
    for name, value in theirs.state_dict().items():
        assert torch.allclose(value, ours.state_dict()[name], atol=1e-3), name


@pytest.mark.slow
def test_error_rates_on_unseen_sentences_and_voices(unseen: Manifest, tmp_path: Path) -> None:
    scores = evaluate(NAME, data=unseen, output=tmp_path / "judged", resamples=100, audio=False)
    assert scores["tasks"]["phoneme"]["rates"]["per"]["value"] < 0.35


@pytest.mark.slow
def test_quickstart_starts_from_it_and_keeps_its_head(unseen: Manifest, tmp_path: Path) -> None:
    """Before the first step the recipe is far better than nothing."""
    rows = [
        {"id": row.id, "audio": str(unseen.audio_path(row)), "speaker": row.speaker, "text": row.text}
        for row in unseen
    ]
    lines = [json.dumps(row, ensure_ascii=False) for row in rows]
    (tmp_path / "my.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    recipe = load_recipe(
        "quickstart", [f"data={tmp_path / 'my.jsonl'}", "train.max_steps=2", "batches.num_workers=0"]
    )
    result = run(recipe, tmp_path / "run")
    assert result.training.steps == 2
    events = [json.loads(line) for line in (tmp_path / "run" / "train.jsonl").read_text().splitlines()]
    start = next(event for event in events if event["event"] == "evaluate" and event["step"] == 0)
    assert start["val/phoneme/per"] < 0.6
    card = load_bundle(tmp_path / "run" / "bundles" / "last").card
    assert card["start"]["name"] == NAME and "MIT License" in card["notice"]
    assert WEIGHTS_FORMAT not in card or card[WEIGHTS_FORMAT] is None
    assert f"| Started from | {NAME} (" in model_card(card)
    assert str(PACKAGED_FOLDER) not in json.dumps(card)
