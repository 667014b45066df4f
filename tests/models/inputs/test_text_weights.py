from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
import transformers

from soritune.errors import ModelError
from soritune.models.inputs.text_weights import (
    add_adapters,
    check_tokenizer,
    load_pretrained,
    make_text_encoder,
)
from soritune.tasks.inputs.text_encoder import TextSettings
from soritune.testing import tiny_text_encoder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tiny_text_encoder(tmp_path / "encoder", ["가나 다라"])


def made(settings: TextSettings) -> torch.nn.Module:
    encoder: torch.nn.Module = make_text_encoder(settings.input_spec(), settings)
    return encoder


@pytest.mark.parametrize("kind", ["electra", "roberta", "distilbert", "albert"])
def test_other_encoders_of_transformers_are_opened(kind: str, tmp_path: Path) -> None:
    common = {"vocab_size": 30, "hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2}
    sizes = {"intermediate_size": 16, "embedding_size": 8, "max_position_embeddings": 64}
    if kind == "distilbert":
        common = {"vocab_size": 30, "dim": 8, "n_layers": 1, "n_heads": 2}
        sizes = {"hidden_dim": 16, "max_position_embeddings": 64}
    config = transformers.CONFIG_MAPPING[kind](**common, **sizes)
    saved = transformers.AutoModel.from_config(config).eval()
    saved.save_pretrained(tmp_path)
    settings = TextSettings(encoder=str(tmp_path), max_tokens=32)
    encoder = made(settings).eval()
    load_pretrained(encoder, settings, torch.Generator())
    tokens = torch.tensor([[5, 6, 7]])
    with torch.no_grad():
        assert torch.equal(encoder(tokens).last_hidden_state, saved(tokens).last_hidden_state)
    assert not any("pooler" in name for name, _ in encoder.named_parameters())


def test_more_tokens_than_positions_are_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="reads at most 128 tokens, and max_tokens is 200"):
        made(TextSettings(encoder=str(folder), max_tokens=200))
    config = transformers.RobertaConfig(
        vocab_size=30, hidden_size=8, num_hidden_layers=1, num_attention_heads=2, max_position_embeddings=34
    )
    transformers.RobertaModel(config).save_pretrained(tmp_path / "roberta")
    with pytest.raises(ModelError, match="reads at most 32 tokens"):
        made(TextSettings(encoder=str(tmp_path / "roberta"), max_tokens=33))


def test_model_with_a_decoder_is_refused(tmp_path: Path) -> None:
    transformers.T5Config().save_pretrained(tmp_path)
    with pytest.raises(ModelError, match="is an encoder with a decoder"):
        made(TextSettings(encoder=str(tmp_path)))


def test_encoder_of_speech_is_refused(tmp_path: Path) -> None:
    from soritune.testing import tiny_checkpoint

    with pytest.raises(ModelError, match="reads input_values, not tokens; give a text encoder"):
        made(TextSettings(encoder=str(tiny_checkpoint(tmp_path / "speech"))))


def test_tokenizer_of_another_encoder_is_refused(folder: Path) -> None:
    settings = TextSettings(encoder=str(folder))
    check_tokenizer(made(settings), settings.input_spec())
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "vocab_size": 5}))
    with pytest.raises(
        ModelError, match=r"input 'text': its tokenizer has \d+ tokens and its text encoder 5"
    ):
        check_tokenizer(made(settings), settings.input_spec())


def test_model_with_code_of_its_own_is_refused(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    config |= {"model_type": "mine", "auto_map": {"AutoConfig": "code.Config", "AutoModel": "code.Model"}}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "code.py").write_text("raise SystemExit('ran')")
    with pytest.raises(ModelError, match="is not a text encoder that transformers can open"):
        made(TextSettings(encoder=str(folder)))


def test_configuration_of_endless_depth_is_refused(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "num_hidden_layers": 10**9}))
    with pytest.raises(ModelError, match="at most 1000 are built"):
        made(TextSettings(encoder=str(folder)))


def test_missing_weights_are_refused(folder: Path) -> None:
    from safetensors.torch import load_file, save_file

    file = folder / "model.safetensors"
    weights = load_file(file)
    del weights["encoder.layer.1.output.dense.weight"]
    save_file(weights, file, {"format": "pt"})
    settings = TextSettings(encoder=str(folder))
    with pytest.raises(ModelError, match=r"lacks 1 weights of its text encoder, first encoder\.layer\.1"):
        load_pretrained(made(settings), settings, torch.Generator())
    file.unlink()
    with pytest.raises(ModelError, match="the weights in .* cannot be read"):
        load_pretrained(made(settings), settings, torch.Generator())


def test_unknown_targets_of_adapters_are_refused(folder: Path) -> None:
    settings = TextSettings.model_validate(
        {"encoder": str(folder), "tune": "lora", "lora": {"targets": ["nothing"]}}
    )
    with pytest.raises(ModelError, match=r"no adapters can be put .*lora\.targets"):
        add_adapters(made(settings), settings)


def test_new_adapters_change_nothing(folder: Path) -> None:
    settings = TextSettings(encoder=str(folder), tune="lora")
    plain, adapted = made(settings).eval(), made(settings)
    add_adapters(adapted, settings)
    adapted.eval()
    for encoder in (plain, adapted):
        load_pretrained(encoder, settings, torch.Generator().manual_seed(0))
    tokens = torch.tensor([[2, 5, 3]])
    with torch.no_grad():
        assert torch.allclose(plain(tokens).last_hidden_state, adapted(tokens).last_hidden_state, atol=1e-6)
