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
