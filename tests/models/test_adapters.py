from __future__ import annotations

import pytest
import torch

from soritune.models.adapters import merge_adapters, plain_weights
from soritune.models.config import LoraSettings
from soritune.models.model import SpeechModel
from soritune.testing import FAMILIES


def with_adapters(model: SpeechModel) -> SpeechModel:
    """The model with adapters that change its outputs: B is zero at first."""
    generator = torch.Generator().manual_seed(11)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.copy_(0.3 * torch.randn(parameter.shape, generator=generator))
    return model


@pytest.mark.parametrize(("kind", "norm"), FAMILIES)
def test_merging_keeps_the_logits_and_removes_adapters(kind, norm, build, waves) -> None:
    model = build(kind, norm, lora=LoraSettings(rank=2, dropout=0.0)).eval()
    untouched = model(*waves).logits["phoneme"]
    assert torch.allclose(build(kind, norm).eval()(*waves).logits["phoneme"], untouched, atol=1e-6)
    adapted = with_adapters(model)(*waves).logits["phoneme"]
    assert not torch.allclose(adapted, untouched, atol=1e-3)
    preview = plain_weights(model.encoder)
    assert torch.equal(model(*waves).logits["phoneme"], adapted)
    assert merge_adapters(model) == 6
    assert model.config.lora is None
    assert torch.allclose(model(*waves).logits["phoneme"], adapted, atol=1e-5)
    assert not any("lora" in name or "base_layer" in name for name in model.state_dict())
    merged = model.encoder.state_dict()
    assert set(merged) == set(preview)
    assert all(torch.allclose(merged[name], preview[name], atol=1e-6) for name in merged)
    assert merge_adapters(model) == 0


def test_dropout_of_adapters_acts_in_training_only(build, waves) -> None:
    model = with_adapters(build(lora=LoraSettings(rank=2, dropout=0.5), dropout=0.0)).train()
    assert not torch.equal(model(*waves).logits["phoneme"], model(*waves).logits["phoneme"])
    model.eval()
    assert torch.equal(model(*waves).logits["phoneme"], model(*waves).logits["phoneme"])
