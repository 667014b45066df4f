"""A family of encoders in one file of another package: counted, checked, trained, adapted, saved, predicted, judged.

The family differs from wav2vec2 in all that the contract lets differ: bands of a spectrum as its front, padded frames,
appended silence, a configuration class of its own, other names of modules.
"""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
import yaml
from tests.conftest import write_external_package
from typer.testing import CliRunner

from soritune.bundles.read import load_bundle
from soritune.cli.main import app
from soritune.corpus.manifest import Manifest
from soritune.errors import ModelError
from soritune.geometry import Geometry
from soritune.inference.predictor import Predictor
from soritune.inference.windows import WindowSettings
from soritune.models.adapters import adapted_modules
from soritune.models.build import build_model
from soritune.models.config import FreezeSettings, LoraSettings, ModelConfig
from soritune.models.freezing import check_frozen
from soritune.models.gradient_watch import check_gradients
from soritune.models.loading import load_model
from soritune.models.model import SpeechModel
from soritune.recipe import load_recipe
from soritune.stages.row_problems import geometry_of_recipe
from soritune.testing import class_output, ctc_output

pytestmark = pytest.mark.slow

BANDS = '''
"""An encoder over the log energy of bands: frames of 40 ms every 20 ms, padded by half a frame, silence appended."""

import torch
from torch import nn
from transformers import PretrainedConfig

from soritune.errors import ModelError
from soritune.geometry import Geometry
from soritune.models.encoder_module import ENTRY, FIRST_LAYER, FRONT, EncoderModule
from soritune.models.encoders.encoder import EncoderFamily

WIDTH, STEP, APPENDED = 640, 320, 3200


class BandsConfig(PretrainedConfig):
    model_type = "bands"

    def __init__(self, channels=16, depth=2, **more):
        super().__init__(**more)
        self.channels, self.depth = channels, depth


class Layer(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.query, self.value, self.mix = (nn.Linear(channels, channels) for _ in range(3))

    def forward(self, hidden, valid):
        scores = self.query(hidden) @ hidden.transpose(1, 2)
        shares = torch.softmax(scores.masked_fill(~valid[:, None, :], -1e9), dim=-1)
        return hidden + self.mix(torch.tanh(shares @ self.value(hidden)))


class Bands(EncoderModule):
    def __init__(self, config, geometry):
        super().__init__()
        self.config, self.geometry = config, geometry
        self.register_buffer("window", torch.hann_window(WIDTH), persistent=False)
        self.bands = nn.Linear(WIDTH // 2 + 1, config.channels)
        self.place = nn.Linear(config.channels, config.channels)
        self.blocks = nn.ModuleList(Layer(config.channels) for _ in range(config.depth))

    def fill_buffers(self):
        self.window = torch.hann_window(WIDTH)

    @property
    def hidden_size(self):
        return self.config.channels

    @property
    def layers(self):
        return self.blocks

    @property
    def head_dropout(self):
        return 0.0

    @property
    def projector_size(self):
        return 8

    def front(self, waveform, num_samples):
        half = (WIDTH - STEP) // 2
        padded = nn.functional.pad(waveform, (half, half + APPENDED))
        frames = padded.unfold(1, WIDTH, STEP) * self.window
        return self.place(self.bands(torch.log(torch.fft.rfft(frames).abs() + 1e-3)))

    def run(self, features, valid, keep_layers):
        states, hidden = {0: features}, features
        for number, layer in enumerate(self.blocks, start=1):
            hidden = states[number] = layer(hidden, valid)
        return hidden, {layer: states[layer] for layer in keep_layers}

    def stages(self):
        return ((self.bands,), (self.place,), *((layer,) for layer in self.blocks), ())

    def stage_of(self, name):
        part, _, rest = name.partition(".")
        if part == "blocks":
            return FIRST_LAYER + int(rest.split(".")[0])
        return FRONT if part == "bands" else ENTRY


class BandsFamily(EncoderFamily):
    model_types = ("bands",)
    lora_targets = ("query", "value")

    def geometry(self, architecture, sample_rate_hz):
        if sample_rate_hz != 16000:
            raise ModelError(f"bands works at 16000 Hz, got {sample_rate_hz}; set preprocessing.sample_rate_hz=16000")
        return Geometry((WIDTH,), (STEP,), (WIDTH - STEP,), appended_samples=APPENDED)

    def config_class(self, model_type):
        return BandsConfig

    def configure(self, config, *, dropout, layerdrop, source):
        if layerdrop:
            raise ModelError("bands has no layer drop")

    def num_layers(self, config):
        return config.depth

    def build(self, config, geometry):
        return Bands(config, geometry)

    def saves_adapters(self, model_type):
        return False


ENCODER = BandsFamily()
'''
ARCHITECTURE = {"model_type": "bands", "channels": 12, "depth": 3}


