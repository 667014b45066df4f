"""Ids of phones as a channel."""

from __future__ import annotations

import torch

from soritune.models.inputs.phones import PhonesModule
from soritune.tasks.specs import InputSpec

SPEC = InputSpec("canonical", "canonical", "text", "phones", options={"symbols": ["[PAD]", "a", "b"]})


def test_phones_are_a_list_along_the_frames_and_need_no_weights() -> None:
    module = PhonesModule(SPEC)
    ids = torch.tensor([[2, 1, 0]])
    assert module({"canonical": ids}, 1, 5)[..., 0].tolist() == [[2, 1, 0, 0, 0]]
    assert module({"canonical": ids}, 1, 2)[..., 0].tolist() == [[2, 1]]
    assert module({}, 2, 3).shape == (2, 3, 1) and not module({}, 2, 3).any()
    assert module.joined_width(7) == 8 and not list(module.parameters())


def test_ids_are_joined_as_the_last_channel_in_the_type_of_the_state() -> None:
    module = PhonesModule(SPEC)
    state = torch.zeros(1, 3, 2, dtype=torch.bfloat16)
    joined = module.join(state, module({"canonical": torch.tensor([[256, 255, 0]])}, 1, 3), {})
    assert joined.dtype == torch.bfloat16 and joined[0, :, -1].tolist() == [256, 255, 0]
