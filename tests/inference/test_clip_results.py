import numpy as np
import pytest

from soritune.inference.clip_outputs import Posteriors
from soritune.inference.clip_reading import ReadClip
from soritune.inference.clip_results import NOT_FINITE, ClipResults
from soritune.inference.clips import Clip
from soritune.inference.member_outputs import ClipOutputs
from soritune.inference.windowed_clips import WindowedClip

CLIP = Clip(id="a", audio="a.wav", channel=1, start_s=2.0, groups={"speaker": "s"})
CALM = np.log(np.array([0.8, 0.1, 0.1], np.float32))


@pytest.fixture
def results(fakes):
    member = fakes.member([fakes.emotion_task(), fakes.phoneme_task()])
    return ClipResults([member], member.tasks, member.outputs)


def call(**outputs):
    done = WindowedClip(
        CLIP, windows=[(0.0, 2.0), (2.0, 4.0)], speech=[True, True], enough=[True, True], speech_s=[2.0, 2.0]
    )
    done.outputs = {0: {"emotion": CALM}, 1: {"emotion": CALM} | outputs}
    return done


def test_result_has_what_is_known_of_its_clip(results):
    result = results.of_clip(
        CLIP, ReadClip({}, 1.5, groups={"text_source": "asr"}), ClipOutputs({"emotion": CALM})
    )
    assert (result.id, result.channel, result.start_s, result.duration_s) == ("a", 1, 2.0, 1.5)
    assert result.groups == {"speaker": "s", "text_source": "asr"}
    assert not result.is_windowed and result.labels["emotion"] == ("calm", "tense", "warm")


def test_windows_take_frames_from_the_other_result(results):
    frames = Posteriors(
        id="a", audio="a.wav", outputs={"emotion": -CALM, "phoneme": np.zeros((7, 4), np.float32)}
    )
    result = results.of_windows(call(), frames)
    assert result.is_windowed and len(result.windows) == 2
    np.testing.assert_allclose(result.outputs["emotion"], CALM, atol=1e-6)
    assert result.outputs["phoneme"].shape == (7, 4)


def test_window_that_is_not_finite_is_an_error(results):
    result = results.of_windows(call(emotion=np.full(3, np.nan, np.float32)))
    assert result.error == f"the model's output 'emotion' is not finite; {NOT_FINITE}"
    assert result.outputs == {} and result.windows == ()
