"""A toy Whisper through what every encoder goes through: adapters in peft, all tasks, counts, the largest batch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import torch
import transformers
from peft import PeftModel
from tests.models.conftest import perturbed
from tests.models.encoders.whisper.test_family import saved
from typer.testing import CliRunner

from soritune.audio.preprocessing import Preprocessing
from soritune.bundles.card import Bundle
from soritune.cli.main import app
from soritune.corpus.manifest import Manifest
from soritune.inference.predictor import Predictor
from soritune.models.build import build_model
from soritune.models.config import ModelConfig
from soritune.models.loading import load_model
from soritune.models.model import SpeechModel
from soritune.models.saving import save_bundle
from soritune.recipe import load_recipe
from soritune.stages.find_batch import find_batch
from soritune.tasks.task import Task, make_task
from soritune.testing import class_output, ctc_output

AS_TRANSFORMERS = {"level_dbfs": None, "appended_silence_s": 0}
"""The front end of transformers."""
TASKS: dict[str, dict[str, Any]] = {
    "phoneme": {"inventory": "korean", "language": "ko"},
    "emotion": {"labels": ["a", "b", "c"]},
    "mispronunciation": {"labels": "correct-substituted-deleted-inserted", "phoneme_output": "learners"},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved(tmp_path_factory.mktemp("whisper"), classifier_proj_size=8)


@pytest.fixture(scope="module")
def half_a_minute() -> tuple[torch.Tensor, torch.Tensor]:
    """A clip of 30 s, the only length that transformers takes, as a waveform and as its features."""
    wave = 0.1 * torch.randn(1, 480_000, generator=torch.Generator().manual_seed(1))
    extractor = transformers.WhisperFeatureExtractor()
    return wave, extractor(wave[0].numpy(), sampling_rate=16000, return_tensors="pt").input_features


def built(folder: Path, *outputs: Any, **config: Any) -> SpeechModel:
    return perturbed(build_model(ModelConfig(encoder=str(folder), **config), outputs, seed=0))


def bundle_of(model: SpeechModel, path: Path, tasks: list[Task] | None = None) -> Bundle:
    return save_bundle(model, path, tasks=tasks or [], preprocessing=Preprocessing())


def logits(model: SpeechModel, wave: torch.Tensor, name: str) -> torch.Tensor:
    with torch.no_grad():
        return model(wave, torch.tensor([wave.shape[1]])).logits[name]


def test_adapters_of_a_classifier_give_the_same_logits_in_peft(
    folder: Path, half_a_minute: Any, tmp_path: Path
) -> None:
    wave, features = half_a_minute
    model = built(folder, class_output(), lora={"rank": 2}, front=AS_TRANSFORMERS)
    bundle = bundle_of(model, tmp_path / "b")
    assert bundle.is_adapter
    expected = logits(model, wave, "emotion")
    assert torch.equal(logits(load_model(bundle.path), wave, "emotion"), expected)
    base = transformers.WhisperForAudioClassification.from_pretrained(folder, num_labels=3)
    with torch.no_grad():
        before = base.eval()(features).logits
        theirs = PeftModel.from_pretrained(base, bundle.path).eval()(features).logits
    assert torch.allclose(theirs, expected, atol=1e-5)
    assert not torch.allclose(before, expected, atol=1e-2)


def test_adapters_below_a_head_that_transformers_lacks_give_the_same_states_in_peft(
    folder: Path, half_a_minute: Any, tmp_path: Path
) -> None:
    """peft adds adapters of zeros to the decoder too, because its layers have the same names."""
    wave, features = half_a_minute
    output = ctc_output()
    model = built(folder, output, lora={"rank": 2}, front=AS_TRANSFORMERS)
    bundle = bundle_of(model, tmp_path / "b")
    assert bundle.is_adapter
    assert json.loads((bundle.path / "adapter_config.json").read_text())["modules_to_save"] is None
    expected = logits(model, wave, output.name)
    assert torch.equal(logits(load_model(bundle.path), wave, output.name), expected)
    with pytest.warns(UserWarning, match=r"missing adapter keys .*decoder\.layers\.0"):
        theirs = PeftModel.from_pretrained(
            transformers.WhisperModel.from_pretrained(folder), bundle.path
        ).eval()
    with torch.no_grad():
        last, _, _ = model.encode(wave, torch.tensor([480_000]))
        assert torch.allclose(theirs.base_model.model.encoder(features).last_hidden_state, last, atol=1e-5)
    of_decoder = [
        value for name, value in theirs.named_parameters() if "decoder" in name and "lora_B" in name
    ]
    assert of_decoder and not any(value.any() for value in of_decoder)


@pytest.mark.parametrize("layer", ["last", "weighted"])
def test_the_logits_of_a_classifier_are_those_of_transformers(
    folder: Path, half_a_minute: Any, layer: str, tmp_path: Path
) -> None:
    wave, features = half_a_minute
    model = built(folder, class_output(layer=layer), front=AS_TRANSFORMERS)
    bundle = bundle_of(model, tmp_path / "b")
    theirs = transformers.WhisperForAudioClassification.from_pretrained(bundle.path).eval()
    with torch.no_grad():
        assert torch.allclose(theirs(features).logits, logits(model, wave, "emotion"), atol=1e-5)


def test_a_bundle_with_all_tasks_predicts_each_of_them(folder: Path, tmp_path: Path) -> None:
    tasks = [make_task(name, config) for name, config in TASKS.items()]
    model = built(folder, *(output for task in tasks for output in task.outputs))
    bundle = bundle_of(model, tmp_path / "b", tasks)
    samples = np.random.default_rng(0).normal(0, 0.1, 20_000).astype(np.float32)
    request = {"audio": (samples, 16000), "text": "가다"}
    (row,) = Predictor.load(bundle.path, vad="off").predict([request])
    assert row["tasks"].keys() == TASKS.keys()
    assert all("prediction" in content for content in row["tasks"].values())
    assert row["tasks"]["emotion"]["prediction"]["label"] in ("a", "b", "c")
    outputs = model.train()(torch.from_numpy(samples)[None], torch.tensor([len(samples)])).logits
    sum(value.square().sum() for value in outputs.values()).backward()
    layers = model.encoder.layers
    assert all(parameter.grad is not None for parameter in layers.parameters())


@pytest.mark.parametrize("lora", [None, {"rank": 2}])
def test_no_graph_is_recorded_below_the_first_trained_layer(folder: Path, lora: Any) -> None:
    model = built(folder, ctc_output(), lora=lora, freeze={"layers": 1}).train()
    has_graph = {}
    for name in ("conv1", "conv2", "layers.0", "layers.1"):
        model.encoder.get_submodule(name).register_forward_hook(
            lambda module, arguments, output, name=name: has_graph.__setitem__(name, output.requires_grad)
        )
    model(torch.randn(1, 8000), torch.tensor([8000]))
    assert has_graph == {"conv1": False, "conv2": False, "layers.0": False, "layers.1": True}


def test_model_info_counts_the_encoder_half(folder: Path, tmp_path: Path) -> None:
    whole = transformers.WhisperForConditionalGeneration.from_pretrained(folder)
    encoder = whole.model.encoder
    expected = sum(value.numel() for value in encoder.parameters()) - encoder.embed_positions.weight.numel()
    bundle = bundle_of(built(folder, ctc_output()), tmp_path / "b")
    head = 16 * 12 + 12
    for path, more in ((folder, 0), (bundle.path, head)):
        result = CliRunner().invoke(app, ["model-info", str(path), "--json"])
        assert result.exit_code == 0, result.output
        assert json.loads(result.stdout)["parameters"]["total"] == expected + more


@pytest.mark.slow
def test_the_largest_batch_is_found(folder: Path, tones: Manifest) -> None:
    recipe = load_recipe(
        "emotion-3class",
        ["data.source=manifest", "split.given=null", f"data={tones.path}", "train.device=cpu"],
    )
    recipe.model.encoder, recipe.model.architecture = str(folder), {}
    used_gb = psutil.Process().memory_info().rss / 1e9  # other tests of this process came before
    found = find_batch(recipe, memory_gb=used_gb + 3.0)
    assert found.padded_seconds >= found.longest_s > 0
