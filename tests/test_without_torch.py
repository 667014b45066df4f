"""An installation with the extra `onnx` alone, which has no torch: it prepares, predicts and scores.

The environment has what `pyproject.toml` declares (`tests/lean_environment.py`), so a dependency that is declared
nowhere fails here too.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
from tests.lean_environment import Environment, declared, make_environment

from soritune.audio.preprocessing import Preprocessing
from soritune.extras import MODULES, TORCH_STACK
from soritune.inference.predictor import Predictor
from soritune.models.build import build_model
from soritune.models.config import ModelConfig
from soritune.models.saving import save_bundle
from soritune.stages.export import export
from soritune.tasks.task import make_task
from soritune.testing import tiny_config

RECIPE = """
name: toy
data: {source: csv}
split: {by: [speaker]}
tasks: {emotion: {labels: [기쁨, 화남]}}
model: {encoder: soritune/tiny-ko}
"""
INSTALL = "pip install 'soritune[train]'"


@pytest.fixture(scope="module")
def lean(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    return make_environment(tmp_path_factory.mktemp("lean") / "venv", "onnx")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Clips of four speakers in a table, a recipe, and a toy model for PyTorch and for ONNX Runtime."""
    folder = tmp_path_factory.mktemp("work")
    lines = ["file_path,emotion,speaker"]
    for speaker in range(4):
        for number, emotion in enumerate(("기쁨", "화남")):
            noise = np.random.default_rng([speaker, number]).normal(0, 0.1, 12_000 + 1_000 * speaker)
            soundfile.write(folder / f"{speaker}{number}.wav", noise, 16_000)
            lines.append(f"{speaker}{number}.wav,{emotion},speaker {speaker}")
    (folder / "corpus.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (folder / "toy.yaml").write_text(RECIPE, encoding="utf-8")
    task = make_task("emotion", {"labels": ["기쁨", "화남"]})
    config = ModelConfig(encoder="none", random_weights=True, architecture=tiny_config(norm="layer"))
    model = build_model(config, task.outputs, seed=1).eval()
    save_bundle(model, folder / "bundle", tasks=[task], preprocessing=Preprocessing())
    export("onnx", folder / "bundle", folder / "onnx", {"older": True})
    return folder


def test_declared_dependencies_of_prediction_have_no_torch() -> None:
    assert not declared("onnx").keys() & {*TORCH_STACK, "scikit-learn", "scipy"}
    assert declared("train").keys() >= {*TORCH_STACK, "scikit-learn"}


@pytest.mark.slow(seconds=3)
def test_environment_has_the_declared_libraries_alone(lean: Environment) -> None:
    absent = [module for extra, modules in MODULES.items() if extra != "onnx" for module in modules]
    code = f"from importlib.util import find_spec; print([m for m in {[*absent, 'pytest', 'scipy']} if find_spec(m)])"
    assert lean.run("-c", code).stdout.strip() == "[]"


@pytest.mark.slow(seconds=10)
def test_corpus_is_prepared_predicted_and_scored(lean: Environment, folder: Path) -> None:
    for arguments in (
        ("--help",),
        ("prepare", "csv", "corpus.csv", "--out", "prepared"),
        ("check", "prepared/manifest.parquet"),
        ("split", "prepared/manifest.parquet", "--out", "splits.parquet"),
        ("predict", "--manifest", "prepared/manifest.parquet", "-b", "onnx", "-o", "predictions.jsonl"),
        ("score", "predictions.jsonl"),
        ("report", "."),
    ):
        done = lean.soritune(*arguments, cwd=folder)
        assert done.returncode == 0, f"{arguments}\n{done.stdout}\n{done.stderr}"
    scores = json.loads((folder / "scores.json").read_text(encoding="utf-8"))
    assert scores["tasks"]["emotion"]["num_utterances"] == 8


@pytest.mark.slow(seconds=3)
def test_predictions_are_those_of_pytorch(lean: Environment, folder: Path) -> None:
    clips = sorted(folder.glob("*.wav"))
    done = lean.soritune("predict", *clips, "--bundle", folder / "onnx", "--json")
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)["predictions"]
    expected = list(Predictor.load(folder / "bundle", backend="pytorch").predict(clips))
    assert len(rows) == 8
    for row, other in zip(rows, expected, strict=True):
        ours, theirs = (each["tasks"]["emotion"]["prediction"] for each in (row, other))
        assert ours["label"] == theirs["label"]
        assert ours["probabilities"] == pytest.approx(theirs["probabilities"], abs=1e-3)


