from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

from soritune.errors import ModelError
from soritune.models.build import build_model
from soritune.models.config import ModelConfig
from soritune.models.encoder_module import ENTRY, FIRST_LAYER, FRONT
from soritune.models.model import SpeechModel
from soritune.testing import class_output, ctc_output

SIZES: dict[str, Any] = {
    "d_model": 16,
    "encoder_layers": 3,
    "encoder_attention_heads": 2,
    "encoder_ffn_dim": 32,
    "decoder_layers": 1,
    "decoder_attention_heads": 2,
    "decoder_ffn_dim": 32,
    "max_target_positions": 8,
    "classifier_proj_size": 8,
    "init_std": 0.2,
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A toy Whisper as transformers saves it, with its decoder."""
    target = tmp_path_factory.mktemp("whisper")
    torch.manual_seed(0)
    transformers.WhisperForConditionalGeneration(transformers.WhisperConfig(**SIZES)).save_pretrained(target)
    return target


def build(folder: Path, *, outputs: tuple[Any, ...] = (ctc_output(),), **config: Any) -> SpeechModel:
    return build_model(ModelConfig(encoder=str(folder), **config), outputs, seed=0)


@pytest.fixture
def waves() -> tuple[torch.Tensor, torch.Tensor]:
    lengths = torch.tensor([8000, 4803, 3200])
    generator = torch.Generator().manual_seed(7)
    values = torch.randn(3, 8000, generator=generator)
    return values * (torch.arange(8000) < lengths[:, None]), lengths


def test_states_equal_transformers_on_thirty_seconds(folder: Path) -> None:
    """The only length that transformers takes."""
    wave = 0.1 * torch.randn(1, 480_000, generator=torch.Generator().manual_seed(1))
    extractor = transformers.WhisperFeatureExtractor()
    features = extractor(wave[0].numpy(), sampling_rate=16000, return_tensors="pt").input_features
    theirs = transformers.WhisperModel.from_pretrained(folder).encoder.eval()
    encoder = build(folder, front={"level_dbfs": None, "appended_silence_s": 0}).encoder.eval()
    valid = torch.ones(1, 1500, dtype=torch.bool)
    with torch.no_grad():
        expected = theirs(features, output_hidden_states=True)
        last, states = encoder.run(encoder.front(wave, torch.tensor([480_000])), valid, (0, 1, 2))
    assert sorted(states) == [0, 1, 2]
    for layer, state in states.items():
        assert torch.allclose(state, expected.hidden_states[layer], atol=1e-5)
    assert torch.allclose(last, expected.last_hidden_state, atol=1e-5)


@pytest.mark.parametrize("silence", [0, 0.5])
def test_a_clip_alone_equals_the_clip_in_a_batch(folder: Path, waves: Any, silence: float) -> None:
    model = build(folder, front={"appended_silence_s": silence}).eval()
    wave, lengths = waves
    with torch.no_grad():
        together = model(wave, lengths)
        for row, length in enumerate(lengths.tolist()):
            alone = model(wave[row : row + 1, :length], lengths[row : row + 1])
            frames = int(alone.num_frames[0])
            assert frames == int(together.num_frames[row]) == (length // 160 + 1) // 2
            found = together.logits["phoneme"][row, :frames]
            assert torch.allclose(found, alone.logits["phoneme"][0, :frames], atol=1e-5)


@pytest.mark.parametrize("gain", [0.01, 20.0])
def test_gain_changes_nothing(folder: Path, waves: Any, gain: float) -> None:
    model = build(folder).eval()
    wave, lengths = waves
    with torch.no_grad():
        expected, found = (model(factor * wave, lengths).logits["phoneme"] for factor in (1.0, gain))
    assert torch.allclose(found, expected, atol=1e-5)


def test_frames_of_appended_silence_are_dropped(folder: Path, waves: Any) -> None:
    wave, lengths = waves
    for silence in (0, 0.5, 2):
        model = build(folder, front={"appended_silence_s": silence}).eval()
        with torch.no_grad():
            output = model(wave, lengths)
        assert output.logits["phoneme"].shape[1] == 25
        assert output.num_frames.tolist() == [25, 15, 10]


def test_a_clip_beyond_the_positions_is_refused(folder: Path) -> None:
    model = build(folder).eval()
    longest = int(model.geometry.longest_samples)
    assert longest == 472_159  # 1,500 frames hold 3,000 mel frames and 159 samples; half a second is silence
    with torch.no_grad():
        assert model(torch.zeros(1, longest), torch.tensor([longest])).num_frames.tolist() == [1475]
        with pytest.raises(
            ModelError, match=r"1,501 frames and the encoder 1,500 positions; set .* to 29\.5"
        ):
            model(torch.zeros(1, longest + 1), torch.tensor([longest + 1]))


@pytest.mark.parametrize(
    ("name", "stage"),
    [
        ("conv1.weight", FRONT),
        ("conv2.bias", FRONT),
        ("embed_positions.weight", ENTRY),
        ("layers.0.self_attn.q_proj.weight", FIRST_LAYER),
        ("layers.2.fc1.lora_A.default.weight", FIRST_LAYER + 2),
        ("layer_norm.weight", FIRST_LAYER + 3),
    ],
)
def test_stage_of_a_weight(folder: Path, name: str, stage: int) -> None:
    assert build(folder).encoder.stage_of(name) == stage


def test_weights_are_those_of_the_encoder_half(folder: Path) -> None:
    theirs = transformers.WhisperModel.from_pretrained(folder).encoder.state_dict()
    ours = build(folder).encoder.state_dict()
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_positions_are_never_trained(folder: Path) -> None:
    model = build(folder, freeze={"feature_encoder": False})
    assert "encoder.embed_positions.weight" not in dict(model.named_parameters())


@pytest.mark.parametrize(
    "settings",
    [
        {"freeze": {"feature_encoder": False}},
        {"freeze": {"layers": 2}},
        {"lora": {"rank": 2}},
        {"gradient_checkpointing": True},
        {"layerdrop": 0.5},
        {"dropout": 0.2},
    ],
    ids=str,
)
def test_trained_weights_get_gradients(folder: Path, waves: Any, settings: dict[str, Any]) -> None:
    model = build(folder, **settings).train()
    torch.manual_seed(3)
    wave, lengths = waves
    logits = model(wave, lengths, time_mask=torch.rand(3, 25) < 0.1).logits["phoneme"]
    logits.square().sum().backward()
    if "layerdrop" in settings:
        return
    for name, parameter in model.named_parameters():
        assert (parameter.grad is not None) == parameter.requires_grad, name


def test_kept_states_of_dropped_layers_are_those_below(folder: Path, waves: Any) -> None:
    encoder = build(folder, layerdrop=0.999).encoder.train()
    wave, lengths = waves
    features = encoder.front(wave, lengths)
    valid = torch.ones(features.shape[:2], dtype=torch.bool)
    torch.manual_seed(0)
    _, states = encoder.run(features, valid, (0, 1, 2, 3))
    assert all(torch.equal(states[0], states[layer]) for layer in (1, 2))
    assert torch.equal(encoder.layer_norm(states[0]), states[3])


def test_layers_above_the_highest_that_is_read_are_not_computed(folder: Path, waves: Any) -> None:
    wave, lengths = waves
    called = []
    logits = {}
    for layer in (2, "last"):
        model = build(folder, outputs=(ctc_output("low", layer=2), ctc_output(layer=layer))).eval()
        for number, block in enumerate(model.encoder.layers, start=1):
            block.register_forward_hook(lambda *_, key=(layer, number): called.append(key))
        logits[layer] = model(wave, lengths).logits["low"]
    assert called == [(2, 1), (2, 2), ("last", 1), ("last", 2), ("last", 3)]
    assert torch.equal(logits[2], logits["last"])


def test_sizes_are_those_of_the_config(folder: Path) -> None:
    encoder = build(folder, dropout=0.25, outputs=(class_output(layer="weighted"),)).encoder
    assert (encoder.hidden_size, encoder.num_layers, encoder.projector_size) == (16, 3, 8)
    assert encoder.head_dropout == 0.25
    assert encoder.layers_name == "layers"
    assert encoder.mask_embedding is None
