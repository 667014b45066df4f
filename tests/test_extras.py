from __future__ import annotations

import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from soritune.errors import MissingLibraryError
from soritune.extras import MODULES, install_command, missing_library, require

EXTRAS = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text(encoding="utf-8"))[
    "project"
]["optional-dependencies"]


def test_each_extra_of_the_package_has_modules() -> None:
    assert set(MODULES) == set(EXTRAS) - {"dev", "peers"}


NOT_IN_DEV = {"trackio", "wandb"}


@pytest.mark.parametrize("extra", sorted(set(MODULES) - NOT_IN_DEV))
def test_an_extra_installs_the_libraries_of_its_modules(extra: str) -> None:
    declared = {canonicalize_name(Requirement(text).name) for text in EXTRAS[extra]} - {"soritune"}
    installed = packages_distributions()
    libraries = {canonicalize_name(name) for module in MODULES[extra] for name in installed[module]}
    assert libraries == declared


def test_command_quotes_the_brackets() -> None:
    assert install_command("train", "onnx") == "pip install 'soritune[train,onnx]'"


def test_missing_modules_are_named_with_the_extras_that_install_them(monkeypatch: pytest.MonkeyPatch) -> None:
    require("this", "sklearn", "onnxruntime")
    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(MissingLibraryError) as caught:
        require("a baseline", "sklearn", "onnxruntime")
    assert str(caught.value) == (
        "a baseline needs scikit-learn, which is not installed: pip install 'soritune[train]'"
    )
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(MissingLibraryError) as caught:
        require("this", "sklearn", "numpy", "onnxruntime")
    assert str(caught.value) == (
        "this needs scikit-learn and onnxruntime, which are not installed: pip install 'soritune[train,onnx]'"
    )
    assert (caught.value.extras, caught.value.modules) == (["train", "onnx"], ["sklearn", "onnxruntime"])


def test_failed_import_of_an_extra_is_an_expected_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    missing = missing_library(ModuleNotFoundError("No module named 'torch'", name="torch.nn"))
    assert str(missing) == "this command needs torch, which is not installed: pip install 'soritune[train]'"


def test_other_failed_imports_are_defects(monkeypatch: pytest.MonkeyPatch) -> None:
    assert missing_library(ModuleNotFoundError("No module named 'sortune'", name="sortune")) is None
    assert missing_library(ModuleNotFoundError("no name")) is None
    # A part that an installed library lacks is not a missing extra.
    assert missing_library(ModuleNotFoundError("No module named 'torch.old'", name="torch.old")) is None
