"""Bundles with int8 weights: their size, what they compute, and every reader of weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from safetensors.numpy import load_file, save_file
from typer.testing import CliRunner

from soritune.audio.preprocessing import Preprocessing
from soritune.bundles.card import Bundle
from soritune.bundles.int8_weights import SCALE
from soritune.bundles.packing import pack_bundle, unpack_bundle
from soritune.bundles.read import load_bundle
from soritune.bundles.write import update_card
from soritune.cli.main import app
from soritune.errors import BundleError, ModelError
from soritune.models.build import build_model
from soritune.models.config import ModelConfig
from soritune.models.loading import load_model
from soritune.models.model import SpeechModel
from soritune.models.saving import save_bundle
from soritune.tasks.task import make_task
from soritune.testing import tiny_config
from soritune.training.checkpoint import frozen_digest

TASK = make_task("phoneme", {"inventory": "korean", "language": "ko"})
WIDE = tiny_config(norm="layer", hidden_size=256, intermediate_size=512)
"""Its projections have 65,536 values and more, which are stored as int8."""


def built(**config: Any) -> SpeechModel:
    return build_model(ModelConfig(**config), TASK.outputs, seed=1).eval()


def saved(model: SpeechModel, folder: Path) -> Bundle:
    return save_bundle(model, folder, tasks=[TASK], preprocessing=Preprocessing(), readme="by hand\n")


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    model = built(encoder="none", random_weights=True, architecture=WIDE)
    return saved(model, tmp_path_factory.mktemp("full") / "model")


@pytest.fixture(scope="module")
def packed(full: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return pack_bundle(full.path, tmp_path_factory.mktemp("packed") / "small")


def log_probabilities(model: SpeechModel) -> torch.Tensor:
    wave = torch.randn(2, 16000, generator=torch.Generator().manual_seed(3))
    with torch.inference_mode():
        return model(wave, torch.tensor([16000, 9000])).logits["phoneme"].log_softmax(-1)


def copy_of(bundle: Bundle, folder: Path) -> Path:
    folder.mkdir()
    for file in bundle.path.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    return folder


def test_a_packed_bundle_has_a_quarter_of_the_size(full: Bundle, packed: Bundle) -> None:
    values = sum(value.size for value in full.weights().values())
    large = sum(value.size for value in full.weights().values() if value.ndim > 1 and value.size >= 65_536)
    assert large > 0.8 * values
    size = packed.weights_path.stat().st_size
    # One byte for values of large arrays, two for others, and a header with names.
    assert large + 2 * (values - large) < size < large + 2 * (values - large) + 40_000
    assert size < 0.32 * full.weights_path.stat().st_size
    assert not (packed.path / "model.safetensors").exists()


def test_card_and_other_files_are_those_of_the_bundle(full: Bundle, packed: Bundle) -> None:
    assert packed.card["weights_format"] == "int8" and packed.is_int8 and not full.is_int8
    without = ("files", "weights_format")
    expected, found = (
        {key: value for key, value in bundle.card.items() if key not in without} for bundle in (full, packed)
    )
    assert found == expected
    for name in (
        "config.json",
        "vocab.json",
        "tokenizer_config.json",
        "preprocessor_config.json",
        "README.md",
    ):
        assert (packed.path / name).read_bytes() == (full.path / name).read_bytes()
    packed.check_files()
    assert "model.int8.safetensors" in packed.card["files"]


def test_logits_are_nearly_the_same_and_computed_in_float32(full: Bundle, packed: Bundle) -> None:
    model = load_model(packed.path)
    assert {value.dtype for value in model.state_dict().values()} == {torch.float32}
    change = (log_probabilities(load_model(full.path)) - log_probabilities(model)).abs().max()
    assert 0 < change < 0.2


def test_unpacked_bundle_has_the_same_weights_and_opens_in_transformers(
    packed: Bundle, tmp_path: Path
) -> None:
    plain = unpack_bundle(packed.path, tmp_path / "plain")
    assert not plain.is_int8
    stored = packed.weights()
    assert stored.keys() == plain.weights().keys()
    assert all(np.array_equal(value, plain.weights()[name]) for name, value in stored.items())
    model, again = load_model(packed.path), load_model(plain.path)
    assert frozen_digest(model) == frozen_digest(again)
    wave = torch.randn(1, 16000, generator=torch.Generator().manual_seed(5))
    theirs = transformers.AutoModelForCTC.from_pretrained(plain.path).eval()
    with torch.inference_mode():
        assert torch.allclose(
            theirs(wave).logits, model(wave, torch.tensor([16000])).logits["phoneme"], atol=1e-4
        )
    # What cannot be read as it is must not be read as something else.
    with pytest.raises(OSError, match="no file named"):
        transformers.AutoModelForCTC.from_pretrained(packed.path)


def test_packing_the_unpacked_bundle_gives_the_same_numbers(packed: Bundle, tmp_path: Path) -> None:
    again = pack_bundle(unpack_bundle(packed.path, tmp_path / "plain").path, tmp_path / "again")
    first, second = (load_file(bundle.weights_path) for bundle in (packed, again))
    assert first.keys() == second.keys()
    assert all(np.allclose(value, second[name], rtol=1e-6, atol=0) for name, value in first.items())


def test_training_starts_from_it_and_is_saved_in_full(packed: Bundle, tmp_path: Path) -> None:
    for key in ("encoder", "init_from"):
        model = built(**{"encoder": "none", key: str(packed.path)})
        assert "head phoneme: kept, all 45 labels" in str(model.load_report)
        assert torch.equal(log_probabilities(model), log_probabilities(load_model(packed.path)))
    bundle = saved(model, tmp_path / "tuned")
    assert "weights_format" not in bundle.card and (bundle.path / "model.safetensors").is_file()
    assert {value.dtype for value in bundle.weights().values()} == {np.dtype(np.float32)}


def test_adapters_name_its_checksum_and_refuse_another_base(
    full: Bundle, packed: Bundle, tmp_path: Path
) -> None:
    model = built(encoder=str(packed.path), lora={"rank": 2})
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.copy_(0.05 * torch.randn(parameter.shape, generator=generator))
    adapters = saved(model, tmp_path / "adapters")
    assert adapters.is_adapter
    assert adapters.card["base"] == {
        "source": str(packed.path),
        "sha256": packed.card["files"]["model.int8.safetensors"],
    }
    assert torch.allclose(log_probabilities(load_model(adapters.path)), log_probabilities(model), atol=1e-6)
    with pytest.raises(ModelError, match="is not the base this adapter was trained on"):
        load_model(adapters.path, base=str(full.path))
    with pytest.raises(BundleError, match="has adapters only, which are small; give the folder of a full"):
        pack_bundle(adapters.path, tmp_path / "x")


def test_model_info_counts_it_without_the_scales(full: Bundle, packed: Bundle) -> None:
    counts = [
        CliRunner().invoke(app, ["model-info", str(bundle.path), "--json"]) for bundle in (full, packed)
    ]
    assert counts[0].exit_code == counts[1].exit_code == 0
    first, second = (
        result.stdout.replace(str(bundle.path), "")
        for result, bundle in zip(counts, (full, packed), strict=True)
    )
    assert first == second != ""


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            lambda stored: {name: value for name, value in stored.items() if not name.endswith(SCALE)},
            "the scales of .* are missing",
        ),
        (
            lambda stored: {
                name: value[:1] if name.endswith(SCALE) else value for name, value in stored.items()
            },
            "do not fit its shape",
        ),
        (None, "cannot be read as safetensors"),
    ],
    ids=["without scales", "short scales", "truncated"],
)
def test_damaged_weights_are_reported_in_one_sentence(
    packed: Bundle, change: Any, sentence: str, tmp_path: Path
) -> None:
    folder = copy_of(packed, tmp_path / "copy")
    file = folder / "model.int8.safetensors"
    if change is None:
        file.write_bytes(file.read_bytes()[:-100])
    else:
        save_file(change(load_file(file)), str(file), {"format": "pt"})
    with pytest.raises(BundleError, match=f"^{file} .*{sentence}.*; copy it again$"):
        load_model(folder)
    with pytest.raises(BundleError, match="is not the file the card describes"):
        load_bundle(folder).check_files()


@pytest.mark.parametrize("weights_format", ["int4", 8])
def test_an_unknown_format_is_refused(packed: Bundle, weights_format: Any, tmp_path: Path) -> None:
    folder = copy_of(packed, tmp_path / "copy")
    with pytest.raises(
        BundleError, match=r"'weights_format' is faulty \(is .*can be 'int8' or 'onnx'\); copy the bundle"
    ):
        update_card(folder, weights_format=weights_format)


def test_a_missing_file_is_named(packed: Bundle, tmp_path: Path) -> None:
    folder = copy_of(packed, tmp_path / "copy")
    (folder / "model.int8.safetensors").unlink()
    with pytest.raises(BundleError, match=r"lacks model\.int8\.safetensors; copy the whole folder"):
        load_bundle(folder)


def test_weights_that_are_not_finite_are_not_packed(full: Bundle, tmp_path: Path) -> None:
    folder = copy_of(full, tmp_path / "copy")
    weights = {name: value.copy() for name, value in full.weights().items()}
    weights["lm_head.bias"][0] = np.nan
    save_file(weights, str(folder / "model.safetensors"), {"format": "pt"})
    with pytest.raises(BundleError, match="cannot be packed: lm_head.bias has values that are not finite"):
        pack_bundle(folder, tmp_path / "packed")
    assert not (tmp_path / "packed").exists()


def test_the_target_must_be_another_folder(full: Bundle) -> None:
    with pytest.raises(BundleError, match="is the bundle itself; give another folder"):
        pack_bundle(full.path, full.path)


def test_the_model_of_the_package_unpacks_by_its_name(tmp_path: Path) -> None:
    plain = unpack_bundle("soritune/tiny-ko", tmp_path / "plain")
    assert {value.dtype for value in plain.weights().values()} == {np.dtype(np.float32)}
    assert torch.equal(
        log_probabilities(load_model(plain.path)), log_probabilities(load_model("soritune/tiny-ko"))
    )


def test_links_are_left_out_and_a_file_that_is_not_a_text_is_named(full: Bundle, tmp_path: Path) -> None:
    folder = copy_of(full, tmp_path / "copy")
    (tmp_path / "secret.txt").write_text("secret")
    (folder / "leak.txt").symlink_to(tmp_path / "secret.txt")
    packed = pack_bundle(folder, tmp_path / "packed")
    assert not (packed.path / "leak.txt").exists()
    (folder / "scores.bin").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BundleError, match=r"scores\.bin is not a text, .*move it out of the folder"):
        pack_bundle(folder, tmp_path / "again")
