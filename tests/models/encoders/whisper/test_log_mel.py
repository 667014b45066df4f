from __future__ import annotations

import numpy as np
import pytest
import torch
import transformers

from soritune.models.encoders.whisper.log_mel import LogMel


def clip(samples: int, seed: int = 0) -> np.ndarray:
    """A gliding tone in noise."""
    rng = np.random.default_rng(seed)
    moments = np.arange(samples) / 16000
    tone = 0.3 * np.sin(2 * np.pi * (200 + 80 * moments) * moments)
    return (tone + 0.02 * rng.standard_normal(samples)).astype(np.float32)


@pytest.mark.parametrize("bins", [80, 128])
@pytest.mark.parametrize("samples", [400, 801, 5000, 16000, 48123])
def test_equal_to_the_feature_extractor_without_padding(bins: int, samples: int) -> None:
    wave = clip(samples)
    extractor = transformers.WhisperFeatureExtractor(feature_size=bins)
    expected = extractor(wave, sampling_rate=16000, padding=False, return_tensors="np").input_features[0]
    mel, frames = LogMel(bins, None)(torch.from_numpy(wave)[None], torch.tensor([samples]))
    assert mel.shape[1:] == expected.shape
    assert frames.tolist() == [expected.shape[1]] == [samples // 160]
    assert np.abs(mel[0].numpy() - expected).max() < 1e-4


def test_appended_silence_is_that_of_a_longer_recording() -> None:
    wave = clip(5000)
    longer = np.concatenate([wave, np.zeros(3000, dtype=np.float32)])
    front = LogMel(80, None)
    appended, frames = front(torch.from_numpy(wave)[None], torch.tensor([5000]), 3000)
    expected, _ = front(torch.from_numpy(longer)[None], torch.tensor([8000]))
    assert frames.tolist() == [50]
    assert torch.equal(appended, expected)


@pytest.mark.parametrize("appended", [0, 100, 8000])
def test_a_clip_alone_equals_the_clip_in_a_batch(appended: int) -> None:
    lengths = [8000, 4803, 3200]
    batch = torch.zeros(3, 8000)
    for row, length in enumerate(lengths):
        batch[row, :length] = torch.from_numpy(clip(length, row))
    front = LogMel(80, -26.0)
    together, frames = front(batch, torch.tensor(lengths), appended)
    for row, length in enumerate(lengths):
        alone, count = front(batch[row : row + 1, :length], torch.tensor([length]), appended)
        assert frames[row] == count[0] == (length + appended) // 160
        assert torch.allclose(together[row, :, : int(count[0])], alone[0], atol=1e-6)
        assert not together[row, :, int(count[0]) :].any()


@pytest.mark.parametrize("gain", [0.0001, 0.01, 20.0])
def test_gain_changes_nothing(gain: float) -> None:
    wave, length = torch.from_numpy(clip(8000))[None], torch.tensor([8000])
    expected, _ = LogMel(80, -26.0)(wave, length)
    scaled, _ = LogMel(80, -26.0)(gain * wave, length)
    assert torch.allclose(scaled, expected, atol=1e-5)
    without_level, _ = LogMel(80, None)(gain * wave, length)
    assert not torch.allclose(without_level, LogMel(80, None)(wave, length)[0], atol=1e-2)


def test_level_is_the_root_mean_square_of_the_valid_samples() -> None:
    """A tone of amplitude a has the root mean square a/√2; at -26 dBFS its amplitude is 10^(-26/20)·√2."""
    moments = torch.arange(8000) / 16000
    tone = torch.sin(2 * torch.pi * 400 * moments)[None]
    padded = torch.nn.functional.pad(0.7 * tone, (0, 4000))
    found, _ = LogMel(80, -26.0)(padded, torch.tensor([8000]))
    expected, _ = LogMel(80, None)(10 ** (-26 / 20) * 2**0.5 * tone, torch.tensor([8000]))
    assert torch.allclose(found[:, :, :50], expected, atol=1e-4)


@pytest.mark.parametrize("samples", [0, 1, 100, 159])
def test_clips_without_a_frame_give_finite_numbers(samples: int) -> None:
    mel, frames = LogMel(80, -26.0)(torch.full((1, 320), 0.1), torch.tensor([samples]))
    assert frames.tolist() == [0]
    assert torch.isfinite(mel).all()


def test_digital_silence_stays_silence() -> None:
    mel, _ = LogMel(80, -26.0)(torch.zeros(1, 1600), torch.tensor([1600]))
    assert torch.equal(mel, torch.full_like(mel, (-10 + 4) / 4))  # log10 of the floor, scaled
