from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import torch
import transformers
from peft import PeftModel
from safetensors.torch import load_file, save_file

from soritune.audio.preprocessing import Preprocessing
from soritune.bundles.write import update_card
from soritune.errors import BundleError, ModelError
from soritune.geometry import Geometry
from soritune.models.adapters import adapted_modules, base_weights
from soritune.models.config import LoraSettings
from soritune.models.loading import load_model
from soritune.models.model import SpeechModel
from soritune.models.saving import save_bundle
from soritune.models.trainable_state import load_trainable_state, trainable_state
from soritune.tasks.emotion import TASK as EMOTION
from soritune.testing import FAMILIES, class_output, ctc_output

LORA = LoraSettings(rank=2, alpha=4)
AUTO = {"phoneme": transformers.AutoModelForCTC, "emotion": transformers.AutoModelForAudioClassification}


def save(model: SpeechModel, folder, **options: object):  # type: ignore[no-untyped-def]
    return save_bundle(model, folder, tasks=[], preprocessing=Preprocessing(), **options)  # type: ignore[arg-type]


def stirred(model: SpeechModel) -> SpeechModel:
    """Everything trained changed, as after training."""
    generator = torch.Generator().manual_seed(4)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
    return model.eval()


@pytest.mark.slow
@pytest.mark.parametrize("lora", [None, LORA])
@pytest.mark.parametrize(("kind", "norm"), FAMILIES)
def test_round_trip_and_transformers_gives_the_same_logits(kind, norm, lora, build, waves, tmp_path) -> None:
    wave, lengths = waves
    for outputs in [
        (ctc_output(), class_output(layer="weighted")),
        (class_output(layer="weighted"), ctc_output()),
    ]:
        model = stirred(build(kind, norm, outputs=outputs, lora=lora))
        name = outputs[0].name
        bundle = save(model, tmp_path / name, adapter_only=False)
        expected = model(wave, lengths).logits
        again = load_model(bundle.path)(wave, lengths).logits
        for key, logits in expected.items():
            assert torch.allclose(again[key], logits, atol=1e-5)
        theirs, report = AUTO[name].from_pretrained(bundle.path, output_loading_info=True)
        assert not report["missing_keys"]
        assert not report["mismatched_keys"]
        other = "emotion" if name == "phoneme" else "phoneme"
        assert all(key.startswith(f"heads.{other}.") for key in report["unexpected_keys"])
        assert type(theirs).__name__ == bundle.card["encoder"]["config"]["architectures"][0]
        for row, samples in enumerate(lengths.tolist()):
            with torch.no_grad():
                alone = theirs.eval()(wave[row : row + 1, :samples]).logits[0]
            assert torch.allclose(
                alone,
                expected[name][row][: len(alone)] if name == "phoneme" else expected[name][row],
                atol=1e-5,
            )


@pytest.mark.slow
@pytest.mark.parametrize("name", ["phoneme", "emotion"])
@pytest.mark.parametrize(("kind", "norm"), FAMILIES)
def test_adapter_bundles_open_with_plain_peft(kind, norm, name, build, checkpoint, waves, tmp_path) -> None:
    wave, lengths = waves
    outputs = (ctc_output(), class_output()) if name == "phoneme" else (class_output(), ctc_output())
    model = stirred(build(kind, norm, outputs=outputs, lora=LORA))
    bundle = save(model, tmp_path / "b", adapter_only=True)
    assert bundle.is_adapter
    expected = model(wave, lengths).logits
    again = load_model(bundle.path)
    assert len(adapted_modules(again.encoder)) == 6
    for key, logits in again(wave, lengths).logits.items():
        assert torch.allclose(logits, expected[key], atol=1e-6)
    size = {"vocab_size": 12} if name == "phoneme" else {"num_labels": 3}
    base = AUTO[name].from_pretrained(checkpoint(kind, norm), **size)
    theirs = PeftModel.from_pretrained(base, bundle.path).eval()
    with torch.no_grad():
        found = theirs(wave[:1]).logits
    same = torch.allclose(found, expected[name][:1], atol=1e-5)
    # On WavLM, transformers' attention never calls the adapters: its bundles are whole unless asked
    # otherwise.
    assert same == (kind != "wavlm")


