"""Preprocessed samples are the same from file and memory, and the same as those of Hugging Face's extractor."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from pydantic import ValidationError

from soritune.audio.augment.chain import Chain
from soritune.audio.augment.mixing import MixableBatch, Mixing
from soritune.audio.augment.settings import AugmentSettings
from soritune.audio.augment.spec_augment import SpecAugment
from soritune.audio.augment.speed import SpeedPerturbation
from soritune.audio.preprocessing import Preprocessing
from soritune.errors import AudioError, AugmentationError


def noise(seconds: float, rate: int = 16000) -> np.ndarray:
    return (
        (0.1 + 0.2 * np.random.default_rng(1).standard_normal(round(seconds * rate)))
        .clip(-1, 0.99)
        .astype(np.float32)
    )


def test_normalisation_equals_the_hugging_face_extractor() -> None:
    transformers = pytest.importorskip("transformers")
    extractor = transformers.Wav2Vec2FeatureExtractor(do_normalize=True, sampling_rate=16000)
    for waveform in (noise(1.3), np.zeros(4000, np.float32), 1e-4 * noise(0.5)):
        theirs = extractor(waveform, sampling_rate=16000, return_tensors="np").input_values[0]
        ours = Preprocessing().apply(waveform, 16000)
        assert ours.dtype == np.float32
        assert np.abs(ours - theirs).max() < 1e-6


def test_file_and_memory_give_identical_samples(tmp_path: Path) -> None:
    stereo = np.stack([noise(2.0, 48000), 0.5 * noise(2.0, 48000)], axis=1)
    soundfile.write(tmp_path / "a.wav", stereo, 48000, subtype="FLOAT")
    for chain in (Preprocessing(), Preprocessing(max_duration_s=1.5)):
        assert np.array_equal(chain.load(tmp_path / "a.wav"), chain.apply(stereo, 48000))


@pytest.mark.parametrize("rate", [8000, 11025, 22050, 44100, 48000])
def test_crop_equals_the_beginning_of_the_whole_file(tmp_path: Path, rate: int) -> None:
    soundfile.write(tmp_path / "a.wav", noise(4.0, rate), rate, subtype="FLOAT")
    whole = Preprocessing(normalize=False).load(tmp_path / "a.wav")
    crop = Preprocessing(normalize=False, max_duration_s=2.5).load(tmp_path / "a.wav")
    assert np.array_equal(crop, whole[:40000])


def test_augmentation_is_applied_only_on_request_and_repeated_by_its_seed(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", noise(1.0), 16000, subtype="FLOAT")
    chain, speed = Preprocessing(normalize=False), SpeedPerturbation(factors=(0.8, 1.25), probability=1)
    waveforms = [chain.load(tmp_path / "a.wav", augment=speed, seed=seed) for seed in (3, 3, 4, 5, 6)]
    assert np.array_equal(waveforms[0], waveforms[1])
    assert {len(waveform) for waveform in waveforms} == {
        20000,
        12800,
    }  # a second at 0.8 and at 1.25 of its speed
    assert len(chain.load(tmp_path / "a.wav")) == 16000
    with pytest.raises(ValueError, match="give augment and seed together"):
        chain.load(tmp_path / "a.wav", augment=speed)
    assert "augment" not in chain.model_dump()


def test_augmentation_may_be_a_mapping_and_other_types_are_refused(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", noise(1.0), 16000, subtype="FLOAT")
    chain, given = Preprocessing(normalize=False), {"speed": {"factors": [0.8], "probability": 1}}
    assert len(chain.load(tmp_path / "a.wav", augment=given, seed=1)) == 20000  # a second at 0.8 of its speed
    invalid: list[Any] = [SpeedPerturbation, [SpeedPerturbation()], "speed"]
    for augment in invalid:
        with pytest.raises(AugmentationError, match="is not an augmentation"):
            chain.load(tmp_path / "a.wav", augment=augment, seed=1)


def test_masks_and_mixing_alone_are_refused_for_a_waveform(tmp_path: Path) -> None:
    class Swap(Mixing):
        def mix(self, batch: MixableBatch, rng: np.random.Generator) -> MixableBatch:
            return batch

    soundfile.write(tmp_path / "a.wav", noise(1.0), 16000, subtype="FLOAT")
    chain = Preprocessing(normalize=False)
    for masks in (SpecAugment(), AugmentSettings.model_validate({"spec_augment": {}}), {"spec_augment": {}}):
        with pytest.raises(AugmentationError, match=r"augment\.spec_augment acts on features .* waveform"):
            chain.load(tmp_path / "a.wav", augment=masks, seed=1)
    with pytest.raises(AugmentationError, match=r"augment\.Swap acts on batches .* waveform"):
        chain.load(tmp_path / "a.wav", augment=Chain.of(Swap()), seed=1)
    both = {"speed": {"factors": [0.8], "probability": 1}, "spec_augment": {}}
    assert len(chain.load(tmp_path / "a.wav", augment=both, seed=1)) == 20000
    assert len(chain.load(tmp_path / "a.wav", augment={}, seed=1)) == 16000


def test_only_the_first_seconds_are_kept(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", noise(3.0), 16000, subtype="FLOAT")
    chain = Preprocessing(max_duration_s=1.25, normalize=False)
    assert np.array_equal(chain.load(tmp_path / "a.wav"), noise(3.0)[:20000])
    assert np.array_equal(chain.load(tmp_path / "a.wav", 0.5, 2.0), noise(3.0)[8000:28000])
    assert len(chain.load(tmp_path / "a.wav", 0.5, 0.75)) == 12000
    assert len(chain.apply(noise(3.0), 16000)) == 20000


def test_duration_is_ignored_for_a_whole_file(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", noise(1.0), 16000)
    assert len(Preprocessing().load(tmp_path / "a.wav", None, 7.0)) == 16000


def test_clip_of_50_ms_is_refused(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", noise(0.05), 16000)
    with pytest.raises(AudioError, match=r"lasts 0\.050 s; at least 0\.1 s are needed"):
        Preprocessing().load(tmp_path / "a.wav")
    with pytest.raises(AudioError, match="at least"):
        Preprocessing().apply(noise(0.05), 16000)
    assert len(Preprocessing(min_duration_s=0.02).load(tmp_path / "a.wav")) == 800


def test_bad_samples_in_memory_are_refused() -> None:
    with pytest.raises(AudioError, match="NaN"):
        Preprocessing().apply(np.array([np.nan] * 16000), 16000)
    with pytest.raises(AudioError, match="3 axes"):
        Preprocessing().apply(np.zeros((2, 2, 2)), 16000)


def test_settings_are_checked_and_survive_a_dump() -> None:
    with pytest.raises(ValidationError, match="below min_duration_s"):
        Preprocessing(max_duration_s=0.05)
    with pytest.raises(ValidationError, match="Extra inputs"):
        Preprocessing(sample_rate=8000)  # type: ignore[call-arg]
    chain = Preprocessing(max_duration_s=15.0, normalize=False)
    assert Preprocessing.model_validate(chain.model_dump()) == chain


@pytest.mark.parametrize("shape", [(1, 16000), (2, 16000), (6, 8000), (1, 2)])
def test_arrays_with_channels_first_are_refused(shape: tuple[int, int]) -> None:
    with pytest.raises(
        AudioError, match=rf"\({shape[0]}, {shape[1]}\), so {shape[1]} channels.*samples, channels"
    ):
        Preprocessing().apply(np.zeros(shape, np.float32), 16000)


def test_case_of_a_channels_first_array(shared_cases: Path) -> None:
    """The case runs the packaged model; its last line prints the error of the row."""
    script = (shared_cases / "A05_channels_first_array" / "case.py").read_text(encoding="utf-8")
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=300)
    assert done.stdout.strip() == (
        "has the shape (1, 16000), so 16000 channels of 1 samples; give (samples, channels), such as waveform.T"
    )


@pytest.mark.parametrize(
    ("dtype", "scale", "offset"),
    [("int16", 32768, 0), ("int32", 2**31, 0), ("uint8", 128, 128), ("int8", 128, 0), ("float64", 1, 0)],
)
def test_whole_numbers_are_scaled_as_those_of_a_file(dtype: str, scale: float, offset: float) -> None:
    wave = 0.4 * np.sin(np.arange(16000) * 0.1)
    given = (wave * scale + offset).round(0 if dtype != "float64" else 9).astype(dtype)
    read = Preprocessing().read_samples(given, 16000)
    assert read.dtype == np.float32
    assert np.abs(read - wave).max() < (0.02 if dtype.endswith("8") else 1e-4)


@pytest.mark.parametrize(
    ("values", "dtype", "expected"),
    [
        ([-32768, 16384, 0, 1], "int16", [-1.0, 0.5, 0.0, 1 / 32768]),
        ([-(2**31), 2**30, 0, 2**29], "int32", [-1.0, 0.5, 0.0, 0.25]),
        ([0, 192, 128, 255], "uint8", [-1.0, 0.5, 0.0, 127 / 128]),
    ],
)
def test_scaled_values_are_those_worked_by_hand(values: list[int], dtype: str, expected: list[float]) -> None:
    chain = Preprocessing(min_duration_s=0)
    assert chain.read_samples(np.array(values, dtype), 16000).tolist() == expected


@pytest.mark.parametrize(
    ("waveform", "reason"),
    [
        (np.full(16000, 1000, np.int64), "whole numbers of 64 bits"),
        ([1000] * 16000, "whole numbers of 64 bits"),
        (np.full(16000, 1000, np.int32), "int32 samples that fill 16 bits only"),
        (np.full(16000, 1000.0), "floats up to 1000"),
        ([[0.1] * 8000, [0.1] * 3], "cannot be read as an array"),
    ],
)
def test_samples_without_a_known_full_scale_are_refused(waveform: object, reason: str) -> None:
    """Taken for the full range of their type, 16-bit values in 64 bits would be silence."""
    with pytest.raises(AudioError, match=reason):
        Preprocessing().apply(waveform, 16000)


def test_lists_and_tensors_are_samples() -> None:
    torch = pytest.importorskip("torch")
    expected = Preprocessing().apply(noise(1.0), 16000)
    for waveform in (noise(1.0).tolist(), torch.tensor(noise(1.0), requires_grad=True)):
        assert np.array_equal(Preprocessing().apply(waveform, 16000), expected)


def test_channel_of_an_array_is_taken() -> None:
    both = np.stack([noise(1.0), -noise(1.0)], axis=1)
    assert np.array_equal(Preprocessing().read_samples(both, 16000, 1), -noise(1.0))
    with pytest.raises(AudioError, match="channel 2 .* does not exist"):
        Preprocessing().read_samples(both, 16000, 2)
