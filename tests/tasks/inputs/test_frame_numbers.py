from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from soritune.errors import TaskError
from soritune.tasks.inputs.input import (
    cut_inputs,
    encode_inputs,
    kind_of,
    pad_inputs,
)
from soritune.tasks.specs import InputSpec

PITCH = InputSpec("pitch", "pitch_hz", "pitch", "frame_numbers", optional=True)


def test_frame_numbers_stay_aligned_for_any_number_of_frames() -> None:
    rows = [encode_inputs((PITCH,), {"pitch": [10, 20, 30]}), {}, encode_inputs((PITCH,), {"pitch": [5]})]
    arrays = pad_inputs((PITCH,), rows, np.array([6, 2, 3]))
    # Frame centres 1/12, 3/12 … 11/12 of the utterance are in its thirds.
    assert arrays["pitch"][0, :, 0].tolist() == [10, 10, 20, 20, 30, 30]
    assert arrays["pitch"][1, :, 0].tolist() == [0, 0, 0, 0, 0, 0]
    assert arrays["pitch"][2, :, 0].tolist() == [5, 5, 5, 0, 0, 0]
    # Two frames over three values: centres at 1/4 and 3/4 are in the first and third.
    assert pad_inputs((PITCH,), rows[:1], np.array([2]))["pitch"][0, :, 0].tolist() == [10, 30]
    assert pad_inputs((PITCH,), rows[:1], np.array([0]))["pitch"].shape == (1, 0, 1)


def test_values_of_a_part_are_those_of_its_steps() -> None:
    """Six steps over the values 10, 20, 30: steps 1 to 3 have 10, 20, 20."""
    row = encode_inputs((PITCH,), {"pitch": [10, 20, 30]})
    part = cut_inputs((PITCH,), row, first=1, count=3, total=6)
    assert part["pitch"][:, 0].tolist() == [10, 20, 20]


def test_values_may_have_several_columns() -> None:
    wide = InputSpec("pitch", "pitch", "pitch", "frame_numbers", options={"width": 2})
    encoded = encode_inputs((wide,), {"pitch": [[1, 2], [3, 4]]})
    arrays = pad_inputs((wide,), [encoded], np.array([4]))
    assert arrays["pitch"].tolist() == [[[1, 2], [1, 2], [3, 4], [3, 4]]]
    with pytest.raises(TaskError, match=r"2 for each step, got the shape \(3, 1\)"):
        encode_inputs((wide,), {"pitch": [1, 2, 3]})


@pytest.mark.parametrize("value", ["1 2", [], [[1, 2], [3, 4]], [1.0, float("inf")], [[1], [2, 3]]])
def test_other_values_than_finite_numbers_per_step_are_refused(value: Any) -> None:
    with pytest.raises(TaskError, match="input 'pitch' must be a list of numbers, 1 for each step"):
        encode_inputs((PITCH,), {"pitch": value})


@pytest.mark.parametrize("options", [{"width": 0}, {"width": 1.5}, {"width": "2"}, {"mean": 1}])
def test_invalid_options_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(TaskError, match="input 'pitch': give the option width, a whole number above 0"):
        kind_of(InputSpec("pitch", "pitch", "pitch", "frame_numbers", options=options))
