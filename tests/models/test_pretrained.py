from __future__ import annotations

import json
import shutil

import huggingface_hub
import pytest
import torch
from safetensors.torch import load_file, save_file

from soritune.errors import ModelError
from soritune.models import pretrained
from soritune.models.build import build_model
from soritune.models.config import ModelConfig
from soritune.models.pretrained import open_pretrained
from soritune.testing import FAMILIES, ctc_output, tiny_checkpoint, tiny_config


def start(source: object) -> torch.nn.Module:
    return build_model(ModelConfig(encoder=str(source)), (ctc_output(),), seed=0).encoder


@pytest.mark.parametrize(("kind", "norm"), FAMILIES)
def test_every_weight_is_loaded_bit_for_bit(kind, norm, checkpoint) -> None:
    folder = checkpoint(kind, norm)
    stored = load_file(folder / "model.safetensors")
    loaded = start(folder).state_dict()
    assert loaded.keys() == stored.keys()
    assert all(torch.equal(loaded[name], stored[name]) for name in stored)


@pytest.mark.parametrize("head", ["none", "ctc"])
def test_old_pickles_with_old_names_load_bit_for_bit(head, tmp_path) -> None:
    new = tiny_checkpoint(tmp_path / "new", tiny_config("hubert"), head=head)
    old = tiny_checkpoint(tmp_path / "old", tiny_config("hubert"), head=head, old_names=True)
    assert sorted(file.name for file in old.iterdir()) == ["config.json", "pytorch_model.bin"]
    names = torch.load(old / "pytorch_model.bin", weights_only=True)
    assert any(name.endswith("pos_conv_embed.conv.weight_g") for name in names)
    expected, loaded = start(new).state_dict(), start(old).state_dict()
    assert all(torch.equal(loaded[name], expected[name]) for name in expected)


def test_half_precision_weights_become_float32(checkpoint, tmp_path) -> None:
    folder = shutil.copytree(checkpoint(), tmp_path / "half")
    weights = load_file(folder / "model.safetensors")
    save_file(
        {name: value.half() for name, value in weights.items()},
        folder / "model.safetensors",
        {"format": "pt"},
    )
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "dtype": "float16"}))
    assert {value.dtype for value in start(folder).state_dict().values()} == {torch.float32}


