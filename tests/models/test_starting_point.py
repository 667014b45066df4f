from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
import transformers

from soritune.bundles.write import update_card
from soritune.errors import ModelError
from soritune.models.build import build_model
from soritune.models.config import LoraSettings, ModelConfig
from soritune.models.saving import save_bundle
from soritune.testing import FAMILIES, class_output, ctc_output, tiny_checkpoint, tiny_config

THEIRS = ("ㄱ", "ㄴ", "|", "[PAD]", "ㅏ", "<unk>", "ㅓ")
OURS = ("[PAD]", "[UNK]", "|", "ㅏ", "ㅓ", "ㄱ", "ㄴ")
PLAIN = {"preprocessing": {"sample_rate_hz": 16000, "normalize": True}, "tasks": []}


def build(encoder: object, *outputs: object, **config: object):  # type: ignore[no-untyped-def]
    return build_model(ModelConfig(encoder=str(encoder), **config), outputs, seed=0).eval()  # type: ignore[arg-type]


def changed(folder: Path, target: Path, **config: object) -> Path:
    """A copy of `folder` whose config.json has other keys; None takes a key out."""
    copy = target / "copy"
    shutil.copytree(folder, copy)
    content = json.loads((copy / "config.json").read_text()) | config
    kept = {key: value for key, value in content.items() if value is not None}
    (copy / "config.json").write_text(json.dumps(kept))
    return copy


def as_saved_years_ago(target: Path) -> Path:
    """A CTC checkpoint as old versions left it on the hub: weights in a pickle under the old names, layer drop and
    gradient checkpointing in its config, the last two tokens in another file, no file for the processor."""
    old = tiny_checkpoint(
        target / "old",
        tiny_config(norm="layer"),
        head="ctc",
        vocabulary=(*THEIRS, "<s>", "</s>"),
        old_names=True,
    )
    (old / "vocab.json").write_text(json.dumps({symbol: row for row, symbol in enumerate(THEIRS)}))
    (old / "added_tokens.json").write_text(json.dumps({"</s>": 8, "<s>": 7}))
    more = {"layerdrop": 0.1, "gradient_checkpointing": True, "architectures": ["Wav2Vec2ForCTC"]}
    return changed(old, target, transformers_version="4.6.0.dev0", torch_dtype="float32", **more)


def test_old_model_folder_gives_the_logits_of_transformers(waves, tmp_path) -> None:
    folder = as_saved_years_ago(tmp_path)
    assert sorted(file.name for file in folder.iterdir()) == [
        "added_tokens.json",
        "config.json",
        "pytorch_model.bin",
        "vocab.json",
    ]
    theirs = transformers.Wav2Vec2ForCTC.from_pretrained(folder).eval()
    labels = ("[PAD]", "[UNK]", "|", "ㄱ", "ㄴ", "ㅏ", "ㅓ", "<s>", "</s>")
    wave, lengths = waves
    for lora in (None, LoraSettings(rank=2)):
        model = build(folder, ctc_output(labels=labels), lora=lora)
        with torch.no_grad():
            expected = theirs(wave[:1]).logits
        columns = [(*THEIRS, "<s>", "</s>").index({"[UNK]": "<unk>"}.get(label, label)) for label in labels]
        assert torch.allclose(
            model(wave[:1], lengths[:1]).logits["phoneme"], expected[..., columns], atol=1e-5
        )
        assert model.load_report.is_complete
        assert model.encoder.config.layerdrop == 0.0
        assert not any(getattr(module, "gradient_checkpointing", False) for module in model.encoder.modules())


def test_added_tokens_named_in_tokenizer_config_are_read_too(tmp_path) -> None:
    folder = as_saved_years_ago(tmp_path)
    (folder / "added_tokens.json").unlink()
    assert "its CTC head is left out" in str(build(folder, ctc_output(labels=OURS)).load_report)
    added = {str(row): {"content": token, "special": True} for row, token in ((7, "<s>"), (8, "</s>"))}
    (folder / "tokenizer_config.json").write_text(json.dumps({"added_tokens_decoder": added}))
    assert build(folder, ctc_output(labels=OURS)).load_report.is_complete


