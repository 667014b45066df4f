from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import AutoModel

from soritune.errors import ModelError
from soritune.models.build import build_model, count_model
from soritune.models.config import ModelConfig
from soritune.models.freezing import check_frozen
from soritune.models.gradient_watch import check_gradients
from soritune.models.inputs.text import TextModule
from soritune.models.loading import load_model
from soritune.models.model import SpeechModel
from soritune.models.saving import save_bundle
from soritune.tasks.emotion import EmotionConfig, EmotionTask
from soritune.tasks.inputs.input import encode_inputs, pad_inputs
from soritune.tasks.inputs.text_encoder import TextSettings
from soritune.testing import class_output, tiny_config, tiny_text_encoder

TEXTS = ("가나 다라 마바", "사아")
FUSIONS = ("concat", "gate", "cross_attention", "text_only")
Build = Callable[..., SpeechModel]


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_text_encoder(tmp_path_factory.mktemp("text") / "encoder", TEXTS)


def task_of(encoder: Path, **settings: Any) -> EmotionTask:
    text = TextSettings(**{"encoder": str(encoder), "width": 8, **settings})
    return EmotionTask(EmotionConfig(labels=("a", "b", "c"), text=text))


@pytest.fixture(scope="module")
def build(encoder: Path) -> Build:
    def make(config: dict[str, Any] | None = None, **settings: Any) -> SpeechModel:
        task = task_of(**{"encoder": encoder, **settings})
        model = {"encoder": "toy", "architecture": tiny_config(norm="layer"), "random_weights": True}
        return build_model(
            ModelConfig.model_validate(model | (config or {})), task.outputs, seed=0, inputs=task.inputs
        )

    return make


def arrays_of(model: SpeechModel, texts: tuple[str | None, ...]) -> dict[str, Tensor]:
    specs = model.input_specs
    rows = [encode_inputs(specs, {"text": text}) for text in texts]
    import numpy as np

    arrays = pad_inputs(specs, rows, np.zeros(len(texts), dtype=np.int64))
    return {name: torch.from_numpy(array) for name, array in arrays.items()}


def waves(rows: int) -> tuple[Tensor, Tensor]:
    return torch.randn(rows, 4000, generator=torch.Generator().manual_seed(1)), torch.tensor([4000] * rows)


def logits(model: SpeechModel, texts: tuple[str | None, ...]) -> dict[str, Tensor]:
    with torch.no_grad():
        return model(*waves(len(texts)), **arrays_of(model, texts)).logits


@pytest.mark.parametrize("fusion", FUSIONS)
def test_row_has_the_same_logits_alone_and_in_a_batch(build: Build, fusion: str) -> None:
    model = build(fusion=fusion).eval()
    together = logits(model, (TEXTS[0], None, TEXTS[1]))
    wave, sizes = waves(3)
    for index, text in enumerate((TEXTS[0], None, TEXTS[1])):
        with torch.no_grad():
            alone = model(wave[index : index + 1], sizes[:1], **arrays_of(model, (text,))).logits
        assert torch.allclose(alone["emotion"][0], together["emotion"][index], atol=1e-5)


@pytest.mark.parametrize("fusion", FUSIONS)
def test_text_changes_the_logits_of_outputs_that_read_it(build: Build, fusion: str) -> None:
    model = build(fusion=fusion).eval()
    first, second = logits(model, (TEXTS[0],)), logits(model, (TEXTS[1],))
    assert not torch.allclose(first["emotion"], second["emotion"], atol=1e-5)
    assert torch.equal(first["emotion_audio"], second["emotion_audio"])
    if fusion != "text_only":
        assert not torch.allclose(first["emotion_text"], second["emotion_text"], atol=1e-5)


def test_absent_arrays_are_rows_without_a_text(build: Build) -> None:
    model = build().eval()
    wave, sizes = waves(2)
    with torch.no_grad():
        without = model(wave, sizes).logits["emotion"]
    assert torch.allclose(without, logits(model, (None, None))["emotion"], atol=1e-6)
    with torch.no_grad():
        model.inputs["text"].absent.fill_(2.0)  # type: ignore[operator,union-attr]
    assert not torch.allclose(logits(model, (None, None))["emotion"], without, atol=1e-4)


def test_output_of_the_text_alone_does_not_hear_the_audio(build: Build) -> None:
    model = build(fusion="text_only").eval()
    arrays = arrays_of(model, (TEXTS[0],))
    with torch.no_grad():
        quiet = model(torch.zeros(1, 4000), torch.tensor([4000]), **arrays).logits["emotion"]
        loud = model(torch.randn(1, 9000), torch.tensor([9000]), **arrays).logits["emotion"]
    assert torch.allclose(quiet, loud, atol=1e-6)


