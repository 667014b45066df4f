import dataclasses
import itertools
from dataclasses import replace

import numpy as np
import pytest
from scipy.special import log_softmax

from soritune.bundles.calibration import BundleCalibration, OutputCalibration
from soritune.errors import BundleError
from soritune.geometry import Geometry
from soritune.inference.clip_outputs import WindowOutputs
from soritune.inference.clip_reading import ReadClip, preprocessing_key
from soritune.inference.member_outputs import ClipOutputs, MemberRunner, mean_outputs
from soritune.inference.windows import WindowSettings


def runner(member, *, seconds=60.0, **windows):
    return MemberRunner(member, 0, member.outputs, WindowSettings(**windows), seconds)


def read_clips(member, *durations):
    draw = np.random.default_rng(0)
    key = preprocessing_key(member)
    clips = []
    for duration in durations:
        waveform = draw.normal(size=round(duration * 16000)).astype(np.float32)
        clips.append(ReadClip({key: waveform}, duration, ({},)))
    return clips


def test_outputs_are_log_probabilities_without_padding(fakes):
    member = fakes.member([fakes.phoneme_task(), fakes.emotion_task()])
    clips = read_clips(member, 1.0, 0.3)
    for clip, outputs in zip(clips, runner(member).outputs(clips), strict=True):
        (waveform,) = clip.waveforms.values()
        logits = member.backend.run(
            {"waveform": waveform[None], "num_samples": np.array([len(waveform)])},
        )
        for name in ("phoneme", "emotion"):
            expected = log_softmax(logits[name][0], axis=-1)
            np.testing.assert_allclose(outputs.whole[name], expected, atol=1e-4)
        assert outputs.windows == ()
    assert member.backend.batch_shapes[0] == (2, 16000)


def test_pieces_are_batched_within_the_budget_in_their_order(fakes):
    member = fakes.member([fakes.emotion_task()])
    clips = read_clips(member, 1.0, 1.0, 2.0, 1.0, 5.0, 1.0)
    runner(member, seconds=4.0).outputs(clips)
    # 3 × 2 s and 2 × 5 s would pass 4 s; a piece beyond the budget is a batch of its own.
    assert member.backend.batch_shapes == [(2, 16000), (2, 32000), (1, 80000), (1, 16000)]


def test_clips_that_the_model_cannot_take_at_once_are_cut(fakes):
    member = fakes.member([fakes.emotion_task()])
    limited = Geometry(
        (400,), (320,), max_frames=250
    )  # 400 + 249 × 320 samples, and 319 more without a new frame
    member = dataclasses.replace(member, geometry=limited)
    runner(member).outputs(read_clips(member, 5.0, 6.0))
    assert member.backend.batch_shapes == [(3, 80399)]  # a whole clip, and two windows of the other


def test_long_clip_has_windows_with_times(fakes):
    member = fakes.member([fakes.emotion_task()])
    (clip,) = read_clips(member, 25.0)
    (outputs,) = runner(member, longest_s=10, window_s=10, overlap_s=1).outputs([clip])
    windows = outputs.windows
    assert (windows[0].start_s, windows[-1].end_s) == (0.0, 25.0)
    assert all(a.end_s == b.start_s for a, b in itertools.pairwise(windows))
    weights = np.array([window.end_s - window.start_s for window in windows]) / 25
    mean = sum(
        weight * np.exp(window.outputs["emotion"]) for weight, window in zip(weights, windows, strict=True)
    )
    np.testing.assert_allclose(np.exp(outputs.whole["emotion"]), mean, atol=1e-3)


def test_labels_have_the_order_of_the_joint_outputs(fakes):
    member = fakes.member([fakes.emotion_task(("b", "a"))])
    joint = fakes.member([fakes.emotion_task(("a", "b"))]).outputs
    clips = read_clips(member, 1.0)
    (own,) = runner(member).outputs(clips)
    (reordered,) = MemberRunner(member, 0, joint, WindowSettings(), 60.0).outputs(clips)
    np.testing.assert_array_equal(reordered.whole["emotion"], own.whole["emotion"][::-1])


