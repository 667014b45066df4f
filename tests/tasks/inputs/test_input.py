from __future__ import annotations

import pytest

from soritune.corpus.utterance import Utterance
from soritune.errors import TaskError, UnknownNameError
from soritune.tasks.emotion import EmotionConfig, EmotionTask
from soritune.tasks.inputs.input import (
    cut_inputs,
    encode_inputs,
    inputs_of,
    kind_of,
    missing_inputs,
    refuse_withholding,
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


def test_values_of_a_request_are_read_by_request_field() -> None:
    assert values_in_request((AGE, PITCH), {"age_years": 7, "pitch": None}) == {"age": 7}
    with pytest.raises(TaskError, match="the model reads no field age; it reads age_years, pitch"):
        values_in_request((AGE, PITCH), {"age": 7})
    with pytest.raises(TaskError, match="it reads audio alone"):
        values_in_request((), {"colour": "x"})
    assert values_in_request((), {"text": "x"}) == {}


def test_only_required_inputs_are_reported_missing() -> None:
    assert missing_inputs(asking(AGE, PITCH), {}) == ["age"]
    assert missing_inputs(asking(AGE, PITCH), {"age": 3}) == []


def test_only_optional_inputs_of_the_model_can_be_withheld() -> None:
    refuse_withholding((AGE, PITCH), ["pitch"])
    with pytest.raises(TaskError, match="'age' cannot be withheld, because the model needs it"):
        refuse_withholding((AGE, PITCH), ["age"])
    with pytest.raises(
        TaskError, match="'text' cannot be withheld .*; its inputs beside the audio are age, pitch"
    ):
        refuse_withholding((AGE, PITCH), ["text"])
    with pytest.raises(TaskError, match="it reads the audio alone"):
        refuse_withholding((), ["text"])


def test_unknown_kind_is_refused() -> None:
    with pytest.raises(UnknownNameError, match="kind of input"):
        kind_of(InputSpec("x", "x", "x", "colour"))


def test_inputs_of_several_tasks_are_listed_once() -> None:
    assert inputs_of([asking(AGE), asking(AGE, PITCH)]) == (AGE, PITCH)
    with pytest.raises(TaskError, match="declare the input 'age' differently"):
        inputs_of([asking(AGE), asking(InputSpec("age", "age", "age", "number"))])
    for name in ("waveform", "time_mask", "my age"):
        with pytest.raises(TaskError, match=f"'{name}' cannot be the name of an input"):
            inputs_of([asking(InputSpec(name, "age", "age", "number"))])


def test_prompt_must_be_text() -> None:
    with pytest.raises(
        TaskError, match="the field 'text' must be the text the speaker was asked to read, got 5"
    ):
        values_in_request((AGE,), {"text": 5})


def test_absent_values_are_left_out_of_encoding_and_cutting() -> None:
    encoded = encode_inputs((AGE, PITCH), {"age": None, "pitch": [1, 2]})
    assert list(encoded) == ["pitch"]
    assert list(cut_inputs((AGE, PITCH), encoded, 0, 1, 2)) == ["pitch"]
