from __future__ import annotations

import importlib.metadata
from importlib.metadata import PackageNotFoundError

import pytest
from tests.doctor.installation import install

from soritune.doctor.libraries import Library, required_libraries


def extras_of(monkeypatch: pytest.MonkeyPatch, **versions: str) -> dict[str, tuple[str, list[Library]]]:
    install(monkeypatch, **versions)
    required = required_libraries()
    assert required is not None
    return {extra.name: (extra.state, list(extra.libraries)) for extra in required[1]}


def test_core_has_the_requirements_of_this_system_without_an_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, numpy="2.4.6")
    required = required_libraries()
    assert required is not None
    assert required[0] == (
        Library("numpy", "<3,>=2", "2.4.6", "installed"),
        Library("pyyaml", ">=6", None, "missing"),
    )


def test_development_is_not_an_extra_for_users(monkeypatch: pytest.MonkeyPatch) -> None:
    assert set(extras_of(monkeypatch)) == {"train", "onnx", "export"}


def test_extra_that_requires_another_one_has_its_libraries(monkeypatch: pytest.MonkeyPatch) -> None:
    state, libraries = extras_of(monkeypatch, onnx="1.23")["export"]
    assert state == "missing"
    assert [(library.name, library.version) for library in libraries] == [
        ("onnxruntime", None),
        ("onnx", "1.23"),
    ]


@pytest.mark.parametrize(
    ("torch", "state"),
    [
        ("2.6.0", "installed"),
        ("2.13.0+cu128", "installed"),
        ("2.5.1", "conflict"),
        ("3.0.0", "conflict"),
        ("2.7.0.dev20250101", "installed"),  # a nightly build is newer than 2.6
        ("unreadable", "conflict"),
    ],
)
def test_version_is_compared_with_the_required_range(
    monkeypatch: pytest.MonkeyPatch, torch: str, state: str
) -> None:
    assert extras_of(monkeypatch, torch=torch, peft="0.21.2")["train"][0] == state


def test_conflict_is_a_sentence_with_both_versions(monkeypatch: pytest.MonkeyPatch) -> None:
    libraries = extras_of(monkeypatch, torch="2.5.1", peft="0.21.2")["train"][1]
    assert [library.problem for library in libraries] == [
        "torch 2.5.1 is installed, but soritune needs <3,>=2.6",
        None,
    ]


def test_missing_library_outweighs_a_conflict(monkeypatch: pytest.MonkeyPatch) -> None:
    assert extras_of(monkeypatch, torch="2.5.1")["train"][0] == "missing"


def test_build_for_other_devices_counts_as_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    state, libraries = extras_of(monkeypatch, onnxruntime_gpu="1.22.0")["onnx"]
    assert (state, libraries) == (
        "installed",
        [Library("onnxruntime-gpu", ">=1.20", "1.22.0", "installed")],
    )


def test_requirements_are_unknown_without_metadata(monkeypatch: pytest.MonkeyPatch) -> None:
    def requires(name: str) -> list[str]:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "requires", requires)
    assert required_libraries() is None
