from __future__ import annotations

from pathlib import Path

import pytest

from soritune.assessment.thresholds import load_thresholds
from soritune.errors import TaskError


def test_thresholds_of_the_package_state_their_origin() -> None:
    thresholds = load_thresholds()
    assert thresholds.name == "default-1"
    assert "not validated" in " ".join(thresholds.origin.split())
    assert thresholds.to_json().keys() == set(type(thresholds).model_fields)


def test_own_file(tmp_path: Path) -> None:
    import yaml

    path = tmp_path / "mine.yaml"
    path.write_text(
        yaml.safe_dump(load_thresholds().to_json() | {"name": "mine", "phone_log_probability": -3})
    )
    assert load_thresholds(path).phone_log_probability == -3


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- 1", "are not a mapping"),
        ("name: x", "origin: missing"),
        ("{", "cannot be read"),
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
