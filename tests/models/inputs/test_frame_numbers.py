from __future__ import annotations

import torch

from soritune.models.inputs.frame_numbers import FrameNumbersModule
from soritune.models.inputs.input import make_input
from soritune.tasks.specs import InputSpec

PITCH = InputSpec("pitch", "pitch", "pitch", "frame_numbers", options={"width": 2})


def test_rows_without_values_have_the_learnt_ones_at_every_frame() -> None:
    module = make_input(PITCH)
    assert isinstance(module, FrameNumbersModule)
    assert module.width == 2
    with torch.no_grad():
        module.absent.copy_(torch.tensor([8.0, 9.0]))
    arrays = {"pitch": torch.ones(2, 2, 2), "pitch_present": torch.tensor([True, False])}
    assert module(arrays, 2, 3).tolist() == [[[1, 1], [1, 1], [0, 0]], [[8, 9]] * 3]
    assert module({}, 1, 2).tolist() == [[[8, 9], [8, 9]]]


def test_frames_beyond_those_of_the_encoder_are_cut() -> None:
    module = make_input(PITCH)
    values = torch.arange(8.0).view(1, 4, 2)
    arrays = {"pitch": values, "pitch_present": torch.tensor([True])}
    assert module(arrays, 1, 3).tolist() == [[[0, 1], [2, 3], [4, 5]]]


def test_width_is_one_by_default() -> None:
    assert make_input(InputSpec("pitch", "pitch", "pitch", "frame_numbers")).width == 1
