from __future__ import annotations

import pytest
import torch
import transformers

from soritune.models.config import LoraSettings
from soritune.models.encoders.wav2vec2.wavlm_attention import WavLMAttention, replace_wavlm_attention
from soritune.testing import tiny_config


@pytest.mark.parametrize("norm", ["group", "layer"])
def test_logits_equal_transformers_with_and_without_padding(norm, checkpoint, waves) -> None:
    folder = checkpoint("wavlm", norm, 3)
    theirs = transformers.AutoModel.from_pretrained(folder).eval()
    ours = transformers.AutoModel.from_pretrained(folder, attn_implementation="eager")
    replace_wavlm_attention(ours)
    ours.eval()
    wave, lengths = waves
    mask = torch.arange(wave.shape[1]) < lengths[:, None]
    with torch.no_grad():
        for arguments in ({"attention_mask": mask.long()}, {}):
            # Called as transformers calls it, where its own group norm sees the padding in both.
            expected = theirs(wave, **arguments).last_hidden_state
            states = ours(wave, **arguments).last_hidden_state
            assert torch.allclose(states, expected, atol=1e-5)


def test_attention_equals_transformers_beyond_the_exact_buckets() -> None:
    config = transformers.WavLMConfig(**{k: v for k, v in tiny_config("wavlm").items() if k != "model_type"})
    torch.manual_seed(3)
    original = transformers.models.wavlm.modeling_wavlm.WavLMAttention(16, 2, 0.0, 32, 64)
    torch.nn.init.normal_(original.gru_rel_pos_const)
    ours = WavLMAttention(original).eval()
    hidden = torch.randn(2, 150, config.hidden_size)
    mask = torch.ones(2, 150, dtype=torch.bool)
    mask[1, 90:] = False
    expected, _, bias = original.eval()(hidden, attention_mask=mask)
    states, _, our_bias = ours(hidden, attention_mask=mask)
    assert torch.allclose(states, expected, atol=1e-5)
    assert torch.equal(our_bias.expand(2, -1, -1, -1).reshape(bias.shape), bias)


def test_transformers_own_attention_ignores_adapters_and_ours_does_not(checkpoint, build, waves) -> None:
    """The reason for `WavLMAttention`. If the first half fails, transformers calls adapters now."""
    import peft

    settings = LoraSettings(rank=2, dropout=0.0)
    theirs = transformers.AutoModel.from_pretrained(checkpoint("wavlm", "group"))
    peft.inject_adapter_in_model(peft.LoraConfig(target_modules=["q_proj", "k_proj", "v_proj"]), theirs)
    wave, lengths = waves
    assert theirs(wave).last_hidden_state.grad_fn is None

    model = build("wavlm", "group", lora=settings)
    model(wave, lengths).logits["phoneme"].square().mean().backward()
    with_gradient = [name for name, p in model.named_parameters() if "lora_B" in name and p.grad is not None]
    assert len(with_gradient) == 2 * 3


def test_attention_dropout_acts_in_training_only(build, waves) -> None:
    model = build("wavlm", "layer", dropout=0.3)
    wave, lengths = waves
    model.eval()
    assert torch.equal(model(wave, lengths).logits["phoneme"], model(wave, lengths).logits["phoneme"])
    attention = model.encoder.encoder.layers[0].attention.train()
    hidden = torch.randn(1, 20, 16)
    assert not torch.equal(attention(hidden)[0], attention(hidden)[0])
