from __future__ import annotations

import numpy as np
import pytest
import torch
import transformers

from soritune.geometry import Geometry, frames_of

BASE_KERNEL, BASE_STRIDE = (10, 3, 3, 3, 3, 2, 2), (5, 2, 2, 2, 2, 2, 2)
WHISPER = Geometry((400, 3, 3), (160, 1, 2), (240, 2, 2))
"""A spectrogram of 25 ms windows every 10 ms whose last column is dropped, then two convolutions."""


def test_frames_of_known_lengths_are_exact() -> None:
    # wav2vec2-base: 400 samples give one frame, 20 ms apart; one second has 49.
    lengths = [0, 399, 400, 719, 720, 16000, 160000]
    expected = [0, 0, 1, 1, 2, 49, 499]
    assert [frames_of(n, BASE_KERNEL, BASE_STRIDE) for n in lengths] == expected
    assert frames_of(np.array(lengths), BASE_KERNEL, BASE_STRIDE).tolist() == expected
    assert frames_of(torch.tensor(lengths), BASE_KERNEL, BASE_STRIDE).tolist() == expected
    assert isinstance(frames_of(16000, BASE_KERNEL, BASE_STRIDE), int)


def test_frames_of_padded_convolutions_equal_whispers_front_end() -> None:
    extractor = transformers.WhisperFeatureExtractor()
    for samples in (201, 320, 479, 480, 1600, 15999, 16000, 16161):
        mel = extractor(np.zeros(samples, np.float32), sampling_rate=16000, padding=False)["input_features"]
        width = np.shape(mel)[-1]
        # Two convolutions of width 3, padded by one on each side, the second with stride 2.
        after = torch.nn.Conv1d(1, 1, 3, 2, 1)(torch.nn.Conv1d(1, 1, 3, 1, 1)(torch.zeros(1, 1, width)))
        assert WHISPER.num_frames(samples) == after.shape[-1]


@pytest.mark.parametrize(
    "geometry", [Geometry(BASE_KERNEL, BASE_STRIDE), Geometry((64, 8, 4, 4), (16, 5, 2, 2)), WHISPER]
)
def test_least_samples_are_the_fewest_that_give_a_frame(geometry: Geometry) -> None:
    assert geometry.num_frames(geometry.least_samples) == 1
    assert geometry.num_frames(geometry.least_samples - 1) == 0


def test_frame_rate_is_the_sample_rate_over_the_strides() -> None:
    geometry = Geometry(BASE_KERNEL, BASE_STRIDE, sample_rate_hz=8000)
    assert (geometry.samples_per_frame, geometry.frame_rate_hz) == (320, 25.0)
    assert (WHISPER.samples_per_frame, WHISPER.frame_rate_hz) == (320, 50.0)


def test_frames_of_appended_silence_are_computed_but_not_counted() -> None:
    geometry = Geometry((400,), (320,), appended_samples=3200)
    assert geometry.num_frames(4000) == 12
    assert geometry.num_computed_frames(4000) == 22
    assert geometry.num_computed_frames(np.array([4000])).tolist() == [22]


@pytest.mark.parametrize("appended", [0, 8000])
def test_longest_clip_has_as_many_frames_as_can_be_computed(appended: int) -> None:
    geometry = Geometry((400, 3, 3), (160, 1, 2), (240, 2, 2), appended_samples=appended, max_frames=1500)
    longest = int(geometry.longest_samples)
    assert longest + appended == 3000 * 160 + 159
    assert geometry.num_computed_frames(longest) == 1500
    assert geometry.num_computed_frames(longest + 1) == 1501


def test_clips_have_any_length_without_a_limit_of_frames() -> None:
    assert WHISPER.longest_samples == float("inf")
    assert "max_frames" not in WHISPER.to_json()


def test_geometry_is_restored_from_json() -> None:
    limited = Geometry((400, 3), (160, 2), max_frames=1500)
    assert Geometry.from_json(limited.to_json()) == limited
    geometry = Geometry((400, 3), (160, 2), (0, 1), sample_rate_hz=8000, appended_samples=800)
    assert Geometry.from_json(geometry.to_json()) == geometry


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kernels": [10]}, "must have one length above 0, got 1, 2 and 2"),
        ({"strides": [0, 1]}, "whole numbers above 0"),
        ({"kernels": [10, 2.5]}, "whole numbers above 0"),
        ({"paddings": [-1, 0]}, "whole numbers of at least 0"),
        ({"appended_samples": True}, "whole numbers of at least 0"),
        ({"max_frames": 0}, "max_frames must be a whole number above 0, got 0"),
        ({"kernels": "abc"}, "kernels must be a list"),
        ({"colour": 3}, "has the keys appended_samples, kernels"),
    ],
)
def test_invalid_geometry_is_refused(changes: dict[str, object], message: str) -> None:
    good = Geometry((10, 3), (5, 2)).to_json()
    with pytest.raises(ValueError, match=message):
        Geometry.from_json({**good, **changes})


def test_frames_begin_around_the_samples_that_they_are_computed_from() -> None:
    """Each frame of convolutions of ones weighs the samples by how often it uses them: its centre is their mean."""
    layers = [
        torch.nn.Conv1d(1, 1, kernel, stride, bias=False)
        for kernel, stride in zip(BASE_KERNEL, BASE_STRIDE, strict=True)
    ]
    for layer in layers:
        torch.nn.init.ones_(layer.weight)
    samples = torch.zeros(1, 1, 16000, requires_grad=True)
    frames = torch.nn.Sequential(*layers)(samples)
    geometry = Geometry(BASE_KERNEL, BASE_STRIDE)
    for frame in (0, 1, 20):
        (weights,) = torch.autograd.grad(frames[0, 0, frame], samples, retain_graph=True)
        centre = float((weights[0, 0] * (torch.arange(16000) + 0.5)).sum() / weights.sum()) / 16000
        start = geometry.first_frame_s + frame / geometry.frame_rate_hz
        assert start + 0.5 / geometry.frame_rate_hz == pytest.approx(centre, abs=1e-6)


def test_first_frame_of_a_padded_front_end_is_centred_at_the_start_of_the_clip() -> None:
    """The spectrogram is centred (`torch.stft` with `center=True`), and so are both convolutions."""
    assert WHISPER.first_frame_s == pytest.approx(-0.01)
    assert Geometry((3,), (1,), (2,), sample_rate_hz=1).first_frame_s == 0.0
