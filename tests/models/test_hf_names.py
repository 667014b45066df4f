from __future__ import annotations

import pytest
import transformers

from soritune.errors import ModelError
from soritune.models.hf_names import architecture_name, check_model_type, from_hf, to_hf
from soritune.testing import FAMILIES


@pytest.mark.parametrize(("kind", "norm"), FAMILIES)
def test_a_model_of_transformers_goes_there_and_back(kind, norm, checkpoint) -> None:
    for head, name in [("ctc", "phoneme"), ("classification", "emotion")]:
        folder = checkpoint(kind, norm, head=head)
        auto = {
            "ctc": transformers.AutoModelForCTC,
            "classification": transformers.AutoModelForAudioClassification,
        }
        model = auto[head].from_pretrained(folder)
        names = dict.fromkeys(model.state_dict(), 0)
        ours = from_hf(names, kind, name)
        assert all(key.startswith(("encoder.", f"heads.{name}.")) for key in ours)
        assert len(ours) == len(names)
        assert to_hf(ours, kind, name, head) == names
        assert type(model).__name__ == architecture_name(kind, head)


def test_old_names_other_heads_and_strangers() -> None:
    found = from_hf(
        {
            "hubert.encoder.pos_conv_embed.conv.weight_g": 1,
            "hubert.encoder.pos_conv_embed.conv.weight_v": 2,
            "lm_head.bias": 3,
            "heads.age.classifier.bias": 4,
            "quantizer.codevectors": 5,
        },
        "hubert",
        "phoneme",
    )
    assert found == {
        "encoder.encoder.pos_conv_embed.conv.parametrizations.weight.original0": 1,
        "encoder.encoder.pos_conv_embed.conv.parametrizations.weight.original1": 2,
        "heads.phoneme.linear.bias": 3,
        "heads.age.classifier.bias": 4,
    }


def test_other_families_are_refused() -> None:
    assert check_model_type("wavlm", "x") == "wavlm"
    with pytest.raises(ModelError, match="some/where is a model of type 'whisper'"):
        check_model_type("whisper", "some/where")
