from __future__ import annotations

import pytest
import transformers

from soritune.errors import ModelError
from soritune.models.encoders.encoder import family_of, model_type_of
from soritune.models.hub_names import HubNames
from soritune.testing import FAMILIES


def names_of(model_type: str) -> HubNames:
    return family_of(model_type, "x").hub_names(model_type)


@pytest.mark.parametrize(("kind", "norm"), FAMILIES)
def test_names_of_transformers_survive_a_round_trip(kind, norm, checkpoint) -> None:
    for head, name in [("ctc", "phoneme"), ("classification", "emotion")]:
        folder = checkpoint(kind, norm, head=head)
        auto = {
            "ctc": transformers.AutoModelForCTC,
            "classification": transformers.AutoModelForAudioClassification,
        }
        model = auto[head].from_pretrained(folder)
        names = dict.fromkeys(model.state_dict(), 0)
        ours = names_of(kind).from_hf(names, name)
        assert all(key.startswith(("encoder.", f"heads.{name}.")) for key in ours)
        assert len(ours) == len(names)
        assert names_of(kind).to_hf(ours, name, head) == names
        assert type(model).__name__ == names_of(kind).classes[head]


def test_old_names_are_converted_and_unknown_weights_left_out() -> None:
    names = names_of("hubert").from_hf(
        {
            "hubert.encoder.pos_conv_embed.conv.weight_g": 1,
            "hubert.encoder.pos_conv_embed.conv.weight_v": 2,
            "lm_head.bias": 3,
            "heads.age.classifier.bias": 4,
            "quantizer.codevectors": 5,
        },
        "phoneme",
    )
    assert names == {
        "encoder.encoder.pos_conv_embed.conv.parametrizations.weight.original0": 1,
        "encoder.encoder.pos_conv_embed.conv.parametrizations.weight.original1": 2,
        "heads.phoneme.linear.bias": 3,
        "heads.age.classifier.bias": 4,
    }


def test_unknown_families_are_refused() -> None:
    assert "wavlm" in family_of("wavlm", "x").model_types
    with pytest.raises(
        ModelError, match="some/where is a model of type 'bert'; soritune takes wav2vec2, hubert"
    ):
        family_of("bert", "some/where")


def test_old_configs_are_recognised_by_their_classes() -> None:
    assert model_type_of({"architectures": ["HubertForPreTraining"]}) == "hubert"
    assert model_type_of({"architectures": ["WavLMModel"]}) == "wavlm"
    assert model_type_of({"architectures": ["Wav2Vec2ConformerForCTC"]}) is None
    assert model_type_of({"model_type": "bert", "architectures": ["WavLMModel"]}) == "bert"
    assert model_type_of({}) is None