def test_blank_by_name_is_preferred_to_pad_token_id(checkpoint, tmp_path) -> None:
    """Without `pad_token_id`, config.json has 0, which is the row of a letter here."""
    folder = changed(checkpoint(head="ctc", vocabulary=THEIRS), tmp_path, pad_token_id=0)
    theirs = transformers.AutoModelForCTC.from_pretrained(folder).lm_head
    model = build(folder, ctc_output(labels=OURS))
    assert torch.equal(model.heads["phoneme"].linear.weight[0], theirs.weight[THEIRS.index("[PAD]")])
    assert torch.equal(model.heads["phoneme"].linear.weight[5], theirs.weight[THEIRS.index("ㄱ")])
    assert "its blank is [PAD] by name, although config.json has pad_token_id 0 (ㄱ)" in str(
        model.load_report
    )


@pytest.mark.parametrize(("kind", "norm"), FAMILIES)
def test_sharded_folder_without_model_type_is_read(kind, norm, waves, tmp_path) -> None:
    folder = tiny_checkpoint(tmp_path / "folder", tiny_config(kind, norm))
    theirs = transformers.AutoModel.from_pretrained(folder).eval()
    (folder / "model.safetensors").unlink()
    weights = {
        name.replace("parametrizations.weight.original0", "weight_g").replace(
            "parametrizations.weight.original1", "weight_v"
        ): value
        for name, value in theirs.state_dict().items()
    }
    names = list(weights)
    parts = {"pytorch_model-00001-of-00002.bin": names[::2], "pytorch_model-00002-of-00002.bin": names[1::2]}
    for file, members in parts.items():
        torch.save({name: weights[name] for name in members}, folder / file)
    index = {name: file for file, members in parts.items() for name in members}
    (folder / "pytorch_model.bin.index.json").write_text(json.dumps({"metadata": {}, "weight_map": index}))
    folder = changed(folder, tmp_path, model_type=None, architectures=[type(theirs).__name__])
    wave, lengths = waves
    model = build(folder, ctc_output())
    states = []
    model.heads["phoneme"].register_forward_hook(lambda module, args, output: states.append(args[0]))
    model(wave[:1], lengths[:1])
    with torch.no_grad():
        assert torch.allclose(states[0], theirs(wave[:1]).last_hidden_state, atol=1e-5)
    assert str(model.load_report).endswith("new: head phoneme")
    (folder / "pytorch_model-00002-of-00002.bin").unlink()
    with pytest.raises(ModelError, match="lacks 1 of the 2 weight files .* first pytorch_model-00002"):
        build(folder, ctc_output())
    (folder / "pytorch_model.bin.index.json").write_text("{")
    with pytest.raises(ModelError, match="cannot be read as an index of weights"):
        build(folder, ctc_output())


def test_pickle_without_weights_is_refused(tmp_path) -> None:
    folder = tiny_checkpoint(tmp_path, tiny_config(), old_names=True)
    torch.save({"state_dict": {}, "epoch": 3}, folder / "pytorch_model.bin")
    with pytest.raises(ModelError, match="holds 'state_dict', which is not a weight"):
        build(folder, ctc_output())


def test_family_with_a_similar_class_name_is_not_recognised(checkpoint, tmp_path) -> None:
    folder = changed(checkpoint(), tmp_path, model_type=None, architectures=["Wav2Vec2ConformerForCTC"])
    with pytest.raises(ModelError, match="is a model of type None"):
        build(folder, ctc_output())


def test_weights_of_layers_that_config_json_lacks_are_named(checkpoint, tmp_path, caplog) -> None:
    folder = changed(checkpoint(), tmp_path, num_hidden_layers=1)
    report = str(build(folder, ctc_output()).load_report)
    assert "all weights but" in report and "of layers beyond the last one" in report
    assert "config.json states 1 layers" in caplog.text and "first layers.1." in caplog.text.replace(
        "encoder.", ""
    )


def test_ctc_head_without_vocabulary_is_left_out_and_reported(checkpoint) -> None:
    model = build(checkpoint(head="ctc"), ctc_output())
    assert "its CTC head is left out" in str(model.load_report)
    assert not model.load_report.is_complete


@pytest.mark.parametrize("names", [None, {"0": "sad"}, {"0": "sad", "2": "glad"}])
def test_classification_head_without_class_names_is_left_out(names, checkpoint, tmp_path) -> None:
    folder = changed(checkpoint(head="classification", labels=("sad", "glad")), tmp_path, id2label=names)
    model = build(folder, class_output(labels=("sad", "glad")))
    assert "id2label of config.json does not name its 2 classes" in str(model.load_report)
    assert not model.load_report.is_complete


