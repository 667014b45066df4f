from __future__ import annotations

import pytest
import torch
import transformers

from soritune.models.encoder_module import ENTRY, FIRST_LAYER, FRONT
from soritune.testing import FAMILIES


@pytest.mark.parametrize(("kind", "norm"), FAMILIES)
def test_names_of_weights_are_those_of_transformers(kind, norm, build, checkpoint) -> None:
    theirs = transformers.AutoModel.from_pretrained(checkpoint(kind, norm))
    ours = build(kind, norm).encoder
    assert ours.state_dict().keys() == theirs.state_dict().keys()


@pytest.mark.parametrize(
    ("name", "stage"),
    [
        ("feature_extractor.conv_layers.0.conv.weight", FRONT),
        ("feature_projection.projection.bias", ENTRY),
        ("encoder.pos_conv_embed.conv.bias", ENTRY),
        ("encoder.layers.0.attention.q_proj.weight", FIRST_LAYER),
        ("encoder.layers.1.attention.q_proj.lora_A.default.weight", FIRST_LAYER + 1),
        ("masked_spec_embed", None),
    ],
)
def test_stage_of_a_weight(name: str, stage: int | None, build) -> None:
    assert build().encoder.stage_of(name) == stage


@pytest.mark.parametrize(("norm", "stage"), [("layer", FIRST_LAYER + 2), ("group", ENTRY)])
def test_norm_follows_the_layers_only_in_a_pre_norm_encoder(norm: str, stage: int, build) -> None:
    encoder = build("wav2vec2", norm).encoder
    assert encoder.stage_of("encoder.layer_norm.weight") == stage
    assert encoder.encoder.layer_norm in encoder.stages()[stage]


@pytest.mark.parametrize(("kind", "norm"), FAMILIES)
def test_only_requested_states_are_kept(kind, norm, build, checkpoint, waves) -> None:
    theirs = transformers.AutoModel.from_pretrained(checkpoint(kind, norm)).eval()
    encoder = build(kind, norm).encoder.eval()
    wave, lengths = waves
    with torch.no_grad():
        features = encoder.front(wave[:1], lengths[:1])
        last, states = encoder.run(features, torch.ones(features.shape[:2], dtype=torch.bool), (0, 1))
        expected = theirs(wave[:1], output_hidden_states=True)
    assert sorted(states) == [0, 1]
    for layer, state in states.items():
        assert torch.allclose(state, expected.hidden_states[layer], atol=1e-5)
    assert torch.allclose(last, expected.last_hidden_state, atol=1e-5)
    assert not encoder.encoder.dropout._forward_hooks
    assert not any(layer._forward_hooks for layer in encoder.layers)


def test_sizes_are_those_of_the_config(build) -> None:
    encoder = build("hubert", "layer", dropout=0.25).encoder
    assert (encoder.hidden_size, encoder.num_layers, len(encoder.layers)) == (16, 2, 2)
    assert encoder.head_dropout == 0.25
    assert encoder.projector_size == encoder.config.classifier_proj_size == 8
    assert encoder.mask_embedding is encoder.masked_spec_embed
    assert encoder.layers_name == "layers"