@pytest.fixture(scope="module", autouse=True)
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The package is on `sys.path` for the tests of this file."""
    folder = tmp_path_factory.mktemp("site-packages")
    module = write_external_package(folder, "soritune.models.encoders", "bands", BANDS)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        importlib.invalidate_caches()
        yield
    sys.modules.pop(module, None)


def call(*arguments: str | Path) -> str:
    done = CliRunner(env={"COLUMNS": "200"}).invoke(
        app, [str(each) for each in arguments], catch_exceptions=False
    )
    assert done.exit_code == 0, done.output
    return done.stdout


def build(**more: Any) -> SpeechModel:
    config = ModelConfig(encoder="x", architecture=ARCHITECTURE, random_weights=True, **more)
    return build_model(config, (ctc_output(), class_output(layer="weighted")), seed=0)


@pytest.fixture(scope="module")
def recipe(tones: Manifest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    settings = {
        "name": "bands",
        "data": {"source": "manifest", "root": str(tones.path)},
        "split": {"by": ["speaker"], "ratios": {"train": 0.5, "val": 0.2, "test": 0.3}},
        "tasks": {"emotion": {"labels": ["Anxious", "Kind", "Dry"]}, "phoneme": {}},
        "model": {
            "encoder": "x",
            "random_weights": True,
            "architecture": ARCHITECTURE,
            "freeze": {"feature_encoder": False},
        },
        "batches": {"batch_size": 4, "num_workers": 0},
        "augment": {"spec_augment": {"probability": 1.0, "time_width_frames": 5}},
        "train": {"epochs": 20, "learning_rate": 0.01, "device": "cpu"},
    }
    path = tmp_path_factory.mktemp("recipe") / "bands.yaml"
    path.write_text(yaml.safe_dump(settings), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def trained(recipe: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("runs") / "bands"
    return folder, json.loads(call("run", recipe, "-o", folder, "--json").splitlines()[-1])


def test_the_recipe_s_geometry_is_the_family_s(recipe: Path) -> None:
    loaded = load_recipe(str(recipe))
    # ceil(n / 320) frames, silence not counted: (n + 320 - 640) // 320 + 1 = n // 320.
    assert [geometry_of_recipe(loaded).num_frames(n) for n in (319, 320, 16000)] == [0, 1, 50]
    with pytest.raises(ModelError, match="works at 16000 Hz, got 8000"):
        call("run", recipe, "preprocessing.sample_rate_hz=8000", "--dry-run")
    with pytest.raises(ModelError, match="no layer drop"):
        call("model-info", recipe, "model.layerdrop=0.1")


def test_frames_padding_states_and_stages_keep_the_contract() -> None:
    model = build().eval()
    sizes = torch.tensor([8000, 4801, 330])
    wave = torch.randn(3, 8000) * (torch.arange(8000) < sizes[:, None])
    together = model(wave, sizes)
    assert together.num_frames.tolist() == [25, 15, 1]
    assert together.logits["phoneme"].shape[1] == 25
    for row, samples in enumerate(sizes.tolist()):
        alone = model(wave[row : row + 1, :samples], sizes[row : row + 1])
        assert alone.logits["phoneme"].shape[1] == samples // 320
        frames = samples // 320
        assert torch.allclose(together.logits["phoneme"][row, :frames], alone.logits["phoneme"][0], atol=1e-4)
        assert torch.allclose(together.logits["emotion"][row], alone.logits["emotion"][0], atol=1e-4)
    masked = torch.zeros(3, 25, dtype=torch.bool)
    masked[:, 3] = True
    assert not torch.allclose(
        model(wave, sizes, time_mask=masked).logits["phoneme"], together.logits["phoneme"]
    )


def test_adapters_and_freezing_use_the_names_of_the_family() -> None:
    model = build(lora=LoraSettings(rank=2, layers=(1, 2), dropout=0.0), freeze=FreezeSettings(layers=1))
    check_frozen(model)
    assert sorted({name.split(".")[-1] for name in adapted_modules(model.encoder)}) == ["query", "value"]
    assert {model.layer_of(name) for name, _ in model.named_parameters() if "lora_" in name} == {1, 2}
    wave, sizes = torch.randn(1, 8000), torch.tensor([8000])
    for name, weight in model.named_parameters():
        if "lora_B" in name:
            weight.data = torch.randn(weight.shape)
    sum(logits.square().sum() for logits in model(wave, sizes).logits.values()).backward()
    assert check_gradients(model) == []


def test_it_learns_saves_and_opens_again(trained: tuple[Path, dict[str, Any]], tones: Manifest) -> None:
    folder, printed = trained
    assert printed["scores"]["tasks"]["emotion"]["rates"]["ua"]["value"] > 0.6
    bundle = load_bundle(folder / "bundles" / "best_emotion_ua")
    assert bundle.geometry == Geometry((640,), (320,), (320,), appended_samples=3200)
    assert json.loads((bundle.path / "config.json").read_text())["architectures"] == ["BandsModel"]
    model = load_model(bundle.path)
    assert type(model.encoder).__name__ == "Bands"
    answer = json.loads(call("predict", tones.audio_path(tones.utterance(0)), "-b", bundle.path, "--json"))
    assert answer["failed"] == 0
    table = json.loads(call("model-info", bundle.path, "--json"))
    assert (table["model_type"], table["num_layers"], table["frame_rate_hz"]) == ("bands", 3, 50.0)


def test_windows_join_its_padded_frames(trained: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    soundfile.write(tmp_path / "long.wav", 0.1 * np.random.default_rng(0).standard_normal(16000 * 9), 16000)
    bundle = trained[0] / "bundles" / "last"
    counts = []
    for longest_s in (30, 3):
        windows = WindowSettings(longest_s=longest_s, window_s=2.5, overlap_s=0.5)
        (found,) = Predictor.load(bundle, device="cpu", windows=windows).posteriors(tmp_path / "long.wav")
        counts.append(found.num_frames)
    assert counts == [450, 450]


def test_a_training_starts_from_its_bundle(
    recipe: Path, trained: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    start = f"model.init_from={trained[0] / 'bundles' / 'last'}"
    printed = call("run", recipe, start, "train.max_steps=2", "-o", tmp_path / "second", "--json")
    assert json.loads(printed.splitlines()[-1])["training"]["steps"] == 2
    config = ModelConfig(encoder="x", init_from=str(trained[0] / "bundles" / "last"))
    report = str(build_model(config, load_bundle(config.init_from or "").outputs, seed=1).load_report)
    assert "head emotion: kept, all 3 labels" in report
