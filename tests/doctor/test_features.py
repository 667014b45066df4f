from __future__ import annotations

import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name
from tests.command_tree import help_texts
from tests.lean_environment import declared

from soritune.doctor import features
from soritune.doctor.features import FEATURES, Feature, Finding, find_features
from soritune.doctor.machine import Devices, Gpu
from soritune.extras import MODULES

GPU = Gpu("NVIDIA H200", 150.0, 100.0, "9.0", bf16=True)


@pytest.fixture
def two_features(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Features of two modules in a folder of the import path, in which the test puts them."""
    pair = (
        Feature("pair", "both", ("train",), ("left_half", "right_half")),
        Feature("one", "one", (), ("json",)),
    )
    monkeypatch.setattr(features, "FEATURES", pair)
    monkeypatch.syspath_prepend(tmp_path)
    for module in ("left_half", "right_half"):
        monkeypatch.delitem(sys.modules, module, raising=False)
    return tmp_path


def pair() -> Finding:
    return find_features(Devices())[0]


def test_feature_with_missing_modules_names_them_and_the_command(two_features: Path) -> None:
    finding = pair()
    assert (finding.state, finding.reason, finding.command) == (
        "missing",
        "left_half and right_half are not installed",
        "pip install 'soritune[train]'",
    )


def test_feature_works_if_its_modules_can_be_imported(
    two_features: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("left_half", "right_half"):
        (two_features / f"{module}.py").touch()
    assert pair() == Finding("pair", "both", "works", ("train",))
    for module in ("left_half", "right_half"):
        monkeypatch.delitem(sys.modules, module)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("raise OSError('libx.so: wrong ELF class')", "OSError: libx.so: wrong ELF class"),
        ("import absent_part", "No module named 'absent_part'"),
    ],
)
def test_module_that_fails_on_import_is_broken_and_not_missing(
    two_features: Path, content: str, reason: str
) -> None:
    (two_features / "left_half.py").write_text(content)
    (two_features / "right_half.py").touch()
    finding = pair()
    assert (finding.state, finding.command) == ("broken", None)
    assert finding.reason == f"left_half cannot be imported ({reason})"
    sys.modules.pop("right_half", None)


@pytest.mark.parametrize(
    ("devices", "reason"),
    [
        (Devices(), "PyTorch is not installed"),
        (Devices(torch_threads=2), "this build of PyTorch is for the CPU only"),
        (Devices(torch_threads=2, cuda="12.8"), "PyTorch (CUDA 12.8) finds no GPU"),
        (Devices((GPU,), "12.8", 2), None),
    ],
)
def test_reason_why_no_gpu_is_used(two_features: Path, devices: Devices, reason: str | None) -> None:
    finding = find_features(devices)[-1]
    assert (finding.name, finding.state, finding.reason) == (
        "gpu",
        "works" if reason is None else "missing",
        reason,
    )


def test_hangul_figures_are_missing_without_a_font(
    two_features: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("soritune.reports.figure_files.font_with", lambda codes: None)
    finding = find_features(Devices())[-2]
    assert (finding.name, finding.state) == ("hangul-figures", "missing")
    assert finding.command == "pip install 'soritune[hangul-figures]'"


def test_each_extra_belongs_to_a_feature() -> None:
    assert {extra for feature in FEATURES for extra in feature.extras} | {"hangul-figures"} == set(MODULES)


NOT_IN_DEV = {"trackio", "wandb"}


@pytest.mark.parametrize(
    "feature",
    [feature for feature in FEATURES if feature.name not in NOT_IN_DEV],
    ids=lambda feature: feature.name,
)
def test_extras_of_a_feature_install_its_modules(feature: Feature) -> None:
    libraries = packages_distributions()
    needed = {canonicalize_name(libraries[module.split(".")[0]][0]) for module in feature.modules}
    assert needed <= declared(*feature.extras).keys()
    if feature.extras:
        assert not needed <= declared().keys()


def test_commands_in_the_purposes_exist() -> None:
    known = {name.removeprefix("soritune ") for name, _ in help_texts()}
    train = next(feature for feature in FEATURES if feature.name == "train")
    corpora = next(feature for feature in FEATURES if feature.name == "corpora")
    assert {*train.purpose.split(", "), *corpora.purpose.split(", ")} <= known
