from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers

from soritune.audio.preprocessing import Preprocessing
from soritune.errors import ModelError
from soritune.models.build import build_model
from soritune.models.config import ModelConfig
from soritune.models.encoders.encoder import family_of, with_front
from soritune.models.encoders.whisper.family import WhisperFamily
from soritune.models.loading import load_model
from soritune.models.saving import save_bundle
from soritune.tasks.task import make_task

FAMILY = WhisperFamily()
SIZES: dict[str, Any] = {
    "d_model": 16,
    "encoder_layers": 2,
    "encoder_attention_heads": 2,
    "encoder_ffn_dim": 32,
    "decoder_layers": 1,
    "decoder_attention_heads": 2,
    "decoder_ffn_dim": 32,
    "max_target_positions": 8,
    "init_std": 0.2,
}


def saved(folder: Path, **changes: Any) -> Path:
    """A toy Whisper with its decoder."""
    torch.manual_seed(0)
    config = transformers.WhisperConfig(**{**SIZES, **changes})
    transformers.WhisperForConditionalGeneration(config).save_pretrained(folder)
    return folder


def built(folder: Path | str, **settings: Any) -> Any:
    task = make_task("emotion", {"labels": ["a", "b", "c"]})
    return build_model(ModelConfig(encoder=str(folder), **settings), task.outputs, seed=0)


def test_classes_exist_in_transformers() -> None:
    assert all(hasattr(transformers, name) for name in FAMILY.hub_names("whisper").classes.values())
    assert family_of("whisper", "x").model_types == ("whisper",)


@pytest.mark.parametrize("samples", [319, 320, 479, 480, 16000, 48123])
def test_frames_are_those_of_the_feature_extractor_and_the_convolutions(samples: int) -> None:
    geometry = FAMILY.geometry({"appended_silence_s": 0}, 16000)
    mel = transformers.WhisperFeatureExtractor()(
        np.zeros(samples, dtype=np.float32), sampling_rate=16000, padding=False, return_tensors="np"
    ).input_features
    frames = torch.nn.functional.conv1d(
        torch.zeros(1, 1, mel.shape[2]), torch.zeros(1, 1, 3), stride=2, padding=1
    )
    assert geometry.num_frames(samples) == frames.shape[2]
    assert geometry.least_samples == 160
    assert (geometry.samples_per_frame, geometry.frame_rate_hz) == (320, 50.0)


def test_thirty_seconds_fill_the_positions() -> None:
    geometry = FAMILY.geometry({"appended_silence_s": 0}, 16000)
    assert geometry.num_frames(480_000) == geometry.max_frames == 1500
    assert geometry.num_frames(int(geometry.longest_samples)) == 1500
    assert geometry.num_frames(int(geometry.longest_samples) + 1) == 1501


def test_other_rates_are_refused() -> None:
    with pytest.raises(ModelError, match="works at 16000 Hz, and preprocessing.sample_rate_hz is 8000"):
        FAMILY.geometry({}, 8000)


@pytest.mark.parametrize(
    ("front", "message"),
    [
        ({"appended_silence_s": -1}, "appended_silence_s is -1; it must be a number of seconds from 0 to 30"),
        ({"appended_silence_s": "long"}, "appended_silence_s is 'long'"),
        ({"level_dbfs": 3}, "level_dbfs is 3; it must be a level from -100 to 0, or null"),
        ({"appended_silence_s": 10**400}, "it must be a number of seconds from 0 to 30"),
        (
            {"silence": 1},
            r"model\.front\.silence: .* has no such setting; it has appended_silence_s, level_dbfs",
        ),
    ],
)
def test_wrong_settings_of_the_front_are_refused(tmp_path: Path, front: dict[str, Any], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        built(saved(tmp_path), front=front)


def test_families_without_settings_of_the_front_refuse_them() -> None:
    with pytest.raises(ModelError, match="its front end has no settings; leave model.front out"):
        with_front({"model_type": "hubert"}, {"level_dbfs": -20}, "x")


def test_other_mel_bins_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="reads 40 mel bins; Whisper's encoders read 80 or 128"):
        built(saved(tmp_path, num_mel_bins=40))


def test_large_models_have_128_mel_bins(tmp_path: Path) -> None:
    model = built(saved(tmp_path, num_mel_bins=128)).eval()
    assert torch.isfinite(model(torch.randn(1, 4000), torch.tensor([4000])).logits["emotion"]).all()


def test_english_weights_get_one_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        built(saved(tmp_path, vocab_size=51864))
    assert caplog.text.count("is a Whisper for English only, which has heard no Korean") == 1


def test_a_folder_without_the_encoder_is_refused(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    folder = saved(tmp_path)
    weights = load_file(folder / "model.safetensors")
    kept = {name: value for name, value in weights.items() if not name.startswith("model.encoder.")}
    save_file(kept, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match="lacks .* encoder weights.* it is not a complete whisper model"):
        built(folder)


def test_other_numbers_of_positions_than_in_the_config_are_refused(tmp_path: Path) -> None:
    folder = saved(tmp_path)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "max_source_positions": 700}))
    with pytest.raises(ModelError, match=r"embed_positions.weight with \(1500, 16\) instead of \(700, 16\)"):
        built(folder)


@pytest.mark.parametrize("kind", ["WhisperModel", "WhisperForAudioClassification"])
def test_every_class_of_transformers_can_be_the_start(tmp_path: Path, kind: str) -> None:
    folder = saved(tmp_path / "whole")
    whole = transformers.WhisperForConditionalGeneration.from_pretrained(folder)
    other = getattr(transformers, kind)(whole.config)
    encoder = other.encoder
    encoder.load_state_dict(whole.model.encoder.state_dict())
    other.save_pretrained(tmp_path / "other")
    expected, found = (built(path).encoder.state_dict() for path in (folder, tmp_path / "other"))
    assert all(torch.equal(expected[name], found[name]) for name in expected)


@pytest.mark.parametrize("lora", [None, {"rank": 2}])
def test_bundles_open_here_and_in_transformers(tmp_path: Path, lora: Any) -> None:
    task = make_task("emotion", {"labels": ["a", "b", "c"]})
    model = built(saved(tmp_path / "start"), lora=lora, front={"appended_silence_s": 0.25}).eval()
    generator = torch.Generator().manual_seed(4)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
    save_bundle(model, tmp_path / "bundle", tasks=[task], preprocessing=Preprocessing(), adapter_only=False)
    wave, length = torch.randn(1, 8000), torch.tensor([8000])
    again = load_model(tmp_path / "bundle").eval()
    with torch.no_grad():
        assert torch.allclose(
            again(wave, length).logits["emotion"], model(wave, length).logits["emotion"], atol=1e-6
        )
    assert again.geometry.appended_samples == 4000
    theirs = transformers.WhisperForAudioClassification.from_pretrained(tmp_path / "bundle")
    ours = again.encoder.state_dict()
    assert all(torch.equal(value, ours[name]) for name, value in theirs.encoder.state_dict().items())
    extractor = transformers.AutoFeatureExtractor.from_pretrained(tmp_path / "bundle")
    assert (type(extractor).__name__, extractor.feature_size) == ("WhisperFeatureExtractor", 80)
