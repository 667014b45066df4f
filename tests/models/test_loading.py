from __future__ import annotations

import json
import logging
import shutil
from types import SimpleNamespace

import huggingface_hub
import pytest
import torch
from safetensors.torch import load_file, save_file
from tests.models.conftest import perturbed

from soritune.audio.preprocessing import Preprocessing
from soritune.bundles.write import update_card
from soritune.errors import BundleError, ModelError
from soritune.geometry import Geometry
from soritune.models.adapters import base_weights
from soritune.models.config import LoraSettings
from soritune.models.loading import load_model
from soritune.models.model import SpeechModel
from soritune.models.saving import save_bundle
from soritune.testing import FAMILIES

LORA = LoraSettings(rank=2, alpha=4)


def save(model: SpeechModel, folder, **options: object):  # type: ignore[no-untyped-def]
    return save_bundle(model, folder, tasks=[], preprocessing=Preprocessing(), **options)  # type: ignore[arg-type]


def test_loaded_model_is_in_evaluation_mode_without_trained_parameters(build, tmp_path) -> None:
    model = load_model(save(build(lora=LORA), tmp_path / "b").path)
    assert not model.training
    assert not any(p.requires_grad for p in model.parameters())


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "norm"), FAMILIES)
def test_adapters_of_one_base_share_its_weights(kind, norm, build, checkpoint, waves, tmp_path) -> None:
    folder = tmp_path / "base"
    shutil.copytree(checkpoint(kind, norm), folder)
    alone, paths = [], []
    for seed, rank in ((1, 2), (2, 3)):
        model = build(kind, norm, encoder=folder, seed=seed, lora=LoraSettings(rank=rank)).eval()
        random = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for name, weight in model.named_parameters():
                if "lora_B" in name:
                    weight.normal_(generator=random)
        paths.append(save(model, tmp_path / f"adapters-{seed}", adapter_only=True).path)
        alone.append(model(*waves).logits["phoneme"])
    first = load_model(paths[0])
    shutil.rmtree(folder)  # nothing is read from there again
    second = load_model(paths[1], opened=first)
    # Rounding depends on the position of tensors in memory; the two adapters differ by ten thousand times as much.
    assert not torch.allclose(alone[0], alone[1], atol=0.1)
    for model, expected in zip((first, second), alone, strict=True):
        assert torch.allclose(model(*waves).logits["phoneme"], expected, atol=1e-5)
    first_base, second_base = base_weights(first.encoder), base_weights(second.encoder)
    assert all(first_base[name].data_ptr() == second_base[name].data_ptr() for name in first_base)
    third = load_model(paths[0], opened=second)
    assert torch.allclose(third(*waves).logits["phoneme"], alone[0], atol=1e-5)


def test_changed_base_is_refused_and_moved_base_is_accepted(build, checkpoint, waves, tmp_path) -> None:
    folder = tmp_path / "base"
    folder.mkdir()
    for file in checkpoint().iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    model = perturbed(build(encoder=folder, lora=LORA))
    bundle = save(model, tmp_path / "b")
    assert bundle.card["base"]["source"] == str(folder)
    moved = folder.rename(tmp_path / "moved")
    with pytest.raises(ModelError, match="the base of the adapters in .* cannot be opened"):
        load_model(bundle.path)
    again = load_model(bundle.path, base=str(moved))
    assert torch.equal(again(*waves).logits["phoneme"], model(*waves).logits["phoneme"])
    weights = load_file(moved / "model.safetensors")
    weights["masked_spec_embed"] += 1
    save_file(weights, moved / "model.safetensors", {"format": "pt"})
    with pytest.raises(ModelError, match="is not the base this adapter was trained on: sha256"):
        load_model(bundle.path, base=str(moved))


def test_damaged_bundle_is_refused(build, tmp_path) -> None:
    bundle = save(build(), tmp_path / "b")
    weights = load_file(bundle.weights_path)
    for name, words in [
        ("lm_head.bias", "head phoneme does not fit"),
        ("wav2vec2.encoder.layer_norm.bias", "lacks 1 of"),
    ]:
        rest = {key: value for key, value in weights.items() if key != name}
        save_file(rest, bundle.weights_path, {"format": "pt"})
        with pytest.raises(ModelError, match=words):
            load_model(bundle.path)
    bundle.weights_path.write_bytes(b"half")
    with pytest.raises(BundleError, match="cannot be read as safetensors"):
        load_model(bundle.path)


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("model", {"encoder": "x", "rank": 3}, "'model' is faulty .rank"),
        ("adapter", {"rank": 0}, "'adapter' is faulty .rank"),
        ("adapter", {"rank": 2}, "'adapter' is faulty .no layers"),
        ("base", {"source": "x"}, "'base' is faulty"),
        ("encoder", {"geometry": Geometry((10,), (320,)).to_json()}, "'encoder' is faulty .no 'config'"),
        ("outputs", [], "'outputs' is faulty .it is empty"),
    ],
)
def test_faulty_card_is_refused_in_one_sentence(key, value, words, build, tmp_path) -> None:
    bundle = update_card(save(build(lora=LORA), tmp_path / "b").path, **{key: value})
    with pytest.raises(BundleError, match=words) as raised:
        load_model(bundle.path)
    assert "\n" not in str(raised.value)


def test_hub_is_asked_only_for_a_base_that_the_user_names(build, checkpoint, tmp_path, monkeypatch) -> None:
    model = build(encoder=checkpoint(), lora=LORA)
    bundle = save(model, tmp_path / "b")
    update_card(bundle.path, base={**bundle.card["base"], "source": "stranger/model"})
    asked = []

    def download(name: str, **options: object) -> str:
        if options.get("local_files_only"):
            raise FileNotFoundError
        return str(checkpoint())

    def info(self: object, name: str, **options: object) -> SimpleNamespace:
        asked.append(name)
        return SimpleNamespace(siblings=[])

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", info)
    with pytest.raises(
        ModelError, match=r"neither a folder here nor in the hub's cache; give it with --base"
    ):
        load_model(bundle.path)
    with pytest.raises(ModelError, match="--base"):
        build(encoder=bundle.path)
    assert asked == []
    load_model(bundle.path, base="stranger/model")
    build(encoder=bundle.path, base="stranger/model")
    assert asked == ["stranger/model"] * 2


@pytest.mark.parametrize(("kind", "norm"), FAMILIES)
def test_changed_config_is_one_warning_and_an_unchanged_one_is_silent(
    kind, norm, build, tmp_path, caplog
) -> None:
    folder = save(build(kind, norm), tmp_path / "b").path
    with caplog.at_level(logging.WARNING):
        load_model(folder)
        assert caplog.records == []
        file = folder / "config.json"
        config = json.loads(file.read_text(encoding="utf-8"))
        file.write_text(json.dumps(config | {"id2label": {"0": "x", "1": "y"}}), encoding="utf-8")
        load_model(folder)
    (message,) = [record.getMessage() for record in caplog.records]
    assert message.startswith(f"{folder}: config.json was changed (id2label is x, y, which no output")