def test_shards_are_read_together(checkpoint, tmp_path) -> None:
    folder = shutil.copytree(checkpoint(), tmp_path / "shards")
    weights = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    names = sorted(weights)
    halves = {"model-1.safetensors": names[::2], "model-2.safetensors": names[1::2]}
    for file, part in halves.items():
        save_file({name: weights[name] for name in part}, folder / file, {"format": "pt"})
    index = {"weight_map": {name: file for file, part in halves.items() for name in part}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    loaded = start(folder).state_dict()
    assert all(torch.equal(loaded[name], weights[name]) for name in weights)
    assert len(open_pretrained(folder).sha256) == 64


def test_folder_without_a_model_is_refused(checkpoint, tmp_path) -> None:
    empty = tmp_path / "빈 폴더"
    empty.mkdir()
    with pytest.raises(ModelError, match=r"holds no model: it has no config\.json"):
        start(empty)
    (empty / "config.json").write_text("{not json", encoding="utf-8")
    with pytest.raises(ModelError, match=r"cannot be read"):
        start(empty)
    (empty / "config.json").write_text('{"model_type": "bert"}', encoding="utf-8")
    with pytest.raises(ModelError, match="type 'bert'; soritune takes wav2vec2, hubert, wavlm"):
        start(empty)
    (empty / "config.json").write_text(json.dumps(tiny_config()), encoding="utf-8")
    with pytest.raises(ModelError, match="holds no weights"):
        start(empty)
    (empty / "model.safetensors").write_bytes(b"not a tensor in sight")
    with pytest.raises(ModelError, match="damaged or incomplete"):
        start(empty)
    shutil.copy(checkpoint("wav2vec2", "layer") / "model.safetensors", empty)
    config = tiny_config("wav2vec2", "layer", hidden_size=32)
    (empty / "config.json").write_text(json.dumps(config), encoding="utf-8")
    with pytest.raises(ModelError, match=r"do not fit config\.json"):
        start(empty)


def test_pickles_run_no_code(tmp_path) -> None:
    class Trap:
        def __reduce__(self):  # type: ignore[no-untyped-def]
            return (tmp_path.joinpath("sprung").touch, ())

    (tmp_path / "config.json").write_text(json.dumps(tiny_config()))
    torch.save({"weight": Trap()}, tmp_path / "pytorch_model.bin")
    with pytest.raises(ModelError, match=r"cannot be read"):
        start(tmp_path)
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize("name", ["./nowhere", "/nowhere/at/all", "one-word", "far/too/deep"])
def test_missing_path_is_not_looked_up_on_the_hub(name, monkeypatch) -> None:
    monkeypatch.setattr(pretrained, "_from_hub", lambda name: pytest.fail("asked the hub"))
    with pytest.raises(ModelError, match="is not a folder here"):
        open_pretrained(name)


def test_hub_name_without_network_is_reported_in_one_sentence(monkeypatch, tmp_path) -> None:
    import huggingface_hub

    def unreachable(*args: object, **kwargs: object) -> None:
        raise OSError("Name or service not known")

    def not_cached(*args: object, **kwargs: object) -> None:
        assert kwargs.get("local_files_only"), "the downloader must not be tried when the hub does not answer"
        raise FileNotFoundError("not cached")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", not_cached)
    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", unreachable)
    with pytest.raises(
        ModelError, match=r"facebook/x could not be reached .*Name or service.*; give a local folder"
    ):
        open_pretrained("facebook/x")


def test_local_cache_is_used_before_the_hub(monkeypatch, checkpoint) -> None:
    import huggingface_hub

    monkeypatch.setattr(huggingface_hub, "snapshot_download", lambda name, **options: str(checkpoint()))
    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", lambda *a, **k: pytest.fail("asked the hub"))
    model = open_pretrained("someone/model")
    assert (model.source, model.folder) == ("someone/model", checkpoint())


def test_only_files_of_the_model_are_downloaded(monkeypatch, checkpoint) -> None:
    import huggingface_hub

    calls: list[dict[str, object]] = []

    def download(name: str, **options: object) -> str:
        if options.get("local_files_only"):
            raise FileNotFoundError
        calls.append(options)
        return str(checkpoint())

    files = [
        "model.safetensors",
        "adapter.kor.safetensors",
        "pytorch_model.bin",
        "flax_model.msgpack",
        "config.json",
    ]
    info = type("Info", (), {"siblings": [type("File", (), {"rfilename": file})() for file in files]})
    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", lambda *a, **k: info)
    open_pretrained("someone/model")
    (call,) = calls
    patterns = call["allow_patterns"]
    assert "model.safetensors" in patterns  # type: ignore[operator]
    assert not {"pytorch_model.bin", "adapter.kor.safetensors", "flax_model.msgpack"} & set(patterns)  # type: ignore[call-overload]


@pytest.mark.parametrize("name", ["../other.safetensors", "/tmp/other.safetensors", "a/../../x", 3])
def test_shard_outside_the_folder_is_refused(name: object, tmp_path) -> None:
    save_file({"weight": torch.zeros(1)}, tmp_path / "other.safetensors")
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(tiny_config()))
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"weight": name}}))
    with pytest.raises(ModelError, match="leads out of .*weights must be in its folder"):
        open_pretrained(folder).weights()


@pytest.mark.parametrize("text", ["[" * 100_000, '{"weight_map":' * 50_000, '{"weight_map": 3}', "[]"])
def test_damaged_index_of_shards_is_refused(text: str, tmp_path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(tiny_config()))
    (tmp_path / "model.safetensors.index.json").write_text(text)
    with pytest.raises(ModelError, match="cannot be read as an index"):
        open_pretrained(tmp_path).weights()


def test_refusal_of_a_pickle_does_not_repeat_advice_to_open_it(tmp_path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(tiny_config()))
    torch.save({"weight": tmp_path}, tmp_path / "pytorch_model.bin")
    with pytest.raises(ModelError, match=r"give a model\.safetensors instead") as caught:
        open_pretrained(tmp_path).weights()
    assert not any(word in str(caught.value) for word in ("weights_only", "option", "trust", "allowlist"))


def test_hub_is_not_asked_if_that_is_not_allowed(monkeypatch) -> None:
    def not_cached(name: str, **options: object) -> str:
        assert options == {"local_files_only": True}
        raise FileNotFoundError

    monkeypatch.setattr(huggingface_hub, "snapshot_download", not_cached)
    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", lambda *a, **k: pytest.fail("asked the hub"))
    with pytest.raises(ModelError, match="neither a folder here nor in the hub's cache"):
        open_pretrained("owner/model", ask_hub=False)
