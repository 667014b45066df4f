from __future__ import annotations

import json

import numpy as np
import pytest
import torch
import transformers
from peft import PeftModel
from safetensors.torch import load_file
from tests.models.conftest import perturbed

from soritune.audio.preprocessing import Preprocessing
from soritune.bundles.read import load_bundle
from soritune.errors import ModelError
from soritune.models.adapters import adapted_modules
from soritune.models.config import LoraSettings
from soritune.models.loading import load_model
from soritune.models.model import SpeechModel
from soritune.models.saving import save_bundle
from soritune.tasks.emotion import TASK as EMOTION
from soritune.tasks.phoneme import PhonemeConfig, PhonemeTask
from soritune.testing import FAMILIES, class_output, ctc_output

LORA = LoraSettings(rank=2, alpha=4)
AUTO = {"phoneme": transformers.AutoModelForCTC, "emotion": transformers.AutoModelForAudioClassification}


def save(model: SpeechModel, folder, **options: object):  # type: ignore[no-untyped-def]
    return save_bundle(model, folder, tasks=[], preprocessing=Preprocessing(), **options)  # type: ignore[arg-type]


@pytest.mark.slow
@pytest.mark.parametrize("lora", [None, LORA])
@pytest.mark.parametrize(("kind", "norm"), FAMILIES)
def test_round_trip_and_transformers_gives_the_same_logits(kind, norm, lora, build, waves, tmp_path) -> None:
    wave, lengths = waves
    for outputs in [
        (ctc_output(), class_output(layer="weighted")),
        (class_output(layer="weighted"), ctc_output()),
    ]:
        model = perturbed(build(kind, norm, outputs=outputs, lora=lora))
        name = outputs[0].name
        bundle = save(model, tmp_path / name, adapter_only=False)
        expected = model(wave, lengths).logits
        again = load_model(bundle.path)(wave, lengths).logits
        for key, logits in expected.items():
            assert torch.allclose(again[key], logits, atol=1e-5)
        theirs, report = AUTO[name].from_pretrained(bundle.path, output_loading_info=True)
        assert not report["missing_keys"]
        assert not report["mismatched_keys"]
        secondary = "emotion" if name == "phoneme" else "phoneme"
        assert all(key.startswith(f"heads.{secondary}.") for key in report["unexpected_keys"])
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
    model = perturbed(build(kind, norm, outputs=outputs, lora=LORA))
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
        logits = theirs(wave[:1]).logits
    same = torch.allclose(logits, expected[name][:1], atol=1e-5)
    # On WavLM, transformers' attention never calls the adapters: its bundles are whole unless asked
    # otherwise.
    assert same == (kind != "wavlm")


def test_default_kind_of_bundle_depends_on_the_model(build, tmp_path) -> None:
    kinds = {
        "adapter": build(lora=LORA),
        "full": build(),
        "full wavlm": build("wavlm", "group", lora=LORA),
    }
    for kind, model in kinds.items():
        assert save(model, tmp_path / kind).card["kind"] == kind.split()[0]
    with pytest.raises(ModelError, match="has no adapters"):
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


def test_saving_leaves_the_model_unchanged(build, waves, tmp_path) -> None:
    model = perturbed(build(lora=LORA)).train()
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
    model = perturbed(build("hubert", "layer", outputs=(class_output(labels=labels),)))
    bundle = save(model, tmp_path / "b")
    pipeline = transformers.pipeline("audio-classification", str(bundle.path), device="cpu")
    clip = (0.2 * np.random.default_rng(0).standard_normal(6000) + 0.05).astype(np.float32)
    scores = {row["label"]: row["score"] for row in pipeline({"raw": clip, "sampling_rate": 16000}, top_k=3)}
    ours = torch.from_numpy(Preprocessing().finish(clip))[None]
    expected = model(ours, torch.tensor([6000])).logits["emotion"].softmax(-1)[0]
    assert set(scores) == set(labels)
    for label, score in zip(labels, expected.tolist(), strict=True):
        assert scores[label] == pytest.approx(score, abs=1e-5)


