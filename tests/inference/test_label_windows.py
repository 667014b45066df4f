import pytest

from soritune.errors import TaskError
from soritune.inference.label_windows import LabelWindows, label_windows


def test_windows_follow_each_other_unless_a_hop_is_given():
    assert label_windows(None, None) is None
    assert label_windows(5.0, None) == LabelWindows(window_s=5, hop_s=5, min_speech_s=1)
    assert label_windows(5.0, 2.5) == LabelWindows(window_s=5, hop_s=2.5, min_speech_s=1)


def test_least_speech_is_a_second_or_a_share_of_short_windows():
    assert label_windows(2.0, None).min_speech_s == pytest.approx(0.4)
    assert label_windows(20.0, None).min_speech_s == 1
    assert label_windows(5.0, None, finds_speech=False).min_speech_s == 0
    assert label_windows(5.0, None, 0.0).min_speech_s == 0
    windows = label_windows(5.0, None, 2.0)
    assert (windows.enough_speech_s(5.0), windows.enough_speech_s(2.5)) == (2.0, 1.0)
    with pytest.raises(TaskError, match=r"min_speech_s \(1\) has no effect with vad off"):
        label_windows(5.0, None, 1.0, finds_speech=False)
    with pytest.raises(TaskError, match="min_speech_s needs window_s"):
        label_windows(None, None, 1.0)


@pytest.mark.parametrize(
    ("window_s", "hop_s", "text"),
    [
        (None, 2.0, "hop_s needs window_s"),
        (2.0, 5.0, r"hop_s \(5\) must be at most window_s \(2\)"),
        (0.0, None, "window_s 0.0: must be greater than 0"),
        (5.0, -1.0, "hop_s -1.0: must be greater than 0"),
        (float("inf"), None, "window_s inf: must be a finite number"),
    ],
)
def test_lengths_that_cannot_be_are_refused(window_s, hop_s, text):
    with pytest.raises(TaskError, match=text):
        label_windows(window_s, hop_s)
