"""Starting points as people have them, through the commands: folders saved years ago, headless ones, bundles."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers
import typer
from typer.testing import CliRunner

from soritune.audio.preprocessing import Preprocessing
from soritune.bundles.read import load_bundle
from soritune.cli.report import evaluate
from soritune.cli.train import run
from soritune.corpus.manifest import Manifest
from soritune.inference.predictor import Predictor
from soritune.korean.phones import KOREAN
from soritune.testing import tiny_checkpoint, tiny_config

pytestmark = pytest.mark.slow

APP = typer.Typer()
APP.command()(run)
APP.command()(evaluate)
PHONES = (*sorted(KOREAN.symbols, key=str.lower), "|", "[UNK]", "[PAD]", "<s>", "</s>")
"""The vocabulary of the base, in an order that is not ours."""
MANIFEST = ("data.source=manifest", "train.device=cpu", "train.max_steps=2", "batches.num_workers=0")


def command(*arguments: str | Path) -> str:
    """Runs it in this process; gives what it prints on standard output."""
    done = CliRunner().invoke(APP, [str(argument) for argument in arguments], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


def train(recipe: str, data: Manifest, run_folder: Path, *arguments: str) -> Path:
    command("run", recipe, f"data={data.path}", *MANIFEST, *arguments, "-o", run_folder, "--json")
    return run_folder


def logits(bundle: Path, clip: Path) -> np.ndarray:
    """Of the primary output, as `predict` computes them."""
    waveform = Preprocessing(**load_bundle(bundle).preprocessing).load(clip)[None]
    inputs = {"waveform": waveform, "num_samples": np.array([waveform.shape[1]])}
    outputs = Predictor.load(bundle, device="cpu").members[0].backend.run(inputs)
    return outputs[load_bundle(bundle).outputs[0].name]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """24 thin layers with a phone head, as such a folder lies on the hub: a pickle with the old names of weight norm,
    layer drop, the last two tokens in a file of their own, nothing for a processor."""
    folder = tiny_checkpoint(
        tmp_path_factory.mktemp("bases") / "phones",
        tiny_config(norm="layer", layers=24),
        head="ctc",
        vocabulary=PHONES,
        old_names=True,
    )
    numbered = {symbol: row for row, symbol in enumerate(PHONES)}
    added = {symbol: numbered.pop(symbol) for symbol in ("<s>", "</s>")}
    (folder / "vocab.json").write_text(json.dumps(numbered), encoding="utf-8")
    (folder / "added_tokens.json").write_text(json.dumps(added), encoding="utf-8")
    old = {"layerdrop": 0.1, "gradient_checkpointing": True, "transformers_version": "4.6.0.dev0"}
    config = json.loads((folder / "config.json").read_text()) | old
    (folder / "config.json").write_text(json.dumps(config))
    return folder


@pytest.fixture(scope="module")
def pilot(base: Path, tones: Manifest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of child-phoneme on that base."""
    run_folder = tmp_path_factory.mktemp("runs") / "pilot"
    return train("child-phoneme", tones, run_folder, "split.given=null", f"model.encoder={base}")


def test_the_untouched_start_is_kept_and_is_the_base(base: Path, pilot: Path, tones: Manifest) -> None:
    clip = tones.audio_path(tones.utterance(0))
    start = pilot / "bundles" / "start"
    theirs = transformers.Wav2Vec2ForCTC.from_pretrained(base).eval()
    wave = torch.from_numpy(Preprocessing().load(clip))[None]
    with torch.no_grad():
        expected = theirs(wave).logits.numpy()
    places = [PHONES.index(label) for label in load_bundle(start).outputs[0].labels]
    assert np.allclose(logits(start, clip), expected[..., places], atol=1e-5)
    assert not np.allclose(logits(pilot / "bundles" / "last", clip), expected[..., places], atol=1e-3)


def test_the_untouched_start_can_be_judged(pilot: Path) -> None:
    scores = json.loads(command("evaluate", pilot, "--checkpoint", "start", "--json"))
    assert scores["num_failed"] == 0
    assert Path(scores["files"]["scores"]).name == "scores-start.json"
    events = map(json.loads, (pilot / "train.jsonl").read_text(encoding="utf-8").splitlines())
    first = next(event for event in events if event["event"] == "evaluate")
    assert first["step"] == 0
    judged = json.loads(command("evaluate", pilot, "--checkpoint", "start", "--split", "val", "--json"))
    assert judged["tasks"]["phoneme"]["rates"]["per"]["value"] == pytest.approx(first["val/phoneme/per"])


@pytest.mark.parametrize(
    ("change", "kind"),
    [("model.lora.rank=16", "adapter"), ("model.lora.rank=32", "full"), ("model.lora=null", "full")],
)
def test_the_full_recipe_starts_from_the_pilot(
    change: str, kind: str, pilot: Path, tones: Manifest, tmp_path: Path
) -> None:
    """Adapters of the same rank are kept, others are merged first; both models start with the outputs of the pilot."""
    last = pilot / "bundles" / "last"
    more = ("split.given=null", f"model.init_from={last}", change, "--preset", "from-pilot")
    run_folder = train("child-phoneme-full", tones, tmp_path / "run", *more)
    clip = tones.audio_path(tones.utterance(0))
    assert np.allclose(logits(run_folder / "bundles" / "start", clip), logits(last, clip), atol=1e-5)
    card = load_bundle(run_folder / "bundles" / "last").card
    assert card["kind"] == kind
    assert card["recipe"]["train"]["learning_rate"] == 1e-4
    assert "cer_pron" in command("evaluate", run_folder)


def test_a_missing_pilot_of_the_preset_is_reported(
    tones: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    arguments = ["run", "child-phoneme-full", f"data={tones.path}", *MANIFEST, "split.given=null"]
    done = CliRunner().invoke(APP, [*arguments, "--preset", "from-pilot"])
    assert re.search(
        r"model.init_from: runs/child-phoneme/bundles/\S+ is not a folder here", str(done.exception)
    )
    assert not (tmp_path / "runs" / "child-phoneme-full" / "bundles").exists()


def test_a_headless_folder_gets_a_new_head(tones: Manifest, tmp_path: Path) -> None:
    folder = tiny_checkpoint(tmp_path / "base", tiny_config(norm="layer", layers=24), old_names=True)
    run_folder = train(
        "child-phoneme", tones, tmp_path / "run", "split.given=null", f"model.encoder={folder}"
    )
    assert not (run_folder / "bundles" / "start").exists()
    assert (run_folder / "bundles" / "last" / "adapter_model.safetensors").is_file()


def test_three_classes_keep_their_rows_beside_a_fourth(tones: Manifest, tmp_path: Path) -> None:
    """The kept classes keep their rows; only the fourth is new."""
    folder = tiny_checkpoint(tmp_path / "base", tiny_config(norm="layer"), old_names=True)
    three = train("emotion-3class", tones, tmp_path / "three", f"model.encoder={folder}")
    last = three / "bundles" / "last"
    frozen = ("train.learning_rate=1e-30", "train.weight_decay=0", "tasks.emotion.class_weights=none")
    four = train("emotion-4class", tones, tmp_path / "four", f"model.init_from={last}", *frozen)
    clip = tones.audio_path(tones.utterance(0))
    assert not (four / "bundles" / "start").exists()  # with a row of chance it cannot predict yet
    outputs, expected = logits(four / "bundles" / "last", clip), logits(last, clip)
    assert load_bundle(four / "bundles" / "last").outputs[0].labels == ("Anxious", "Kind", "Dry", "Others")
    assert np.allclose(outputs[:, :3], expected, atol=1e-5)
