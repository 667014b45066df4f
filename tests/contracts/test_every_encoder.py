"""What every family of encoders promises (`models/encoder_module.py`), over a toy of each kind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

from soritune.audio.preprocessing import Preprocessing
from soritune.models.adapters import adapted_modules, merge_adapters
from soritune.models.build import build_model
from soritune.models.config import FreezeSettings, LoraSettings, ModelConfig
from soritune.models.encoder_module import ENTRY, FIRST_LAYER, FRONT
from soritune.models.encoders.encoder import families, family_of, geometry_of
from soritune.models.freezing import check_frozen
from soritune.models.gradient_watch import check_gradients
from soritune.models.loading import load_model
from soritune.models.model import SpeechModel
from soritune.models.saving import save_bundle
from soritune.tasks.emotion import EmotionConfig, EmotionTask
from soritune.testing import ALL_FAMILIES, FAMILIES, class_output, ctc_output, tiny_config

LAYERS = 3
PHONEME = (ctc_output(),)
KINDS = pytest.mark.parametrize(("kind", "norm"), ALL_FAMILIES)
OF_WAVEFORMS = pytest.mark.parametrize(("kind", "norm"), FAMILIES)
"""Encoders that transformers calls with a waveform too."""


def build(kind: str, norm: str, outputs: Any = PHONEME, rate: int = 16000, **config: Any) -> SpeechModel:
    architecture = tiny_config(kind, norm, LAYERS)  # type: ignore[arg-type]
    settings = ModelConfig(encoder="toy", architecture=architecture, random_weights=True, **config)
    return build_model(settings, outputs, seed=0, sample_rate_hz=rate)


def waves(lengths: list[int]) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(7)
    sizes = torch.tensor(lengths)
    values = torch.randn(len(lengths), max(lengths), generator=generator)
    return values * (torch.arange(max(lengths)) < sizes[:, None]), sizes


def test_every_family_has_a_toy() -> None:
    assert set(families()) == {kind for kind, _ in ALL_FAMILIES}


@KINDS
def test_frames_counted_are_frames_produced(kind: str, norm: str) -> None:
    model = build(kind, norm).eval()
    geometry = model.geometry
    lengths = torch.randint(geometry.least_samples, 9000, (200,), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        for samples in lengths.tolist():
            features = model.encoder.front(torch.randn(1, samples), torch.tensor([samples]))
            assert features.shape[1] == geometry.num_computed_frames(samples)
        for samples in lengths[:5].tolist():
            output = model(torch.randn(1, samples), torch.tensor([samples]))
            assert output.logits["phoneme"].shape[1] == geometry.num_frames(samples)
            assert output.num_frames.tolist() == [geometry.num_frames(samples)]


@KINDS
def test_clip_alone_equals_the_clip_in_a_batch(kind: str, norm: str) -> None:
    model = build(kind, norm, (ctc_output(), class_output(layer="weighted"))).eval()
    wave, sizes = waves([8000, 340, 4803, 3200])
    together = model(wave, sizes)
    for row, samples in enumerate(sizes.tolist()):
        alone = model(wave[row : row + 1, :samples], sizes[row : row + 1])
        frames = int(alone.num_frames)
        assert torch.allclose(together.logits["phoneme"][row, :frames], alone.logits["phoneme"][0], atol=1e-5)
        assert torch.allclose(together.logits["emotion"][row], alone.logits["emotion"][0], atol=1e-5)


@OF_WAVEFORMS
def test_geometry_of_the_config_is_that_of_the_model(kind: str, norm: str) -> None:
    model = build(kind, norm, rate=8000)
    assert geometry_of(model.encoder.config.to_dict(), 8000) == model.geometry
    assert model.geometry.frame_rate_hz == 8000 / model.geometry.samples_per_frame


@KINDS
def test_stages_cover_every_weight_once_and_names_agree_with_modules(kind: str, norm: str) -> None:
    encoder = build(kind, norm).encoder
    stages = encoder.stages()
    assert len(stages) == FIRST_LAYER + encoder.num_layers + 1 == FIRST_LAYER + LAYERS + 1
    by_module: dict[int, int] = {}
    for index, modules in enumerate(stages):
        for module in modules:
            for parameter in module.parameters():
                assert id(parameter) not in by_module
                by_module[id(parameter)] = index
    by_name = {id(parameter): encoder.stage_of(name) for name, parameter in encoder.named_parameters()}
    mask = encoder.mask_embedding
    assert {key for key, stage in by_name.items() if stage is None} == (
        {id(mask)} if mask is not None else set()
    )
    assert {key: stage for key, stage in by_name.items() if stage is not None} == by_module
    for name, _ in encoder.named_parameters():
        stage = encoder.stage_of(name)
        inside = stage is not None and FIRST_LAYER <= stage < FIRST_LAYER + LAYERS
        assert encoder.layer_of(name) == (stage - FIRST_LAYER if stage is not None and inside else None)


@OF_WAVEFORMS
def test_states_are_those_of_transformers(kind: str, norm: str, tmp_path: Path) -> None:
    outputs = tuple(class_output(f"o{layer}", layer=layer) for layer in (0, 1, LAYERS))
    model = build(kind, norm, outputs).eval()
    save_bundle(model, tmp_path / "b", tasks=[], preprocessing=Preprocessing())
    theirs = transformers.AutoModel.from_pretrained(tmp_path / "b").eval()
    wave, sizes = waves([5000])
    with torch.no_grad():
        last, states, valid = model.encode(wave, sizes)
        expected = theirs(wave, output_hidden_states=True)
    assert valid.all()
    assert torch.allclose(last, expected.last_hidden_state, atol=1e-5)
    for layer in (0, 1):
        assert torch.allclose(states[layer], expected.hidden_states[layer], atol=1e-5)


@KINDS
@pytest.mark.parametrize(
    ("freeze", "trained"),
    [
        (FreezeSettings(feature_encoder=True), {ENTRY, *range(FIRST_LAYER, FIRST_LAYER + LAYERS)}),
        (FreezeSettings(feature_encoder=False), {FRONT, ENTRY, *range(FIRST_LAYER, FIRST_LAYER + LAYERS)}),
        (FreezeSettings(layers=2), {FIRST_LAYER + 2}),
        (FreezeSettings(encoder=True), set()),
    ],
)
def test_frozen_stages_have_no_gradient_and_others_have_one(
    kind: str, norm: str, freeze: FreezeSettings, trained: set[int]
) -> None:
    model = build(kind, norm, freeze=freeze, dropout=0.0).train()
    check_frozen(model)
    wave, sizes = waves([8000, 4803])
    model(wave, sizes).logits["phoneme"].square().sum().backward()
    encoder = model.encoder
    moved = {
        encoder.stage_of(name)
        for name, p in encoder.named_parameters()
        if p.grad is not None and p.grad.any()
    }
    last = FIRST_LAYER + LAYERS
    with_weights = {stage for stage, modules in enumerate(encoder.stages()) if _has_weights(modules)}
    assert moved - {last, None} == trained & with_weights
    assert (last in moved) == (bool(encoder.stages()[-1]) and bool(trained))
    assert not check_gradients(model)


def _has_weights(modules: tuple[torch.nn.Module, ...]) -> bool:
    return any(True for module in modules for _ in module.parameters())


@KINDS
def test_every_adapter_gets_a_gradient_and_merges(kind: str, norm: str) -> None:
    lora = LoraSettings(rank=2, dropout=0.0, layers=(1, 2))
    model = build(kind, norm, lora=lora, dropout=0.0)
    targets = family_of(kind, "x").lora_targets
    assert len(adapted_modules(model.encoder)) == 2 * len(targets)
    assert {model.layer_of(name) for name, _ in model.named_parameters() if ".lora_" in name} == {1, 2}
    generator = torch.Generator().manual_seed(3)
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            parameter.data = torch.randn(parameter.shape, generator=generator) * 0.3
    wave, sizes = waves([8000, 4803])
    before = model.eval()(wave, sizes).logits["phoneme"]
    before.square().sum().backward()
    adapters = [p for name, p in model.named_parameters() if ".lora_" in name]
    assert adapters
    assert all(p.grad is not None and p.grad.any() for p in adapters)
    assert merge_adapters(model) == 2 * len(targets)
    assert torch.allclose(model(wave, sizes).logits["phoneme"], before, atol=1e-4)


@KINDS
def test_activation_checkpointing_gives_the_same_gradients(kind: str, norm: str) -> None:
    wave, sizes = waves([8000, 4803])
    gradients = []
    for checkpointing in (False, True):
        model = build(kind, norm, gradient_checkpointing=checkpointing, dropout=0.0).train()
        model(wave, sizes).logits["phoneme"].square().sum().backward()
        gradients.append([p.grad for p in model.parameters() if p.grad is not None])
    assert len(gradients[0]) == len(gradients[1])
    for plain, recomputed in zip(*gradients, strict=True):
        assert torch.allclose(plain, recomputed, atol=1e-4, rtol=1e-4)


@pytest.mark.slow
@OF_WAVEFORMS
@pytest.mark.parametrize("head", ["ctc", "classification"])
def test_bundle_opens_here_and_in_transformers(kind: str, norm: str, head: str, tmp_path: Path) -> None:
    task = EmotionTask(EmotionConfig(labels=("a", "b", "c")))
    outputs = task.outputs if head == "classification" else PHONEME
    model = build(kind, norm, outputs).eval()
    tasks = [task] if head == "classification" else []
    bundle = save_bundle(model, tmp_path / "b", tasks=tasks, preprocessing=Preprocessing())
    assert bundle.geometry == model.geometry
    wave, sizes = waves([6000])
    with torch.no_grad():
        expected = model(wave, sizes).logits[outputs[0].name]
    assert torch.equal(load_model(bundle.path)(wave, sizes).logits[outputs[0].name], expected)
    auto: dict[str, Any] = {
        "ctc": transformers.AutoModelForCTC,
        "classification": transformers.AutoModelForAudioClassification,
    }
    theirs = auto[head].from_pretrained(bundle.path).eval()
    assert torch.allclose(theirs(wave).logits, expected, atol=1e-5)
