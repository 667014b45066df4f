import numpy as np
import pytest

from soritune.errors import TaskError
from soritune.inference.clip_outputs import Posteriors


def posteriors(frames, rates):
    outputs = {name: np.zeros((count, 2), np.float32) for name, count in frames.items()}
    outputs["emotion"] = np.zeros(3, np.float32)
    return Posteriors(id="a", audio="a.wav", outputs=outputs, frame_rates_hz=rates)


def test_common_number_and_rate_of_frames():
    clip = posteriors({"phoneme": 99, "tone": 99}, {"phoneme": 50.0, "tone": 50.0})
    assert (clip.num_frames, clip.frame_rate_hz) == (99, 50.0)


def test_outputs_without_frames_have_no_number_of_frames():
    clip = posteriors({}, {})
    assert (clip.num_frames, clip.frame_rate_hz) == (None, None)


def test_missing_output_does_not_count():
    """A task that was left out has a rate but no output."""
    clip = posteriors({"phoneme": 99}, {"phoneme": 50.0, "tone": 50.0})
    assert clip.num_frames == 99


def test_different_numbers_or_rates_of_frames_are_refused_with_both():
    clip = posteriors({"slow": 5, "fast": 10}, {"slow": 25.0, "fast": 50.0})
    with pytest.raises(TaskError, match=r"different frame rates \(slow 25, fast 50\); take frame_rates_hz"):
        _ = clip.frame_rate_hz
    with pytest.raises(TaskError, match=r"numbers of frames \(slow 5, fast 10\); take len"):
        _ = clip.num_frames


def test_failed_clip_has_no_outputs():
    clip = Posteriors(id="a", audio="a.wav", error="is empty")
    assert (clip.outputs, clip.num_frames, clip.duration_s, clip.windows) == ({}, None, 0.0, ())