def adapted(encoder: object, rank: int = 2, **lora: object):  # type: ignore[no-untyped-def]
    model = build(encoder, ctc_output(), lora=LoraSettings(rank=rank, **lora))
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.normal_(std=0.3, generator=torch.Generator().manual_seed(1))
    return model


def test_adapters_of_the_same_shape_are_kept_and_others_merged(checkpoint, waves, tmp_path) -> None:
    first = adapted(checkpoint())
    save_bundle(first, tmp_path / "one", **PLAIN)
    expected = first(*waves).logits["phoneme"]
    start = {"init_from": str(tmp_path / "one")}
    same = build("x", ctc_output(), lora=LoraSettings(rank=2), **start)
    assert torch.equal(same(*waves).logits["phoneme"], expected)
    assert "adapters of rank 2 are trained further" in str(same.load_report)
    assert same.base is not None
    for lora in (
        LoraSettings(rank=4),
        LoraSettings(rank=2, layers=(1, 1)),
        LoraSettings(rank=2, alpha=8),
        None,
    ):
        merged = build("x", ctc_output(), lora=lora, **start)
        assert torch.allclose(merged(*waves).logits["phoneme"], expected, atol=1e-5)
        assert "adapters of rank 2 merged into the encoder" in str(merged.load_report)
        assert merged.base is None


def test_merged_encoder_is_saved_whole_only(checkpoint, waves, tmp_path) -> None:
    save_bundle(adapted(checkpoint()), tmp_path / "one", **PLAIN)
    model = build("x", ctc_output(), lora=LoraSettings(rank=4), init_from=str(tmp_path / "one"))
    assert save_bundle(model, tmp_path / "two", **PLAIN).card["kind"] == "full"
    with pytest.raises(ModelError, match="is not stored in a folder"):
        save_bundle(model, tmp_path / "three", adapter_only=True, **PLAIN)
    again = build("x", ctc_output(), init_from=str(tmp_path / "two"))
    assert torch.allclose(again(*waves).logits["phoneme"], model(*waves).logits["phoneme"], atol=1e-5)


def test_init_from_accepts_a_bundle_of_another_family(checkpoint, tmp_path) -> None:
    save_bundle(build(checkpoint("wavlm", "group"), ctc_output()), tmp_path / "one", **PLAIN)
    assert build("x", ctc_output(), init_from=str(tmp_path / "one")).encoder.config.model_type == "wavlm"


def test_missing_init_from_is_reported(tmp_path) -> None:
    with pytest.raises(ModelError, match="is not a folder here"):
        build("x", ctc_output(), init_from=str(tmp_path / "nowhere"))


def test_vocabulary_with_gaps_is_reported_and_not_used(tmp_path) -> None:
    folder = tiny_checkpoint(tmp_path, tiny_config(), head="ctc", vocabulary=THEIRS)
    (folder / "vocab.json").write_text(json.dumps({"a": 0, "b": 2}))
    assert "does not number its symbols" in str(build(folder, ctc_output()).load_report)


def test_notice_of_a_folder_goes_with_every_bundle_that_starts_from_it(tmp_path: Path) -> None:
    folder = tiny_checkpoint(tmp_path / "start")
    assert build(folder, ctc_output()).notice is None
    (folder / "LICENSE").write_text("Copyright (c) A\n", encoding="utf-8")
    lora = LoraSettings(rank=2)
    first = save_bundle(build(folder, ctc_output()), tmp_path / "first", **PLAIN)
    adapters = save_bundle(build(folder, ctc_output(), lora=lora), tmp_path / "adapters", **PLAIN)
    assert first.notice == adapters.notice == "Copyright (c) A"
    assert adapters.is_adapter
    # A bundle whose notice was lost still gets that of its base.
    update_card(adapters.path, notice=None)
    for source in (first.path, adapters.path):
        again = save_bundle(build("x", ctc_output(), init_from=str(source)), tmp_path / "again", **PLAIN)
        assert again.notice == "Copyright (c) A"
    assert build(tiny_checkpoint(tmp_path / "other"), ctc_output()).notice is None


def test_random_weights_have_no_notice(tmp_path: Path) -> None:
    folder = tiny_checkpoint(tmp_path / "start")
    (folder / "NOTICE").write_text("Copyright (c) A\n", encoding="utf-8")
    assert build(folder, ctc_output(), random_weights=True, architecture=tiny_config()).notice is None
