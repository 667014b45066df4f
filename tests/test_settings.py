from __future__ import annotations

from typing import Any

import pytest
import yaml
from pydantic import Field, ValidationError, model_validator

from soritune.errors import RecipeError
from soritune.settings import Settings, faults_of, keys_at, plain_message, yaml_fault


class Inner(Settings):
    level: int = 1
    scale: float = 1.0


class Sample(Settings):
    name: str
    size: int = 1
    low: int = 0
    high: int = 10
    ratio: float = 0.5
    inner: Inner = Inner()
    inners: list[Inner] = Field(default_factory=list)
    choice: Inner | bool | None = None
    counts: dict[str, int] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _bounds(self) -> Sample:
        if self.low > self.high:
            raise ValueError("low must not be above high")
        return self


def faults(values: dict[str, Any], prefix: str = "") -> list[str]:
    with pytest.raises(ValidationError) as caught:
        Sample.model_validate({"name": "a"} | values)
    return faults_of(caught.value, Sample, prefix)


def test_unknown_key_is_refused_with_the_nearest_key() -> None:
    assert faults({"siez": 3}) == ["siez: unknown key; did you mean 'size'?"]
    assert faults({"inner": {"lvel": 3}}) == ["inner.lvel: unknown key; did you mean 'level'?"]
    assert faults({"inners": [{}, {"lvel": 3}]}) == ["inners.1.lvel: unknown key; did you mean 'level'?"]


def test_unknown_key_without_a_near_key_is_refused_with_all_keys() -> None:
    assert faults({"inner": {"xyz": 3}}) == ["inner.xyz: unknown key; known here: level, scale"]


def test_missing_key_is_reported() -> None:
    with pytest.raises(ValidationError) as caught:
        Sample.model_validate({})
    assert faults_of(caught.value, Sample) == ["name: missing; give it a value"]


def test_wrong_value_is_reported_with_path_and_input() -> None:
    (fault,) = faults({"inner": {"level": "x"}}, "tasks.sample")
    assert fault.startswith("tasks.sample.inner.level: must be a whole number")
    assert fault.endswith("(got 'x')")


def test_every_fault_has_a_line() -> None:
    assert [line.split(":")[0] for line in faults({"size": "x", "ratio": "y", "siez": 1})] == [
        "size",
        "ratio",
        "siez",
    ]


def test_fault_between_fields_has_no_path_and_no_input() -> None:
    assert faults({"low": 11}) == ["low must not be above high"]
    assert faults({"low": 11}, "sample") == ["sample: low must not be above high"]


def test_long_input_is_cut_at_300_characters() -> None:
    (fault,) = faults({"size": "x" * 1000})
    assert len(fault) == 300


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_number_that_is_not_finite_is_refused(value: float) -> None:
    (fault,) = faults({"ratio": value})
    assert fault.startswith("ratio: must be a finite number")


def test_value_of_no_allowed_kind_has_one_line_without_class_names() -> None:
    (fault,) = faults({"choice": "x"})
    assert fault.startswith("choice: must be ")
    assert "true or false" in fault and fault.endswith("(got 'x')")
    assert fault.count("choice") == 1  # the path has no part for the kind


def test_fault_inside_one_kind_hides_the_other_kinds() -> None:
    (fault,) = faults({"choice": {"level": "x"}})
    assert fault.startswith("choice.level: must be a whole number")
    assert faults({"choice": {"lvel": 1}}) == ["choice.lvel: unknown key; did you mean 'level'?"]


def test_assigned_value_is_checked() -> None:
    sample = Sample(name="a")
    sample.size = 7
    assert sample.size == 7
    with pytest.raises(RecipeError, match=r"Sample: size: must be a whole number.*\(got 'x'\)"):
        sample.size = "x"  # type: ignore[assignment]


def test_refused_assignment_changes_no_setting() -> None:
    sample = Sample(name="a", high=5)
    before = sample.model_dump(), set(sample.model_fields_set)
    with pytest.raises(RecipeError, match="low must not be above high"):
        sample.low = 6
    assert (sample.model_dump(), sample.model_fields_set) == before
    sample.low = 5  # the settings are still valid and can be changed
    assert sample.model_fields_set == {"name", "high", "low"}


def test_assignment_to_an_unknown_setting_is_refused() -> None:
    sample = Sample(name="a")
    with pytest.raises(RecipeError, match="Sample: siez: unknown setting; did you mean 'size'"):
        sample.siez = 3  # type: ignore[attr-defined]
    with pytest.raises(RecipeError, match="xyz: unknown setting; known: choice, counts, high, inner"):
        sample.xyz = 3  # type: ignore[attr-defined]


def test_keys_below_a_path_are_those_of_the_settings_there() -> None:
    assert keys_at(Inner, ()) == ["level", "scale"]
    assert keys_at(Sample, ("inner",)) == ["level", "scale"]
    assert keys_at(Sample, ("inners", 3)) == ["level", "scale"]
    assert keys_at(Sample, ("choice",)) == ["level", "scale"]


@pytest.mark.parametrize("path", [("size",), ("counts",), ("counts", "a"), ("unknown",), ("inner", "level")])
def test_path_without_settings_has_no_keys(path: tuple[str, ...]) -> None:
    assert keys_at(Sample, path) == []


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "a: 1\nb: [1, 2\n",
            "line 3, column 1: a bracket or quotation mark is not closed before the end of the file",
        ),
        ("a: 1\n  b: 2\n", "line 2, column 4: there is a ':' too many, or the line is indented wrongly"),
        ("a:\n\tb: 2\n", "line 2, column 1: there is a character that cannot begin a value, such as a tab"),
        ("a: {b: 1 c: 2}\n", "line 1, column 11: a comma or a closing bracket is missing"),
    ],
)
def test_yaml_fault_has_its_line_and_what_it_means(text: str, sentence: str) -> None:
    with pytest.raises(yaml.YAMLError) as caught:
        yaml.safe_load(text)
    assert yaml_fault(caught.value).startswith(sentence)


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ({"size": "x"}, "must be a whole number"),
        ({"size": 1.5}, "must be a whole number"),
        ({"ratio": "x"}, "must be a number"),
        ({"siez": 1}, "unknown key"),
        ({"low": 11}, "low must not be above high"),
        ({"inner": 3}, "must be a mapping"),
    ],
)
def test_message_has_no_terms_of_the_library(value: dict[str, object], sentence: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Sample.model_validate({"name": "a", **value})
    assert plain_message(caught.value.errors()[0]) == sentence