def test_late_concatenation_equals_the_mean_of_token_states_beside_the_frames(build: Build) -> None:
    model = build().eval()
    text: Any = model.inputs["text"]
    reference = AutoModel.from_pretrained(text.options.encoder).eval()
    arrays = arrays_of(model, (TEXTS[0],))
    wave, sizes = waves(1)
    with torch.no_grad():
        states = reference(arrays["text"]).last_hidden_state
        vector = torch.tanh(text.projection(states).mean(dim=1))
        last, _, _ = model.encode(wave, sizes)
        head: Any = model.heads["emotion"]
        joined = torch.cat([last.mean(dim=1), vector], dim=-1)
        expected = head.classifier(head.projector(joined))
        given = model(wave, sizes, **arrays).logits["emotion"]
    assert torch.allclose(given, expected, atol=1e-5)


@pytest.mark.parametrize("fusion", FUSIONS[:3])
@pytest.mark.parametrize("tune", ["frozen", "lora", "full"])
def test_every_trained_weight_gets_a_gradient(build: Build, fusion: str, tune: str) -> None:
    model = build(fusion=fusion, tune=tune).train()
    check_frozen(model)
    trained = {name for name, weight in model.inputs.named_parameters() if weight.requires_grad}
    inside = {name for name in trained if name.startswith("text.encoder.")}
    assert bool(inside) == (tune != "frozen")
    assert tune != "lora" or all(".lora_" in name for name in inside)
    assert model.inputs["text"].encoder.training == (tune != "frozen")  # type: ignore[union-attr]
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if ".lora_B." in name:
                weight.fill_(0.1)
    output = model(*waves(3), **arrays_of(model, (*TEXTS, None)))
    sum(value.square().sum() for value in output.logits.values()).backward()
    assert check_gradients(model) == []


def test_weights_of_a_batch_without_texts_still_send_gradients(build: Build) -> None:
    model = build(tune="full", fusion="cross_attention").train()
    output = model(*waves(2), **arrays_of(model, (None, None)))
    sum(value.sum() for value in output.logits.values()).backward()
    assert all(weight.grad is not None for weight in model.parameters() if weight.requires_grad)


def test_encoder_that_a_phase_freezes_has_no_dropout(build: Build) -> None:
    model = build({"freeze": {"heads": True}}, tune="full").train()
    assert not any(parameter.requires_grad for parameter in model.inputs.parameters())
    assert not any(module.training for module in model.inputs["text"].modules())
    assert build(tune="full").train().inputs["text"].training


def test_frozen_encoder_has_the_pretrained_weights(build: Build) -> None:
    from transformers import AutoModel

    for tune in ("frozen", "lora"):
        module: Any = build(tune=tune).inputs["text"]
        reference = AutoModel.from_pretrained(module.options.encoder).state_dict()
        own = {
            name.replace(".base_layer.", "."): value for name, value in module.encoder.state_dict().items()
        }
        shared = [name for name in reference if name in own]
        assert len(shared) > 20
        assert all(torch.equal(own[name], reference[name]) for name in shared)


def test_initial_weights_depend_only_on_the_seed(build: Build) -> None:
    torch.manual_seed(1)
    first = build(tune="lora", fusion="gate").state_dict()
    torch.manual_seed(2)
    second = build(tune="lora", fusion="gate").state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize("tune", ["frozen", "lora"])
def test_bundle_opens_after_the_encoder_is_gone(encoder: Path, tmp_path: Path, tune: str) -> None:
    gone = tiny_text_encoder(tmp_path / "encoder", TEXTS, seed=4)
    task = task_of(gone, tune=tune, fusion="gate")
    config = ModelConfig(encoder="toy", architecture=tiny_config(norm="layer"), random_weights=True)
    model = build_model(config, task.outputs, seed=0, inputs=task.inputs).eval()
    expected = logits(model, (*TEXTS, None))
    bundle = save_bundle(model, tmp_path / "bundle", tasks=[task], preprocessing={"sample_rate_hz": 16000})
    assert {"inputs/text/tokenizer.json", "inputs/text/config.json"} <= set(bundle.card["files"])
    bundle.check_files()
    for file in gone.iterdir():
        file.unlink()
    from soritune.tasks.inputs import text_encoder

    text_encoder._tokenizer.cache_clear()
    opened = load_model(tmp_path / "bundle")
    given = logits(opened, (*TEXTS, None))
    assert all(torch.allclose(given[name], expected[name], atol=1e-6) for name in expected)
    again = save_bundle(opened, tmp_path / "again", tasks=[task], preprocessing={"sample_rate_hz": 16000})
    assert logits(load_model(again.path), TEXTS)["emotion"].shape == (2, 3)


