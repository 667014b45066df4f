"""A model of an absurd size is refused before it is built, so in well under a second."""

from __future__ import annotations

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from soritune.audio.preprocessing import Preprocessing
from soritune.bundles.write import update_card
from soritune.errors import BundleError, ModelError
from soritune.models.config import LoraSettings
from soritune.models.loading import load_model
from soritune.models.saving import save_bundle
from soritune.testing import tiny_config


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"num_hidden_layers": 200_000}, "200000 layers"),
        ({"num_hidden_layers": 900}, "900 layers in its configuration, but only"),
        (
            {
                "conv_dim": [32] * 5000,
                "conv_kernel": [2] * 5000,
                "conv_stride": [1] * 5000,
                "num_feat_extract_layers": 5000,
            },
            "5000 values of conv_",
        ),
        ({"hidden_size": 2_000_000, "intermediate_size": 8_000_000}, "weights; at most"),
    ],
)
def test_large_pretrained_configuration_is_refused(changes, words, build, checkpoint, tmp_path) -> None:
    folder = shutil.copytree(checkpoint(), tmp_path / "model")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **changes}))
    with pytest.raises(ModelError, match=words):
        build(encoder=folder)


def test_large_random_architecture_is_refused(build) -> None:
    architecture = {**tiny_config(), "num_hidden_layers": 200_000}
    with pytest.raises(ModelError, match="200000 layers"):
        build(architecture=architecture, random_weights=True)


@pytest.mark.parametrize("settings", [{"rank": 10**9}, {"layers": [0, 10**9]}])
def test_adapter_of_another_size_than_its_card_is_refused(settings, build, checkpoint, tmp_path) -> None:
    model = build(encoder=checkpoint(), lora=LoraSettings(rank=2))
    bundle = save_bundle(model, tmp_path / "b", tasks=[], preprocessing=Preprocessing(), adapter_only=True)
    update_card(bundle.path, adapter={**bundle.card["adapter"], **settings})
    with pytest.raises(BundleError, match="'adapter' is faulty"):
        load_model(bundle.path)


def test_head_of_another_size_than_its_weights_is_refused(build, tmp_path) -> None:
    bundle = save_bundle(build(), tmp_path / "b", tasks=[], preprocessing=Preprocessing())
    weights = load_file(bundle.weights_path)
    name = next(name for name in weights if name.startswith(("heads.", "lm_head.weight")))
    save_file({**weights, name: torch.zeros(3, 3)}, bundle.weights_path, {"format": "pt"})
    with pytest.raises(ModelError, match="does not fit its card"):
        load_model(bundle.path)
