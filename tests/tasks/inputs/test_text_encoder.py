from __future__ import annotations

from pathlib import Path

import huggingface_hub
import pytest

from soritune.errors import ModelError
from soritune.tasks.inputs.text_encoder import TextOptions, TextSettings, encoder_folder, tokenizer_of
from soritune.tasks.specs import InputSpec
from soritune.testing import tiny_text_encoder


def test_settings_become_an_optional_input() -> None:
    spec = TextSettings(encoder="owner/model", fusion="gate", dropout=0.2).input_spec()
    assert (spec.name, spec.column, spec.request_field, spec.optional) == ("text", "text", "text", True)
    assert spec.dropout == 0.2
    assert set(spec.options) == set(TextOptions.model_fields)
    assert InputSpec.from_json(spec.to_json()) == spec


def test_folder_without_an_encoder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="holds no text encoder: it has no config"):
        encoder_folder(str(tmp_path))
    with pytest.raises(ModelError, match="is not a folder here, nor a hub name"):
        encoder_folder("./nowhere")


def test_only_files_of_an_encoder_are_downloaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tiny_text_encoder(tmp_path / "encoder", ["가나 다라"])
    calls: list[list[str]] = []

    def download(name: str, **options: object) -> str:
        if options.get("local_files_only"):
            raise FileNotFoundError
        calls.append(options["allow_patterns"])  # type: ignore[arg-type]
        return str(folder)

    files = ["config.json", "vocab.txt", "tokenizer.json", "spiece.model", "model.safetensors"]
    files += ["pytorch_model.bin", "tf_model.h5", "onnx/model.onnx", "flax_model.msgpack"]
    info = type("Info", (), {"siblings": [type("File", (), {"rfilename": file})() for file in files]})
    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", lambda *a, **k: info)
    assert encoder_folder("klue/roberta-small") == folder
    assert sorted(calls[0]) == sorted(files[:5])


def test_encoder_in_the_cache_of_the_hub_is_not_downloaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tiny_text_encoder(tmp_path / "encoder", ["가나 다라"])
    monkeypatch.setattr(huggingface_hub, "snapshot_download", lambda name, **options: str(folder))
    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", lambda *a, **k: pytest.fail("asked the hub"))
    assert encoder_folder("owner/model") == folder


def test_encoder_in_the_cache_without_its_tokenizer_is_downloaded_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tiny_text_encoder(tmp_path / "encoder", ["가나 다라"])
    part = tmp_path / "cached"
    part.mkdir()
    for name in ("config.json", "model.safetensors"):  # what AutoModel.from_pretrained stores
        (part / name).write_bytes((folder / name).read_bytes())
    info = type("Info", (), {"siblings": []})

    def snapshot(name: str, **options: object) -> str:
        return str(part if options.get("local_files_only") else folder)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot)
    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", lambda *a, **k: info)
    assert encoder_folder("owner/model") == folder
    (part / "vocab.txt").write_text("[PAD]", encoding="utf-8")
    assert encoder_folder("owner/model") == part


def test_damaged_tokenizer_is_reported(tmp_path: Path) -> None:
    folder = tiny_text_encoder(tmp_path / "encoder", ["가나 다라"])
    (folder / "tokenizer.json").write_text("{", encoding="utf-8")
    with pytest.raises(ModelError, match="the tokenizer in .* cannot be read"):
        tokenizer_of(TextSettings(encoder=str(folder)).input_spec())