def test_what_is_saved_when_nothing_is_said(build, tmp_path) -> None:
    kinds = {
        "adapter": build(lora=LORA),
        "full": build(),
        "full wavlm": build("wavlm", "group", lora=LORA),
    }
    for kind, model in kinds.items():
        assert save(model, tmp_path / kind).card["kind"] == kind.split()[0]
    with pytest.raises(ModelError, match="has none"):
        save(build(), tmp_path / "x", adapter_only=True)
    assert not (tmp_path / "x").exists()
    files = {file.name for file in (tmp_path / "adapter").iterdir()}
    assert files == {
        "README.md",
        "adapter_config.json",
        "adapter_model.safetensors",
        "preprocessor_config.json",
        "soritune.json",
        "tokenizer_config.json",
        "vocab.json",
    }
    stored = load_file(tmp_path / "adapter" / "adapter_model.safetensors")
    assert sum(value.numel() for name, value in stored.items() if "lora_" in name) == 2 * 3 * 2 * 16 * 2
    assert len(stored) == 12 + 2
    assert json.loads((tmp_path / "adapter" / "adapter_config.json").read_text())["modules_to_save"] == [
        "lm_head"
    ]


def test_saving_leaves_the_model_as_it_is(build, waves, tmp_path) -> None:
    model = stirred(build(lora=LORA)).train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    trained = [name for name, p in model.named_parameters() if p.requires_grad]
    for adapter_only in (True, False):
        save(model, tmp_path / str(adapter_only), adapter_only=adapter_only)
    assert model.training
    assert [name for name, p in model.named_parameters() if p.requires_grad] == trained
    assert model.state_dict().keys() == before.keys()
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_audio_classification_pipeline(build, waves, tmp_path) -> None:
    labels = ("불안", "친절", "건조")
    model = stirred(build("hubert", "layer", outputs=(class_output(labels=labels),)))
    bundle = save(model, tmp_path / "b")
    pipeline = transformers.pipeline("audio-classification", str(bundle.path), device="cpu")
    clip = (0.2 * np.random.default_rng(0).standard_normal(6000) + 0.05).astype(np.float32)
    found = {row["label"]: row["score"] for row in pipeline({"raw": clip, "sampling_rate": 16000}, top_k=3)}
    ours = torch.from_numpy(Preprocessing().finish(clip))[None]
    expected = model(ours, torch.tensor([6000])).logits["emotion"].softmax(-1)[0]
    assert set(found) == set(labels)
    for label, score in zip(labels, expected.tolist(), strict=True):
        assert found[label] == pytest.approx(score, abs=1e-5)


def test_the_ctc_tokenizer_reads_our_vocabulary(build, tmp_path) -> None:
    labels = ("[PAD]", "[UNK]", "|", "ㄱ", "ㅏ", "ㄴ", "<s>", "</s>")
    bundle = save(build(outputs=(ctc_output(labels=labels),)), tmp_path / "b")
    tokenizer = transformers.AutoTokenizer.from_pretrained(bundle.path)
    assert len(tokenizer) == len(labels)
    ids = [labels.index(s) for s in ("ㄱ", "ㄱ", "[PAD]", "ㅏ", "|", "ㄴ", "[PAD]", "ㅏ")]
    assert tokenizer.decode(ids) == "가 나" or tokenizer.decode(ids) == "ㄱㅏ ㄴㅏ"
    processor = transformers.AutoProcessor.from_pretrained(bundle.path)
    assert processor.feature_extractor.do_normalize


def test_what_transformers_cannot_compute_is_a_headless_model_there(build, waves, tmp_path) -> None:
    wave, lengths = waves
    for n, outputs in enumerate([(class_output(reads="phoneme"), ctc_output()), (ctc_output(layer=1),)]):
        model = stirred(build(outputs=outputs))
        bundle = save(model, tmp_path / str(n))
        assert bundle.card["encoder"]["config"]["architectures"] == ["Wav2Vec2Model"]
        theirs = transformers.AutoModel.from_pretrained(bundle.path)
        stored = model.encoder.state_dict()
        assert all(torch.equal(value, stored[name]) for name, value in theirs.state_dict().items())
        again = load_model(bundle.path)(wave, lengths).logits
        assert all(torch.equal(again[name], logits) for name, logits in model(wave, lengths).logits.items())


def test_attentive_pooling_and_projector_size_come_back(build, waves, tmp_path) -> None:
    model = stirred(build(outputs=(class_output(),), pooling="attentive", projector_size=5))
    again = load_model(save(model, tmp_path / "b").path)
    assert torch.equal(again(*waves).logits["emotion"], model(*waves).logits["emotion"])
    assert again.heads["emotion"].projector.out_features == 5
    plain = stirred(build(outputs=(class_output(),), projector_size=5))
    theirs = transformers.AutoModelForAudioClassification.from_pretrained(save(plain, tmp_path / "c").path)
    assert theirs.projector.out_features == 5


def test_a_loaded_model_is_for_inference(build, tmp_path) -> None:
    model = load_model(save(build(lora=LORA), tmp_path / "b").path)
    assert not model.training
    assert not any(p.requires_grad for p in model.parameters())


