from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from soritune.corpus.utterance import Utterance
from soritune.errors import TaskError, UnknownNameError
from soritune.tasks.emotion import EmotionConfig, EmotionTask
from soritune.tasks.inputs.input import (
    encode_inputs,
    inputs_of,
    kind_of,
    missing_inputs,
    pad_inputs,
    values_in_request,
    values_in_row,
)
from soritune.tasks.specs import InputSpec

AGE = InputSpec("age", "age", "age_years", "number", options={"mean": 10.0, "deviation": 4.0})
PITCH = InputSpec("pitch", "pitch_hz", "pitch", "frame_numbers", optional=True)
ROW = Utterance(id="a", audio="a.wav", duration_s=1.0, age=12.0, extra={"pitch_hz": [1, 2]})


class Asking(EmotionTask):
    """The emotion task with inputs of its own."""

    specs: tuple[InputSpec, ...] = (AGE, PITCH)

    @property
    def inputs(self) -> tuple[InputSpec, ...]:
        return self.specs


def asking(*specs: InputSpec) -> Asking:
    task = Asking(EmotionConfig(labels=("a", "b")))
    task.specs = specs
    return task


def test_values_come_from_fields_and_from_extra() -> None:
    assert values_in_row((AGE, PITCH), ROW) == {"age": 12.0, "pitch": [1, 2]}
    assert values_in_row((AGE, PITCH), Utterance(id="a", audio="a.wav", duration_s=1.0)) == {}


def test_values_of_a_request_go_by_its_own_field_names() -> None:
    assert values_in_request((AGE, PITCH), {"age_years": 7, "pitch": None}) == {"age": 7}
    with pytest.raises(TaskError, match="the model reads no field age; it reads age_years, pitch"):
        values_in_request((AGE, PITCH), {"age": 7})
    with pytest.raises(TaskError, match="it reads audio alone"):
        values_in_request((), {"colour": "x"})
    assert values_in_request((), {"text": "x"}) == {}


def test_only_required_inputs_are_missed() -> None:
    assert missing_inputs(asking(AGE, PITCH), {}) == ["age"]
    assert missing_inputs(asking(AGE, PITCH), {"age": 3}) == []


def test_numbers_are_standardised_and_padded_by_hand() -> None:
    rows = [encode_inputs((AGE,), values) for values in ({"age": 12.0}, {}, {"age": 6})]
    arrays = pad_inputs((AGE,), rows, np.array([3, 3, 3]))
    assert arrays["age"].tolist() == [[0.5], [0.0], [-1.0]]
    assert arrays["age_present"].tolist() == [True, False, True]


def test_numbers_along_an_utterance_keep_their_place_at_any_number_of_frames() -> None:
    rows = [encode_inputs((PITCH,), {"pitch": [10, 20, 30]}), {}, encode_inputs((PITCH,), {"pitch": [5]})]
    arrays = pad_inputs((PITCH,), rows, np.array([6, 2, 3]))
    # Frame centres 1/12, 3/12 … 11/12 of the utterance lie in its thirds.
    assert arrays["pitch"][0, :, 0].tolist() == [10, 10, 20, 20, 30, 30]
    assert arrays["pitch"][1, :, 0].tolist() == [0, 0, 0, 0, 0, 0]
    assert arrays["pitch"][2, :, 0].tolist() == [5, 5, 5, 0, 0, 0]
    # Two frames over three values: centres at 1/4 and 3/4 lie in the first and in the third.
    assert pad_inputs((PITCH,), rows[:1], np.array([2]))["pitch"][0, :, 0].tolist() == [10, 30]
    assert pad_inputs((PITCH,), rows[:1], np.array([0]))["pitch"].shape == (1, 0, 1)


@pytest.mark.parametrize(
    ("spec", "value"),
    [
        (AGE, "twelve"),
        (AGE, "12"),
        (AGE, True),
        (AGE, [1, 2]),
        (AGE, float("nan")),
        (AGE, {"a": 1}),
        (PITCH, "1 2"),
        (PITCH, []),
        (PITCH, [[1, 2], [3, 4]]),
        (PITCH, [1.0, float("inf")]),
        (PITCH, [[1], [2, 3]]),
    ],
)
def test_a_value_of_another_kind_is_refused_by_name(spec: InputSpec, value: Any) -> None:
    with pytest.raises(TaskError, match=f"input '{spec.name}' must be"):
        encode_inputs((spec,), {spec.name: value})


def test_unknown_kinds_options_and_names_are_refused() -> None:
    with pytest.raises(UnknownNameError, match="kind of input"):
        kind_of(InputSpec("x", "x", "x", "colour"))
    with pytest.raises(TaskError, match="has the option scale"):
        kind_of(InputSpec("x", "x", "x", "number", options={"scale": 1}))
    with pytest.raises(TaskError, match="deviation must be above 0"):
        kind_of(InputSpec("x", "x", "x", "number", options={"deviation": 0}))
    with pytest.raises(TaskError, match="give the option width"):
        kind_of(InputSpec("x", "x", "x", "frame_numbers", options={"width": 0}))
    with pytest.raises(TaskError, match="declare the input 'age' differently"):
        inputs_of([asking(AGE), asking(InputSpec("age", "age", "age", "number"))])
    with pytest.raises(TaskError, match="'waveform' cannot be the name"):
        inputs_of([asking(InputSpec("waveform", "age", "age", "number"))])
    assert inputs_of([asking(AGE), asking(AGE, PITCH)]) == (AGE, PITCH)


def test_json_gives_the_same_spec_back() -> None:
    assert InputSpec.from_json(AGE.to_json()) == AGE