def imported(lean: Environment, *arguments: str | Path) -> set[str]:
    """The modules that a command imports."""
    done = lean.run("-X", "importtime", "-m", "soritune", *arguments)
    assert done.returncode == 0, done.stderr
    return {line.rpartition("|")[2].strip() for line in done.stderr.splitlines() if "import time:" in line}


@pytest.mark.slow(seconds=2)
def test_prediction_starts_without_the_libraries_of_corpora_and_reports(
    lean: Environment, folder: Path
) -> None:
    modules = imported(lean, "predict", folder / "00.wav", "--bundle", folder / "onnx")
    assert modules >= {"numpy", "onnxruntime", "pydantic"}
    assert not modules & {"pyarrow", "matplotlib", "jinja2", "huggingface_hub", "tokenizers", "jmespath"}
    # Each compiles hundreds of patterns.
    assert not modules & {"soritune.korean.normalization", "soritune.korean.annotation"}


@pytest.mark.slow(seconds=2)
def test_help_starts_without_numbers_and_settings(lean: Environment) -> None:
    modules = imported(lean, "--help")
    assert "soritune.cli.predict" in modules
    assert not modules & {"numpy", "pydantic", "pydantic_core", "yaml", "pyarrow"}


@pytest.mark.slow(seconds=1)
def test_text_is_read_aloud(lean: Environment) -> None:
    assert lean.soritune("g2p", "한국어를 배웁니다").stdout == "한구거를 배움니다\n"


@pytest.mark.slow(seconds=3)
def test_doctor_reports_what_is_missing(lean: Environment) -> None:
    done = lean.soritune("doctor", "--json", "--require", "predict-onnx", "--require", "onnx")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    features = {each["name"]: (each["state"], each["command"]) for each in report["features"]}
    assert features["corpora"] == features["predict-onnx"] == ("works", None)
    assert features["train"] == features["baselines"] == ("missing", INSTALL)
    extras = {each["name"]: each["state"] for each in report["extras"]}
    assert [name for name, state in extras.items() if state == "installed"] == ["onnx"]
    assert {each["state"] for each in report["libraries"]} == {"installed"}
    assert report["problems"] == []
    assert "CPUExecutionProvider" in report["devices"]["onnx_providers"]
    done = lean.soritune("doctor", "--require", "train")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert INSTALL in done.stderr


@pytest.mark.slow(seconds=12)
def test_commands_that_need_torch_name_the_extra_in_one_sentence(lean: Environment, folder: Path) -> None:
    for arguments in (
        ("run", "toy.yaml", "data=corpus.csv"),
        ("run", "toy.yaml", "data=corpus.csv", "--dry-run"),
        ("run", "toy.yaml", "data=corpus.csv", "--find-batch"),
        ("crossval", "toy.yaml", "data=corpus.csv"),
        ("layers", "toy.yaml", "data=corpus.csv"),
        ("demo",),
        ("model-info", "toy.yaml"),
        ("model-info", "bundle"),
        ("predict", "00.wav", "--bundle", "bundle"),
    ):
        done = lean.soritune(*arguments, cwd=folder)
        assert done.returncode == 2, arguments
        *before, last = done.stderr.splitlines()
        assert done.stdout == "", arguments
        assert all(line.startswith("loading the libraries") for line in before), f"{arguments}\n{done.stderr}"
        assert last.startswith("error: "), arguments
        assert INSTALL in last, arguments
    assert not (folder / "runs").exists()
    assert not (folder / "demo").exists()
