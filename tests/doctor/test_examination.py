from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from tests.doctor.installation import install

from soritune.doctor import examination
from soritune.doctor.examination import Examination, examine
from soritune.doctor.features import Finding
from soritune.doctor.machine import Devices
from soritune.errors import UnknownNameError

TRAIN = Finding("train", "run", "works", ("train",))
ONNX = Finding(
    "predict-onnx",
    "predict",
    "missing",
    ("onnx",),
    "pip install 'soritune[onnx]'",
    "onnxruntime is not installed",
)
NO_DEVICES = Devices()
DENOISE = Finding("noise-reduction", "", "broken", ("denoise",), None, "noisereduce cannot be imported (x)")


@pytest.fixture
def examined(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Examination]:
    """An examination of a made-up installation."""

    def run(*, devices: Devices = NO_DEVICES, **versions: str) -> Examination:
        install(monkeypatch, **versions)
        monkeypatch.setattr(examination, "find_devices", lambda: devices)
        monkeypatch.setattr(examination, "find_features", lambda devices: (TRAIN, ONNX, DENOISE))
        return examine()

    return run


def test_what_works_is_not_lacking(examined: Callable[..., Examination]) -> None:
    found = examined(numpy="2.4", pyyaml="6.0", torch="2.13", peft="0.21")
    assert found.lacking([]) == found.lacking(["train"]) == []


def test_missing_feature_is_lacking_with_its_command(examined: Callable[..., Examination]) -> None:
    assert examined(numpy="2.4").lacking(["predict-onnx", "noise-reduction"]) == [
        "predict-onnx does not work, because onnxruntime is not installed: pip install 'soritune[onnx]'",
        "noise-reduction does not work, because noisereduce cannot be imported (x)",
    ]


def test_missing_extra_is_lacking(examined: Callable[..., Examination]) -> None:
    assert examined().lacking(["onnx"]) == [
        "the extra onnx is not usable: onnxruntime is not installed: pip install 'soritune[onnx]'"
    ]


def test_feature_with_a_library_of_another_version_is_lacking(
    examined: Callable[..., Examination],
) -> None:
    sentence = "torch 2.3 is installed, but soritune needs <3,>=2.6: pip install -U 'soritune[train]'"
    found = examined(numpy="2.4", pyyaml="6.0", torch="2.3", peft="0.21")
    assert found.lacking(["train"]) == [f"train may not work, because {sentence}"]
    assert sentence in found.problems


def test_unknown_name_is_refused_with_the_nearest(examined: Callable[..., Examination]) -> None:
    with pytest.raises(
        UnknownNameError, match=r"unknown feature or extra 'trian'; known: .*did you mean 'train'"
    ):
        examined().lacking(["trian"])


def test_problems_are_faults_and_not_missing_extras(examined: Callable[..., Examination]) -> None:
    found = examined(devices=Devices(problems=("the driver is too old",)), numpy="1.26", pyyaml="6.0")
    assert found.problems == (
        "the driver is too old",
        "numpy 1.26 is installed, but soritune needs <3,>=2: pip install -U soritune",
        "noise-reduction: noisereduce cannot be imported (x)",
    )


def test_json_has_states_and_commands(examined: Callable[..., Examination]) -> None:
    content = json.loads(json.dumps(examined(numpy="2.4", pyyaml="6.0", onnxruntime="1.22").to_json()))
    assert content["libraries"][0] == {
        "name": "numpy",
        "required": "<3,>=2",
        "version": "2.4",
        "state": "installed",
    }
    assert [(extra["name"], extra["state"], extra["command"]) for extra in content["extras"]] == [
        ("train", "missing", "pip install 'soritune[train]'"),
        ("onnx", "installed", None),
        ("export", "missing", "pip install 'soritune[export]'"),
    ]
    assert content["features"][1]["command"] == "pip install 'soritune[onnx]'"
    assert content["machine"]["cores"] >= 1
    assert content["devices"]["gpus"] == []
