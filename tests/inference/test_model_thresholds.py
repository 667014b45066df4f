from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from soritune.assessment.thresholds import FILE_NAME, load_thresholds, packaged_thresholds
from soritune.bundles.packaged import resolve_model_folder
from soritune.errors import TaskError
from soritune.inference.model_thresholds import copy_thresholds, known_thresholds, thresholds_of_model


def test_models_of_the_package_have_their_own() -> None:
    assert thresholds_of_model("soritune/tiny-ko") == packaged_thresholds("tiny-ko")
    assert thresholds_of_model("soritune/ko-base") == packaged_thresholds("ko-base")


def test_copy_of_a_model_has_none_until_they_are_copied(tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(resolve_model_folder("soritune/tiny-ko"), folder)
    assert known_thresholds(folder) is None
    with pytest.raises(TaskError, match=r"has no thresholds .* --choose-thresholds"):
        thresholds_of_model(folder)
    assert copy_thresholds("soritune/tiny-ko", folder) == packaged_thresholds("tiny-ko")
    assert (
        load_thresholds(folder / FILE_NAME) == thresholds_of_model(folder) == packaged_thresholds("tiny-ko")
    )


def test_copy_of_a_model_without_thresholds_gets_no_file(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    assert copy_thresholds(tmp_path, tmp_path / "a") is None
    assert list((tmp_path / "a").iterdir()) == []
