from __future__ import annotations

from pathlib import Path

import pytest

from soritune.assessment.thresholds import load_thresholds, packaged_thresholds, write_thresholds
from soritune.errors import TaskError


@pytest.mark.parametrize("model", ["tiny-ko", "ko-base"])
def test_thresholds_of_the_package_state_their_model_and_origin(model: str) -> None:
    thresholds = packaged_thresholds(model)
    assert thresholds is not None
    assert thresholds.name.startswith(model)
    origin = " ".join(thresholds.origin.split()).casefold()
    assert f"for soritune/{model}." in origin
    assert "not validated on" in origin
    assert thresholds.to_json().keys() == set(type(thresholds).model_fields)


def test_unknown_model_has_none() -> None:
    assert packaged_thresholds("of-another") is None


def test_written_file_is_read_back_and_the_key_of_newer_files_is_optional(tmp_path: Path) -> None:
    thresholds = packaged_thresholds("tiny-ko")
    assert thresholds is not None
    own = thresholds.model_copy(update={"name": "mine", "phone_log_probability": -3.0})
    path = tmp_path / "own.yaml"
    write_thresholds(path, own)
    assert load_thresholds(path) == own
    lines = path.read_text(encoding="utf-8").splitlines()
    path.write_text("\n".join(line for line in lines if "least_candidate" not in line), encoding="utf-8")
    assert load_thresholds(path).least_candidate_probability == 0.5


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- 1", "are not a mapping"),
        ("name: x", "origin: missing"),
        ("{", "not valid YAML: line 1, column 2"),
        ("phone_log_probabilty: -3", "did you mean 'phone_log_probability'"),
    ],
)
def test_faulty_file_is_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "t.yaml").write_text(text)
    with pytest.raises(TaskError, match=message):
        load_thresholds(tmp_path / "t.yaml")


def test_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TaskError, match="cannot be read"):
        load_thresholds(tmp_path / "none.yaml")
