"""A kind of input in one file of another package, both halves: what a sentence says, as a bag of its letters."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import yaml
from typer.testing import CliRunner

from soritune.bundles.read import load_bundle
from soritune.cli.main import app
from soritune.corpus.manifest import write_manifest
from soritune.corpus.utterance import Utterance
from soritune.inference.predictor import Predictor
from soritune.models.build import build_model
from soritune.models.config import ModelConfig
from soritune.testing import tiny_config

pytestmark = pytest.mark.slow

PACKAGE = Path(__file__).parent.parent / "packages" / "letters_input.py"


@pytest.fixture(scope="module", autouse=True)
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The package lies on the path as pip leaves one."""
    site = tmp_path_factory.mktemp("site")
    information = site / "letters_input-1.0.dist-info"
    information.mkdir()
    shutil.copy(PACKAGE, site)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(site)
        (information / "METADATA").write_text("Metadata-Version: 2.1\nName: letters_input\nVersion: 1.0\n")
        (information / "entry_points.txt").write_text(__import__("letters_input").ENTRY_POINTS)
        yield
    sys.modules.pop("letters_input", None)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """A run over clips of noise with labels that only the text determines; every eighth row has no text."""
    folder = tmp_path_factory.mktemp("corpus")
    rows = []
    for n in range(48):
        wave = 0.1 * np.random.default_rng(n).standard_normal(8000 + 160 * n)
        soundfile.write(folder / f"{n}.wav", wave, 16000)
        mood = ("good", "bad")[n // 6 % 2]
        rows.append(
            Utterance(
                id=str(n), audio=f"{n}.wav", duration_s=len(wave) / 16000, speaker=f"s{n % 6}",
                text=None if n % 8 == 7 else {"good": "aab", "bad": "bcc"}[mood], extra={"mood": mood},
            )
        )  # fmt: skip
    manifest = write_manifest(folder / "manifest.parquet", rows, root=folder)
    settings = {
        "name": "mood",
        "data": {"source": "manifest", "root": str(manifest.path)},
        "split": {"by": ["speaker"], "ratios": {"train": 0.5, "val": 0.17, "test": 0.33}},
        "tasks": {"mood": {}},
        "model": {
            "encoder": "x",
            "random_weights": True,
            "architecture": tiny_config(),
            "freeze": {"encoder": True},
        },
        "batches": {"batch_size": 4, "num_workers": 0},
        "train": {"epochs": 12, "learning_rate": 0.01, "learning_rates": {"inputs": 0.03}, "device": "cpu"},
    }
    recipe = folder / "mood.yaml"
    recipe.write_text(yaml.safe_dump(settings), encoding="utf-8")
    done = CliRunner().invoke(
        app, ["run", str(recipe), "-o", str(folder / "run"), "--json"], catch_exceptions=False
    )
    assert done.exit_code == 0, done.output
    return folder / "run", json.loads(done.stdout.splitlines()[-1])


def test_it_is_trained_on_and_judged(run: tuple[Path, dict[str, Any]]) -> None:
    # Rows without a text are guessed: one of eight, half of them wrongly.
    assert run[1]["scores"]["tasks"]["mood"]["rates"]["right"]["value"] > 0.85


def test_a_request_brings_it_and_may_leave_it_out(run: tuple[Path, dict[str, Any]]) -> None:
    folder = run[0]
    predictor = Predictor.load(folder, device="cpu")
    audio = folder.parent / "0.wav"
    rows = list(
        predictor.predict(
            [
                {"audio": audio, "text": "aa"},
                {"audio": audio, "text": "cc"},
                {"audio": audio},
                {"audio": audio, "text": 3},
            ]
        )
    )
    assert [row["tasks"]["mood"]["prediction"]["label"] for row in rows[:2]] == ["good", "bad"]
    assert "error" not in rows[2]
    assert "input 'words' must be text, got 3" in rows[3]["error"]


def test_its_weights_are_saved_reopened_and_taken_over(run: tuple[Path, dict[str, Any]]) -> None:
    bundle = load_bundle(run[0] / "bundles" / "last")
    weights = bundle.weights()
    assert weights["inputs.words.letters.weight"].shape == (26, 4)
    config = ModelConfig(encoder="x", init_from=str(bundle.path))
    model = build_model(config, bundle.outputs, seed=5, inputs=bundle.inputs)
    assert "input words: kept" in str(model.load_report)
    kept = model.state_dict()["inputs.words.letters.weight"].numpy()
    assert np.array_equal(kept, weights["inputs.words.letters.weight"])
