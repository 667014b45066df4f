from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from soritune.errors import TaskError
from soritune.tasks.inputs.input import (
    encode_inputs,
    kind_of,
    pad_inputs,
)
from soritune.tasks.specs import InputSpec

AGE = InputSpec("age", "age", "age_years", "number", options={"mean": 10.0, "deviation": 4.0})


def test_numbers_are_standardised_and_padded_by_hand() -> None:
    rows = [encode_inputs((AGE,), values) for values in ({"age": 12.0}, {}, {"age": 6})]
    arrays = pad_inputs((AGE,), rows, np.array([3, 3, 3]))
    assert arrays["age"].tolist() == [[0.5], [0.0], [-1.0]]
    assert arrays["age_present"].tolist() == [True, False, True]


def test_number_without_options_is_not_standardised() -> None:
    plain = InputSpec("age", "age", "age", "number")
    assert encode_inputs((plain,), {"age": 12})["age"].tolist() == 12.0


@pytest.mark.parametrize("value", ["12", True, [1, 2], float("nan"), float("inf"), 1e39, {"a": 1}])
def test_other_values_than_a_finite_float32_are_refused(value: Any) -> None:
    with pytest.raises(TaskError, match="input 'age' must be a number"):
        encode_inputs((AGE,), {"age": value})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scale": 1}, "input 'age' has the option scale; a number has mean and deviation"),
        ({"deviation": 0}, "input 'age': deviation must be above 0, got 0"),
        ({"deviation": -1.0}, "deviation must be above 0"),
        ({"mean": "ten"}, "input 'age' must be described by finite numbers"),
    ],
)
def test_invalid_options_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(TaskError, match=message):
        kind_of(InputSpec("age", "age", "age", "number", options=options))
