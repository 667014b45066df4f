from __future__ import annotations

from pathlib import Path

import pytest

from soritune.assessment.thresholds import (
    Thresholds,
    load_thresholds,
    packaged_thresholds,
    write_thresholds,
)
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
        ("name: x", "have no origin, phone_log_probability"),
        ("phone_log_probability: 3", "phone_log_probability: must be less than or equal to 0"),
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


def test_file_with_some_keys_has_the_others_of_the_model(tmp_path: Path) -> None:
    base = packaged_thresholds("ko-base")
    assert base is not None
    path = tmp_path / "strict.yaml"
    path.write_text("phone_log_probability: -3\n", encoding="utf-8")
    mine = load_thresholds(path, base)
    changed = {key for key, value in mine.to_json().items() if value != base.to_json()[key]}
    assert changed == {"name", "origin", "phone_log_probability"}
    assert (mine.name, mine.phone_log_probability) == ("strict", -3)
    assert mine.origin.startswith(base.origin)
    assert "strict.yaml: phone_log_probability -3" in mine.origin
    with pytest.raises(TaskError, match="only for a model that has thresholds of its own"):
        load_thresholds(path)


def test_every_key_is_documented() -> None:
    text = (Path(__file__).parents[2] / "docs/assessment.md").read_text(encoding="utf-8")
    table = text.split("### Thresholds")[1].split("| key |")[1].split("\n\n")[0]
    assert [key for key in Thresholds.model_fields if f"`{key}`" not in table] == []
