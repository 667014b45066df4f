from __future__ import annotations

import pytest
import torch

from soritune.errors import ModelError
from soritune.models.build import build_model
from soritune.models.config import LoraSettings, ModelConfig
from soritune.testing import class_output, ctc_output, tiny_config


def test_same_seed_gives_the_same_weights_for_any_order_of_outputs(build) -> None:
    first, second = (
        build(outputs=(ctc_output(), class_output())),
        build(outputs=(class_output(), ctc_output())),
    )
    for name, value in first.state_dict().items():
        assert torch.equal(value, second.state_dict()[name])
    other = build(seed=1)
    assert not torch.equal(other.heads["phoneme"].linear.weight, first.heads["phoneme"].linear.weight)


def test_random_weights_need_no_file_and_depend_only_on_the_seed() -> None:
    config = ModelConfig(encoder="nowhere/at-all", architecture=tiny_config(), random_weights=True)
    before = torch.random.get_rng_state()
    first, same, other = (build_model(config, (ctc_output(),), seed=seed) for seed in (0, 0, 1))
    assert torch.equal(torch.random.get_rng_state(), before)
    weight = "encoder.layers.0.attention.q_proj.weight"
    assert torch.equal(first.encoder.state_dict()[weight], same.encoder.state_dict()[weight])
    assert not torch.equal(first.encoder.state_dict()[weight], other.encoder.state_dict()[weight])
    assert str(first.load_report) == "encoder: random weights; new: head phoneme"
    assert not first.load_report.is_complete


def test_dropout_sets_every_dropout_and_layerdrop_is_off_unless_asked(build) -> None:
    model = build(dropout=0.25, outputs=(ctc_output(), class_output()))
    config = model.encoder.config
    assert {
        config.hidden_dropout,
        config.attention_dropout,
        config.feat_proj_dropout,
        config.final_dropout,
    } == {0.25}
    assert model.heads["phoneme"].dropout.p == model.heads["emotion"].dropout.p == 0.25
    assert config.layerdrop == 0.0
    kept = build()
    assert kept.encoder.config.hidden_dropout == 0.1
    assert kept.encoder.encoder.layers[0].dropout.p == 0.1


@pytest.mark.parametrize("norm", ["group", "layer"])
def test_gradient_checkpointing_gives_the_same_gradients(norm, build, waves) -> None:
    wave, lengths = waves
    outputs = (ctc_output(), class_output(layer="weighted"))
    gradients = []
    for checkpointing in (False, True):
        freeze = {"feature_encoder": False}
        model = build(
            "wavlm", norm, 3, outputs, dropout=0.0, gradient_checkpointing=checkpointing, freeze=freeze
        ).train()
        sum(logits.square().mean() for logits in model(wave, lengths).logits.values()).backward()
        gradients.append({name: p.grad for name, p in model.named_parameters() if p.grad is not None})
    assert gradients[0].keys() == gradients[1].keys()
    for name, gradient in gradients[0].items():
        assert torch.allclose(gradient, gradients[1][name], atol=1e-6), name


def test_contradicting_settings_are_refused(build, checkpoint) -> None:
    for changes, words in [
        ({"outputs": ()}, "at least one output"),
        ({"outputs": (ctc_output(), ctc_output())}, "two outputs are called 'phoneme'"),
        ({"outputs": (ctc_output("a.b"),)}, "dot"),
        ({"lora": LoraSettings(layers=(1, 2))}, "layers 0 … 1"),
        ({"lora": LoraSettings(layers=(0, 1)), "freeze": {"layers": 1}}, "lower 1 layers are frozen"),
        ({"lora": LoraSettings(targets=("query",))}, "query; the encoder has .*q_proj"),
        ({"freeze": {"layers": 3}}, "has 2 layers"),
        ({"freeze": {"layers": 1}, "layerdrop": 0.1}, "drop frozen layers"),
    ]:
        with pytest.raises(ModelError, match=words):
            build(**changes)