def test_training_that_starts_from_a_bundle_keeps_the_text_weights(
    build: Build, encoder: Path, tmp_path: Path
) -> None:
    model, task = build().eval(), task_of(encoder)
    with torch.no_grad():
        model.inputs["text"].projection.weight.add_(1.0)  # type: ignore[operator,union-attr]
    save_bundle(model, tmp_path / "bundle", tasks=[task], preprocessing={"sample_rate_hz": 16000})
    started = build({"encoder": str(tmp_path / "bundle"), "random_weights": False, "architecture": {}}).eval()
    assert started.load_report.is_complete
    assert torch.allclose(logits(started, TEXTS)["emotion"], logits(model, TEXTS)["emotion"], atol=1e-6)


def test_weights_for_another_tokenizer_are_not_kept(build: Build, encoder: Path, tmp_path: Path) -> None:
    from tokenizers import Tokenizer

    save_bundle(
        build(), tmp_path / "bundle", tasks=[task_of(encoder)], preprocessing={"sample_rate_hz": 16000}
    )
    other = tiny_text_encoder(tmp_path / "other", TEXTS, seed=9)
    file = other / "tokenizer.json"
    data = json.loads(file.read_text(encoding="utf-8"))
    vocabulary = data["model"]["vocab"]  # of the same size: two tokens exchange their numbers
    first, second = [token for token in vocabulary if not token.startswith("[")][:2]
    vocabulary[first], vocabulary[second] = vocabulary[second], vocabulary[first]
    file.write_text(json.dumps(data), encoding="utf-8")
    assert Tokenizer.from_file(str(file)).get_vocab_size() == len(vocabulary)
    start = {"encoder": str(tmp_path / "bundle"), "random_weights": False, "architecture": {}}
    started = build(start, encoder=str(other))
    assert started.load_report.new_parts == ("input text",)
    text: Any = started.inputs["text"]
    own = AutoModel.from_pretrained(other).get_input_embeddings().weight
    assert torch.equal(text.encoder.get_input_embeddings().weight, own)


def test_parameters_are_counted_without_weights(build: Build, encoder: Path) -> None:
    task = task_of(encoder)
    config = ModelConfig(encoder="toy", architecture=tiny_config(norm="layer"), random_weights=True)
    counted = count_model(config, task.outputs, inputs=task.inputs)
    assert sum(p.numel() for p in counted.parameters()) == sum(p.numel() for p in build().parameters())


def test_gradient_checkpointing_reaches_a_trained_text_encoder(build: Build) -> None:
    plain, saved = build(tune="full"), build({"gradient_checkpointing": True}, tune="full")
    assert saved.inputs["text"].encoder.is_gradient_checkpointing  # type: ignore[union-attr]
    gradients = []
    for model in (plain.eval(), saved.eval()):
        model(*waves(2), **arrays_of(model, TEXTS)).logits["emotion"].square().sum().backward()
        gradients.append(model.inputs["text"].encoder.embeddings.word_embeddings.weight.grad)  # type: ignore[union-attr]
    assert torch.allclose(gradients[0], gradients[1], atol=1e-5)


def test_gate_of_a_head_that_reads_another_output_is_refused(encoder: Path) -> None:
    task = task_of(encoder, fusion="gate")
    outputs = (class_output("first"), class_output("second", reads="first", inputs=("text",)))
    config = ModelConfig(encoder="toy", architecture=tiny_config(), random_weights=True)
    with pytest.raises(ModelError, match="joined by gate to the encoder's state alone"):
        build_model(config, outputs, seed=0, inputs=task.inputs)


def test_output_that_reads_nothing_is_refused() -> None:
    config = ModelConfig(encoder="toy", architecture=tiny_config(), random_weights=True)
    with pytest.raises(ModelError, match="reads no layer of the encoder and no input"):
        build_model(config, (class_output("x", layer="none"),), seed=0)


def test_module_names_its_own_class() -> None:
    from soritune.models.inputs.text import INPUT

    assert INPUT is TextModule


def test_notice_of_the_text_encoder_goes_with_every_bundle_that_starts_from_it(tmp_path: Path) -> None:
    folder = tiny_text_encoder(tmp_path / "encoder", TEXTS)
    (folder / "LICENSE").write_text("Copyright (c) T", encoding="utf-8")
    task = task_of(folder)
    config = ModelConfig(encoder="toy", architecture=tiny_config(norm="layer"), random_weights=True)
    model = build_model(config, task.outputs, seed=0, inputs=task.inputs)
    first = save_bundle(model, tmp_path / "first", tasks=[task], preprocessing={"sample_rate_hz": 16000})
    assert first.notice == "Copyright (c) T"
    (folder / "LICENSE").unlink()
    config = ModelConfig(encoder=str(first.path))
    again = build_model(config, task.outputs, seed=0, inputs=task.inputs)
    assert again.notice == "Copyright (c) T"