def test_masks_and_dropouts_of_config_json_are_the_encoder_s_own(build, tmp_path) -> None:
    config = json.loads((save(build(dropout=0.3), tmp_path / "b").path / "config.json").read_text())
    assert config["mask_time_prob"] == 0.05
    assert config["apply_spec_augment"] is True
    assert config["hidden_dropout"] == 0.3


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "norm"), FAMILIES)
def test_several_adapters_share_one_base_that_is_read_once(
    kind, norm, build, checkpoint, waves, tmp_path
) -> None:
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
    # Rounding hangs on where tensors lie in memory; the two adapters differ by ten thousand times as much.
    assert not torch.allclose(alone[0], alone[1], atol=0.1)
    for model, expected in zip((first, second), alone, strict=True):
        assert torch.allclose(model(*waves).logits["phoneme"], expected, atol=1e-5)
    one, other = base_weights(first.encoder), base_weights(second.encoder)
    assert all(one[name].data_ptr() == other[name].data_ptr() for name in one)
    third = load_model(paths[0], opened=second)
    assert torch.allclose(third(*waves).logits["phoneme"], alone[0], atol=1e-5)


def test_another_base_is_refused_and_a_moved_one_can_be_named(build, checkpoint, waves, tmp_path) -> None:
    folder = tmp_path / "base"
    folder.mkdir()
    for file in checkpoint().iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    model = stirred(build(encoder=folder, lora=LORA))
    bundle = save(model, tmp_path / "b")
    assert bundle.card["base"]["source"] == str(folder)
    moved = folder.rename(tmp_path / "moved")
    with pytest.raises(ModelError, match="the adapter's base cannot be opened"):
        load_model(bundle.path)
    found = load_model(bundle.path, base=str(moved))
    assert torch.equal(found(*waves).logits["phoneme"], model(*waves).logits["phoneme"])
    weights = load_file(moved / "model.safetensors")
    weights["masked_spec_embed"] += 1
    save_file(weights, moved / "model.safetensors", {"format": "pt"})
    with pytest.raises(ModelError, match="is not the base this adapter was trained on: sha256"):
        load_model(bundle.path, base=str(moved))


def test_damaged_bundles_get_a_sentence(build, tmp_path) -> None:
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


def test_the_card_rebuilds_tasks_and_says_what_was_given(build, tmp_path) -> None:
    task = EMOTION(EMOTION.Config(labels=("Anxious", "Kind", "Dry")))
    model = build(outputs=task.outputs)
    card = {"recipe_name": "toy", "seed": 3, "data": {"synthetic": True}, "licence": "CC0"}
    bundle = save_bundle(
        model, tmp_path / "b", tasks=[task], preprocessing=Preprocessing(max_duration_s=4), card_fields=card
    )
    (again,) = bundle.tasks
    assert again.config == task.config
    assert bundle.outputs == task.outputs
    assert Preprocessing(**bundle.preprocessing) == Preprocessing(max_duration_s=4)
    assert {key: bundle.card[key] for key in card} == card
    assert bundle.card["model"]["encoder"] == model.config.encoder
    assert bundle.geometry == model.geometry


def test_trainable_state_is_all_a_checkpoint_needs(build, waves, tmp_path) -> None:
    model = stirred(build(lora=LORA))
    state = trainable_state(model)
    assert set(state) == {name for name, p in model.named_parameters() if p.requires_grad}
    torch.save(state, tmp_path / "state.pt")
    fresh = build(lora=LORA).eval()
    assert not torch.allclose(fresh(*waves).logits["phoneme"], model(*waves).logits["phoneme"], atol=1e-3)
    load_trainable_state(fresh, torch.load(tmp_path / "state.pt", weights_only=True))
    assert torch.equal(fresh(*waves).logits["phoneme"], model(*waves).logits["phoneme"])
    for other in (
        build(),
        build(lora=LoraSettings(rank=3)),
        build(lora=LORA, outputs=(ctc_output(labels="ab"),)),
    ):
        with pytest.raises(ModelError, match="does not fit the model"):
            load_trainable_state(other, state)


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("model", {"encoder": "x", "rank": 3}, "'model' is faulty .rank"),
        ("adapter", {"rank": 0}, "'adapter' is faulty .rank"),
        ("adapter", {"rank": 2}, "'adapter' is faulty .no layers"),
        ("base", {"source": "x"}, "'base' is faulty"),
        ("encoder", {"geometry": Geometry((10,), (320,)).to_json()}, "'encoder' is faulty .no 'config'"),
        ("outputs", [], "'outputs' is faulty .there is none"),
    ],
)
def test_cards_with_faulty_model_settings_get_a_sentence(key, value, words, build, tmp_path) -> None:
    bundle = update_card(save(build(lora=LORA), tmp_path / "b").path, **{key: value})
    with pytest.raises(BundleError, match=words) as raised:
        load_model(bundle.path)
    assert "\n" not in str(raised.value)
