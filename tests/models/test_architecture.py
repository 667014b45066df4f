from __future__ import annotations

import json
import shutil
from functools import partial

import pytest
import torch
from safetensors.torch import load_file, save_file

from soritune.errors import ModelError
from soritune.models.architecture import check_architecture
from soritune.models.build import build_model, count_model
from soritune.models.config import ModelConfig
from soritune.models.pretrained import open_pretrained
from soritune.testing import FAMILIES, ctc_output, tiny_checkpoint, tiny_config


def start(source: object) -> torch.nn.Module:
    return build_model(ModelConfig(encoder=str(source)), (ctc_output(),), seed=0).encoder


def test_only_a_missing_mask_embedding_is_accepted(checkpoint, tmp_path) -> None:
    weights = load_file(checkpoint() / "model.safetensors")
    for gone, wrong in [("masked_spec_embed", None), ("feature_projection.projection.bias", "lacks 1 of 54")]:
        folder = shutil.copytree(checkpoint(), tmp_path / gone)
        rest = {name: value for name, value in weights.items() if name != gone}
        save_file(rest, folder / "model.safetensors", {"format": "pt"})
        if wrong is None:
            assert torch.equal(start(folder).masked_spec_embed, start(folder).masked_spec_embed)
        else:
            with pytest.raises(ModelError, match=wrong):
                start(folder)


def test_convolutional_adapters_are_refused() -> None:
    config = ModelConfig(encoder="x", architecture=tiny_config(add_adapter=True), random_weights=True)
    with pytest.raises(ModelError, match="add_adapter"):
        build_model(config, (ctc_output(),), seed=0)


@pytest.mark.parametrize("how", [count_model, partial(build_model, seed=0)])
@pytest.mark.parametrize(
    "changes", [{"hidden_size": 15}, {"num_conv_pos_embedding_groups": 3}, {"num_attention_heads": 0}]
)
def test_invalid_sizes_are_refused_in_one_sentence(changes, how) -> None:
    config = ModelConfig(encoder="x", architecture=tiny_config(**changes), random_weights=True)
    with pytest.raises(ModelError) as raised:
        how(config, (ctc_output(),))
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("how", [count_model, partial(build_model, seed=0)])
def test_unknown_architecture_key_is_refused(how) -> None:
    config = ModelConfig(encoder="x", architecture=tiny_config(hiden_size=16), random_weights=True)
    with pytest.raises(ModelError, match=r"model\.architecture\.hiden_size: .*did you mean 'hidden_size'"):
        how(config, (ctc_output(),))


def test_config_keys_of_older_versions_are_accepted(tmp_path) -> None:
    folder = tiny_checkpoint(tmp_path / "old")
    stored = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    old = {
        "gradient_checkpointing": True,
        "return_dict": False,
        "output_attentions": True,
        "xla_device": None,
    }
    (folder / "config.json").write_text(json.dumps({**stored, **old}))
    encoder = start(folder)
    assert not any(getattr(module, "gradient_checkpointing", False) for module in encoder.modules())
    last, _ = encoder.eval().run(
        encoder.front(torch.zeros(1, 800), torch.tensor([800])), torch.ones(1, 2) > 0, ()
    )
    assert last.shape == (1, 2, 16)
    for random in (True, False):
        count_model(ModelConfig(encoder=str(folder), random_weights=random), (ctc_output(),))


@pytest.mark.parametrize(("kind", "norm"), FAMILIES)
def test_every_key_of_a_saved_config_is_accepted(kind, norm, checkpoint) -> None:
    check_architecture(open_pretrained(checkpoint(kind, norm)).config)