def test_ctc_tokenizer_reads_the_vocabulary(build, tmp_path) -> None:
    labels = ("[PAD]", "[UNK]", "|", "ㄱ", "ㅏ", "ㄴ", "<s>", "</s>")
    bundle = save(build(outputs=(ctc_output(labels=labels),)), tmp_path / "b")
    tokenizer = transformers.AutoTokenizer.from_pretrained(bundle.path)
    assert len(tokenizer) == len(labels)
    ids = [labels.index(s) for s in ("ㄱ", "ㄱ", "[PAD]", "ㅏ", "|", "ㄴ", "[PAD]", "ㅏ")]
    assert tokenizer.decode(ids) == "가 나" or tokenizer.decode(ids) == "ㄱㅏ ㄴㅏ"
    processor = transformers.AutoProcessor.from_pretrained(bundle.path)
    assert processor.feature_extractor.do_normalize


def test_phones_are_apart_in_the_text_of_transformers(build, tmp_path) -> None:
    labels = PhonemeTask(PhonemeConfig()).vocabulary
    bundle = save(build(outputs=(ctc_output(labels=labels),)), tmp_path / "b")
    tokenizer = transformers.AutoTokenizer.from_pretrained(bundle.path)
    assert len(tokenizer) == len(labels) == 45
    phones = ["G", "GG", "A", "|", "N", "NG", "oA"]
    ids = [labels.index(symbol) for phone in phones for symbol in (phone, phone, "[PAD]")]
    assert tokenizer.decode(ids).split() == tokenizer.batch_decode([ids])[0].split() == phones
    assert tokenizer.convert_tokens_to_ids(phones) == [labels.index(phone) for phone in phones]
    processor = transformers.AutoProcessor.from_pretrained(bundle.path)
    assert processor.decode(ids).split() == phones


def test_packaged_phones_are_apart_in_the_text_of_transformers() -> None:
    bundle = load_bundle("soritune/tiny-ko")
    (spec,) = (output for output in bundle.outputs if output.objective == "ctc")
    tokenizer = transformers.AutoTokenizer.from_pretrained(bundle.path)
    phones = ["GG", "A", "N", "NG"]
    assert tokenizer.decode([spec.labels.index(phone) for phone in phones]).split() == phones


def test_outputs_without_a_head_in_transformers_are_saved_headless(build, waves, tmp_path) -> None:
    wave, lengths = waves
    for n, outputs in enumerate([(class_output(reads="phoneme"), ctc_output()), (ctc_output(layer=1),)]):
        model = perturbed(build(outputs=outputs))
        bundle = save(model, tmp_path / str(n))
        assert bundle.card["encoder"]["config"]["architectures"] == ["Wav2Vec2Model"]
        theirs = transformers.AutoModel.from_pretrained(bundle.path)
        stored = model.encoder.state_dict()
        assert all(torch.equal(value, stored[name]) for name, value in theirs.state_dict().items())
        again = load_model(bundle.path)(wave, lengths).logits
        assert all(torch.equal(again[name], logits) for name, logits in model(wave, lengths).logits.items())


def test_attentive_pooling_and_projector_size_survive_a_bundle(build, waves, tmp_path) -> None:
    model = perturbed(build(outputs=(class_output(),), pooling="attentive", projector_size=5))
    again = load_model(save(model, tmp_path / "b").path)
    assert torch.equal(again(*waves).logits["emotion"], model(*waves).logits["emotion"])
    assert again.heads["emotion"].projector.out_features == 5
    plain = perturbed(build(outputs=(class_output(),), projector_size=5))
    theirs = transformers.AutoModelForAudioClassification.from_pretrained(save(plain, tmp_path / "c").path)
    assert theirs.projector.out_features == 5


def test_config_json_has_the_encoders_masking_and_dropout(build, tmp_path) -> None:
    config = json.loads((save(build(dropout=0.3), tmp_path / "b").path / "config.json").read_text())
    assert config["mask_time_prob"] == 0.05
    assert config["apply_spec_augment"] is True
    assert config["hidden_dropout"] == 0.3


def test_card_stores_tasks_preprocessing_and_card_fields(build, tmp_path) -> None:
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
