from __future__ import annotations

import pytest
import torch
from tests.models.conftest import perturbed

from soritune.errors import ModelError
from soritune.models.config import LoraSettings
from soritune.models.trainable_state import load_trainable_state, trainable_state
from soritune.testing import ctc_output

LORA = LoraSettings(rank=2, alpha=4)


def test_trainable_state_restores_the_model(build, waves, tmp_path) -> None:
    model = perturbed(build(lora=LORA))
    state = trainable_state(model)
    assert set(state) == {name for name, p in model.named_parameters() if p.requires_grad}
    torch.save(state, tmp_path / "state.pt")
    fresh = build(lora=LORA).eval()
    assert not torch.allclose(fresh(*waves).logits["phoneme"], model(*waves).logits["phoneme"], atol=1e-3)
    load_trainable_state(fresh, torch.load(tmp_path / "state.pt", weights_only=True))
    assert torch.equal(fresh(*waves).logits["phoneme"], model(*waves).logits["phoneme"])
    for other in (
        build(),
        build(lora=LoraSettings(rank=3)),
        build(lora=LORA, outputs=(ctc_output(labels="ab"),)),
    ):
        with pytest.raises(ModelError, match="does not fit the model"):
            load_trainable_state(other, state)


def small() -> torch.nn.Module:
    """A trained layer, a frozen layer, and a norm with buffers."""
    module = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Linear(2, 2), torch.nn.BatchNorm1d(2))
    module[1].requires_grad_(False)
    return module


def test_buffers_and_named_frozen_parameters_are_part_of_the_state() -> None:
    trained = {"0.weight", "0.bias", "2.weight", "2.bias"}
    buffers = {"2.running_mean", "2.running_var", "2.num_batches_tracked"}
    assert set(trainable_state(small())) == trained | buffers
    assert set(trainable_state(small(), also=("1.bias",))) == trained | buffers | {"1.bias"}


def test_state_is_written_in_place_and_leaves_frozen_parameters_unchanged() -> None:
    source, target = small(), small()
    source[2].running_mean.fill_(3.0)
    frozen, address = target[1].weight.clone(), target[0].weight.data_ptr()
    load_trainable_state(target, trainable_state(source))
    assert torch.equal(target[0].weight, source[0].weight)
    assert target[0].weight.data_ptr() == address
    assert target[2].running_mean.tolist() == [3.0, 3.0]
    assert torch.equal(target[1].weight, frozen)
    with pytest.raises(ModelError, match=r"1 weights differ, first 1\.bias"):
        load_trainable_state(target, trainable_state(source, also=("1.bias",)))
