from __future__ import annotations

import json
import shutil
from functools import partial

import pytest
import torch
from safetensors.torch import load_file, save_file

from soritune.errors import ModelError
from soritune.models import pretrained
from soritune.models.architecture import check_architecture
from soritune.models.build import build_model, count_model
from soritune.models.config import ModelConfig
from soritune.models.pretrained import open_pretrained
from soritune.testing import FAMILIES, ctc_output, tiny_checkpoint, tiny_config


def start(source: object) -> torch.nn.Module:
    return build_model(ModelConfig(encoder=str(source)), (ctc_output(),), seed=0).encoder


@pytest.mark.parametrize(("kind", "norm"), FAMILIES)
def test_every_weight_arrives_bit_for_bit(kind, norm, checkpoint) -> None:
    folder = checkpoint(kind, norm)
    stored = load_file(folder / "model.safetensors")
    found = start(folder).state_dict()
    assert found.keys() == stored.keys()
    assert all(torch.equal(found[name], stored[name]) for name in stored)


@pytest.mark.parametrize("head", ["none", "ctc"])
def test_old_pickles_with_old_names_load_bit_for_bit(head, tmp_path) -> None:
    new = tiny_checkpoint(tmp_path / "new", tiny_config("hubert"), head=head)
    old = tiny_checkpoint(tmp_path / "old", tiny_config("hubert"), head=head, old_names=True)
    assert sorted(file.name for file in old.iterdir()) == ["config.json", "pytorch_model.bin"]
    names = torch.load(old / "pytorch_model.bin", weights_only=True)
    assert any(name.endswith("pos_conv_embed.conv.weight_g") for name in names)
    expected, found = start(new).state_dict(), start(old).state_dict()
    assert all(torch.equal(found[name], expected[name]) for name in expected)


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
    found = start(folder).state_dict()
    assert all(torch.equal(found[name], weights[name]) for name in weights)
    assert len(open_pretrained(folder).sha256) == 64


def test_a_missing_mask_embedding_is_no_fault_and_any_other_gap_is(checkpoint, tmp_path) -> None:
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


def test_folders_that_are_no_model_get_a_sentence(checkpoint, tmp_path) -> None:
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
def test_paths_that_are_not_there_are_not_asked_of_the_hub(name, monkeypatch) -> None:
    monkeypatch.setattr(pretrained, "_from_hub", lambda name: pytest.fail("asked the hub"))
    with pytest.raises(ModelError, match="is not a folder here"):
        open_pretrained(name)


def test_a_hub_name_without_network_gets_a_sentence(monkeypatch, tmp_path) -> None:
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


def test_the_local_cache_is_used_before_the_hub(monkeypatch, checkpoint) -> None:
    import huggingface_hub

    monkeypatch.setattr(huggingface_hub, "snapshot_download", lambda name, **options: str(checkpoint()))
    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", lambda *a, **k: pytest.fail("asked the hub"))
    found = open_pretrained("someone/model")
    assert (found.source, found.folder) == ("someone/model", checkpoint())


def test_only_the_model_s_own_files_are_downloaded(monkeypatch, checkpoint) -> None:
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
    wanted = call["allow_patterns"]
    assert "model.safetensors" in wanted  # type: ignore[operator]
    assert not {"pytorch_model.bin", "adapter.kor.safetensors", "flax_model.msgpack"} & set(wanted)  # type: ignore[call-overload]


def test_convolutional_adapters_are_refused() -> None:
    config = ModelConfig(encoder="x", architecture=tiny_config(add_adapter=True), random_weights=True)
    with pytest.raises(ModelError, match="add_adapter"):
        build_model(config, (ctc_output(),), seed=0)


@pytest.mark.parametrize("how", [count_model, partial(build_model, seed=0)])
@pytest.mark.parametrize(
    "changes", [{"hidden_size": 15}, {"num_conv_pos_embedding_groups": 3}, {"num_attention_heads": 0}]
)
def test_sizes_no_encoder_can_have_get_a_sentence(changes, how) -> None:
    config = ModelConfig(encoder="x", architecture=tiny_config(**changes), random_weights=True)
    with pytest.raises(ModelError) as raised:
        how(config, (ctc_output(),))
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("how", [count_model, partial(build_model, seed=0)])
def test_keys_no_encoder_has_are_refused_in_a_recipe(how) -> None:
    config = ModelConfig(encoder="x", architecture=tiny_config(hiden_size=16), random_weights=True)
    with pytest.raises(ModelError, match=r"model\.architecture\.hiden_size: .*did you mean 'hidden_size'"):
        how(config, (ctc_output(),))


def test_a_checkpoint_may_hold_keys_of_older_versions(tmp_path) -> None:
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
def test_every_key_of_a_saved_config_is_known(kind, norm, checkpoint) -> None:
    check_architecture(open_pretrained(checkpoint(kind, norm)).config)
