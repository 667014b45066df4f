"""Weights that are not finite are refused wherever they are read."""

from __future__ import annotations

import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from soritune.audio.preprocessing import Preprocessing
from soritune.errors import ModelError
from soritune.models.config import LoraSettings
from soritune.models.finite_weights import first_non_finite
from soritune.models.loading import load_model
from soritune.models.saving import save_bundle

VALUES = [float("nan"), float("inf"), float("-inf")]


def spoil(path, value: float, beginning: str = "") -> str:  # type: ignore[no-untyped-def]
    weights = load_file(path)
    name = next(name for name in sorted(weights) if beginning in name and weights[name].ndim == 2)
    weights[name][0, 0] = value
    save_file(weights, path, {"format": "pt"})
    return name


@pytest.mark.parametrize("value", VALUES)
def test_pretrained_model_with_one_such_weight_is_refused(value, build, checkpoint, tmp_path) -> None:
    folder = shutil.copytree(checkpoint(), tmp_path / "model")
    spoil(folder / "model.safetensors", value, "k_proj")
    with pytest.raises(
        ModelError, match=r"NaN or infinite, first encoder\.encoder\.layers\.0.*k_proj\.weight"
    ):
        build(encoder=folder)


@pytest.mark.parametrize("part", ["k_proj", "lm_head", "heads."])
def test_bundle_with_one_such_weight_is_refused(part, build, tmp_path) -> None:
    bundle = save_bundle(build(), tmp_path / "b", tasks=[], preprocessing=Preprocessing())
    if not any(part in name for name in load_file(bundle.weights_path)):
        pytest.skip("this head has another name")
    spoil(bundle.weights_path, float("nan"), part)
    with pytest.raises(ModelError, match="NaN or infinite"):
        load_model(bundle.path)


def test_adapters_with_one_such_weight_are_refused(build, checkpoint, tmp_path) -> None:
    model = build(encoder=checkpoint(), lora=LoraSettings(rank=2))
    bundle = save_bundle(model, tmp_path / "b", tasks=[], preprocessing=Preprocessing(), adapter_only=True)
    spoil(bundle.weights_path, float("inf"), "lora_A")
    with pytest.raises(ModelError, match="NaN or infinite"):
        load_model(bundle.path)


def test_large_finite_weights_whose_sum_overflows_are_accepted() -> None:
    assert first_non_finite({"a": torch.full((8,), 3e38), "b": torch.arange(3)}) is None
    assert first_non_finite({"a": torch.zeros(2), "b": torch.tensor([1.0, float("nan")])}) == "b"
