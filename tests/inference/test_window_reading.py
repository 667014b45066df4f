import numpy as np
import pytest

from soritune.errors import AudioError
from soritune.inference.clip_reading import ClipReader
from soritune.inference.clips import clips_of
from soritune.inference.label_windows import LabelWindows
from soritune.inference.window_reading import WindowReader


def read(member, item, window_s=2.0, hop_s=1.0):
    reader = ClipReader([member], member.tasks)
    (clip,) = clips_of([item], None)
    return list(WindowReader(reader, LabelWindows(window_s=window_s, hop_s=hop_s)).read(clip))


def test_windows_of_another_rate_are_resampled_whole_and_normalised_one_by_one(fakes):
    """5 s at 8 kHz, quiet and then loud: every window has unit variance, and the times are those of the file."""
    level = np.where(np.arange(40000) < 20000, 0.01, 0.5)
    samples = (level * np.sin(np.arange(40000) * 0.5)).astype(np.float32)
    windows = read(fakes.pitch_member(), (samples, 8000))
    assert [(window.start_s, window.end_s) for window in windows] == [(k, k + 2) for k in range(4)]
    for window in (windows[0], windows[3]):
        (waveform,) = window.clip.waveforms.values()
        assert len(waveform) == 32000
        assert np.var(waveform) == pytest.approx(1.0, abs=0.01)
        assert window.has_speech  # speech is not looked for


def test_faulty_request_is_an_error(fakes):
    with pytest.raises(AudioError, match="the request's channel is 'middle'"):
        read(fakes.pitch_member(), {"audio": (np.zeros(16000), 16000), "channel": "middle"})