def outputs_of(*probabilities, windows=()):
    return ClipOutputs({"emotion": np.log(np.array(probabilities, np.float32))}, windows)


def window(start, end, *probabilities):
    return WindowOutputs(start, end, outputs_of(*probabilities).whole)


@pytest.fixture
def specs(fakes):
    return fakes.member([fakes.emotion_task(("a", "b"))]).outputs


def test_models_are_averaged_and_so_are_equal_windows(specs):
    first = outputs_of(0.9, 0.1, windows=(window(0, 2, 0.8, 0.2),))
    second = outputs_of(0.5, 0.5, windows=(window(0, 2, 0.4, 0.6),))
    mean = mean_outputs(specs, [first, second])
    np.testing.assert_allclose(np.exp(mean.whole["emotion"]), [0.7, 0.3], rtol=1e-5)
    (joint,) = mean.windows
    assert (joint.start_s, joint.end_s) == (0, 2)
    np.testing.assert_allclose(np.exp(joint.outputs["emotion"]), [0.6, 0.4], rtol=1e-5)


def test_windows_of_models_that_cut_differently_are_left_out(specs):
    first = outputs_of(0.9, 0.1, windows=(window(0, 2, 0.8, 0.2),))
    second = outputs_of(0.5, 0.5, windows=(window(0, 3, 0.4, 0.6),))
    assert mean_outputs(specs, [first, second]).windows == ()


def test_output_of_one_model_is_taken_from_it(specs):
    mean = mean_outputs(specs, [ClipOutputs({}), outputs_of(0.9, 0.1)])
    np.testing.assert_allclose(np.exp(mean.whole["emotion"]), [0.9, 0.1], rtol=1e-5)


def test_different_numbers_of_frames_are_refused(fakes):
    specs = fakes.member([fakes.phoneme_task()]).outputs
    models = [ClipOutputs({"phoneme": np.zeros((count, 5), np.float32)}) for count in (10, 11)]
    with pytest.raises(BundleError, match=r"give 'phoneme' in different numbers of frames \(10, 11\)"):
        mean_outputs(specs, models)


def at_temperature(member, temperature):
    output = OutputCalibration(temperature, 9, 3, 1.0, 0.9, 0.2, 0.1)
    return replace(member, calibration=BundleCalibration({"emotion": output}))


def test_temperature_divides_the_logits_of_its_output_alone(fakes):
    member = fakes.member([fakes.phoneme_task(), fakes.emotion_task()])
    clips = read_clips(member, 1.0, 0.3)
    for before, after in zip(
        runner(member).outputs(clips), runner(at_temperature(member, 2.5)).outputs(clips), strict=True
    ):
        expected = log_softmax(before.whole["emotion"].astype(np.float64) / 2.5)
        np.testing.assert_allclose(after.whole["emotion"], expected, atol=1e-6)
        np.testing.assert_array_equal(after.whole["phoneme"], before.whole["phoneme"])


def test_temperature_never_changes_the_label_of_a_long_clip(fakes):
    """It acts on the mean over the windows: the mean of windows at a temperature may have another best label."""
    member = fakes.member([fakes.emotion_task()])
    clips = read_clips(member, 25.0, 40.0)
    windows = {"longest_s": 10, "window_s": 10, "overlap_s": 1}
    for before, after in zip(
        runner(member, **windows).outputs(clips),
        runner(at_temperature(member, 4.0), **windows).outputs(clips),
        strict=True,
    ):
        expected = log_softmax(before.whole["emotion"].astype(np.float64) / 4)
        np.testing.assert_allclose(after.whole["emotion"], expected, atol=1e-6)
        assert after.whole["emotion"].argmax() == before.whole["emotion"].argmax()
        for first, second in zip(before.windows, after.windows, strict=True):
            expected = log_softmax(first.outputs["emotion"].astype(np.float64) / 4)
            np.testing.assert_allclose(second.outputs["emotion"], expected, atol=1e-6)
            assert (first.start_s, first.end_s) == (second.start_s, second.end_s)
