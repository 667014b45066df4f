from __future__ import annotations

import json
from typing import Any

import pytest

from soritune.tasks.specs import InputSpec, OutputSpec

INPUT = {"name": "age", "column": "age", "request_field": "age_years", "encoding": "number"}
OUTPUT = {"name": "x", "labels": ["a", "b"], "resolution": "frame", "objective": "ctc"}


def test_absent_fields_have_their_defaults() -> None:
    assert InputSpec.from_json(INPUT) == InputSpec("age", "age", "age_years", "number", False, {})
    assert OutputSpec.from_json(OUTPUT) == OutputSpec("x", ("a", "b"), "frame", "ctc", 1.0, "last", None, ())


def test_specs_survive_json() -> None:
    output = OutputSpec(
        "x", ("a", "b"), "utterance", "regression", 0.5, 3, "y", ("age",), {"class_weights": [1, 2]}
    )
    assert OutputSpec.from_json(json.loads(json.dumps(output.to_json()))) == output
    given = InputSpec("age", "age", "age", "number", optional=True, options={"mean": 10.0})
    assert InputSpec.from_json(json.loads(json.dumps(given.to_json()))) == given


def test_tuples_in_options_of_an_input_are_lists_in_json() -> None:
    assert InputSpec("x", "x", "x", "x", options={"edges": (1, 2)}).to_json()["options"] == {"edges": [1, 2]}


def test_only_resolution_frame_is_per_frame() -> None:
    assert OutputSpec("x", ("a",), "frame", "ctc").per_frame
    assert not OutputSpec("x", ("a",), "utterance", "cross_entropy").per_frame


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"colour": 1}, "unknown key 'colour'; known: name, labels, resolution"),
        ({"name": 3}, "name of '3' must be a text, got 3"),
        ({"labels": "ab"}, "labels of 'x' must be a list of distinct names, got 'ab'"),
        ({"labels": ["a", "a"]}, "a list of distinct names"),
        ({"labels": []}, "a list of distinct names"),
        ({"labels": ["a", 1]}, "a list of distinct names"),
        ({"resolution": "word"}, "resolution of 'x' must be frame or utterance, got 'word'"),
        ({"weight": True}, "weight of 'x' must be a finite number, got True"),
        ({"weight": float("inf")}, "must be a finite number"),
        ({"weight": float("nan")}, "must be a finite number"),
        (
            {"layer": "middle"},
            "layer of 'x' must be last, weighted, none, the number of a layer, or several numbers, got 'middle'",
        ),
        ({"layer": 1.5}, "the number of a layer"),
        ({"layer": False}, "the number of a layer"),
        ({"reads": 1}, "reads of 'x' must be the name of an output, or null, got 1"),
        ({"inputs": "age"}, "inputs of 'x' must be a list of names"),
        ({"options": []}, "options of 'x' must be a mapping of settings"),
    ],
)
def test_wrong_values_of_an_output_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        OutputSpec.from_json({**OUTPUT, **changes})


@pytest.mark.parametrize("layer", ["last", "weighted", "12", 0, 12])
def test_layers_are_names_or_numbers(layer: str | int) -> None:
    assert OutputSpec.from_json({**OUTPUT, "layer": layer}).layer == layer


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"optional": 1}, "optional of 'age' must be true or false, got 1"),
        ({"column": None}, "column of 'age' must be a text, got None"),
        ({"options": "mean"}, "options of 'age' must be a mapping of settings"),
    ],
)
def test_wrong_values_of_an_input_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        InputSpec.from_json({**INPUT, **changes})


@pytest.mark.parametrize("field", ["name", "labels", "resolution", "objective"])
def test_missing_required_field_is_named(field: str) -> None:
    with pytest.raises(KeyError, match=field):
        OutputSpec.from_json({key: value for key, value in OUTPUT.items() if key != field})


@pytest.mark.parametrize("data", [None, "x", ["name"]])
def test_other_json_than_a_mapping_is_refused(data: Any) -> None:
    with pytest.raises(ValueError, match="must be a mapping"):
        OutputSpec.from_json(data)
