from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from tests.doctor.installation import install
from typer.testing import CliRunner

from soritune.cli.main import app
from soritune.doctor import examination
from soritune.doctor.features import Finding
from soritune.doctor.machine import Devices, Gpu
from soritune.errors import UnknownNameError

FEATURES = (
    Finding("corpora", "prepare", "works"),
    Finding("train", "run", "missing", ("train",), "pip install 'soritune[train]'", "torch is not installed"),
)
DEVICES = Devices(
    (Gpu("NVIDIA H200", 150.0, 100.0, "9.0", bf16=True),), "12.8", 16, ("CPUExecutionProvider",)
)


@pytest.fixture(autouse=True)
def _small_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = replace(
        examination.describe_machine(), cores=8, usable_cores=2, threads={"OMP_NUM_THREADS": "2"}
    )
    install(monkeypatch, numpy="2.4.6", pyyaml="6.0", onnxruntime="1.22.0")
    monkeypatch.setattr(examination, "describe_machine", lambda: machine)
    monkeypatch.setattr(examination, "find_devices", lambda: DEVICES)
    monkeypatch.setattr(examination, "find_features", lambda devices: FEATURES)


def doctor(*arguments: str) -> Any:
    return CliRunner().invoke(app, ["doctor", *arguments])


def test_missing_features_are_listed_with_their_commands_and_are_not_a_failure() -> None:
    result = doctor()
    assert result.exit_code == 0
    assert "train: torch is not installed: pip install 'soritune[train]'\n" in result.stdout
    assert "8 cores, 2 usable; OMP_NUM_THREADS=2" in result.stdout
    assert "GPU 0: NVIDIA H200, 100.0 of 150.0 GB free, compute capability 9.0, bf16" in result.stdout
    assert "PyTorch for CUDA 12.8, 16 threads" in result.stdout
    assert "no problem was found" in result.stdout


def test_required_feature_that_is_missing_ends_with_one() -> None:
    result = doctor("--require", "corpora", "--require", "train")
    assert result.exit_code == 1
    assert result.stderr == (
        "error: train does not work, because torch is not installed: pip install 'soritune[train]'\n"
    )
    assert doctor("--require", "corpora", "--require", "onnx").exit_code == 0


def test_unknown_requirement_is_refused() -> None:
    assert isinstance(doctor("--require", "trains").exception, UnknownNameError)


def test_json_is_one_object_even_if_a_requirement_is_missing() -> None:
    result = doctor("--json", "--require", "train")
    assert result.exit_code == 1
    content = json.loads(result.stdout)
    assert [feature["state"] for feature in content["features"]] == ["works", "missing"]


def test_version_conflict_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, numpy="2.4.6", pyyaml="6.0", onnxruntime="1.2")
    result = doctor()
    assert result.exit_code == 0
    assert (
        "problem: onnxruntime 1.2 is installed, but soritune needs >=1.20: pip install -U 'soritune[onnx]'\n"
        in result.stdout
    )
