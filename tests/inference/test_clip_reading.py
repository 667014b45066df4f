import numpy as np
import pytest
import soundfile

from soritune.audio.preprocessing import Preprocessing
from soritune.inference.clip_reading import ClipReader, is_beyond_training, preprocessing_key
from soritune.inference.clips import Clip


def reader(fakes, *limits):
    members = [fakes.member([fakes.emotion_task()], max_duration_s=limit) for limit in limits]
    return ClipReader(members, members[0].tasks), members


def test_clip_is_decoded_once_per_preprocessing(fakes, clip, monkeypatch):
    loaded = []
    original = Preprocessing.read

    def read(self, *arguments):
        loaded.append(self.max_duration_s)
        return original(self, *arguments)

    monkeypatch.setattr(Preprocessing, "read", read)
    read_by, members = reader(fakes, 5.0, 5.0, None)
    path = clip("a.wav", 2.0)
    result = read_by.read(Clip(id="a", audio="a.wav", path=path))
    assert len(loaded) == 2
    assert set(result.waveforms) == {preprocessing_key(member) for member in members}
    assert (result.duration_s, result.error, result.inputs) == (2.0, None, ({}, {}, {}))


def test_stretch_and_channel_of_a_row_are_read(fakes, tmp_path):
    ramp = np.linspace(0, 0.5, 32000, dtype=np.float32)
    soundfile.write(tmp_path / "a.wav", np.stack([0 * ramp, ramp], axis=1), 16000, subtype="FLOAT")
    read_by, members = reader(fakes, None)
    stretch = Clip(id="a", audio="a", path=tmp_path / "a.wav", start_s=1.0, duration_s=0.5, channel=1)
    result = read_by.read(stretch)
    whole = members[0].preprocessing.finish(ramp[16000:24000])
    np.testing.assert_allclose(result.waveforms[preprocessing_key(members[0])], whole, atol=1e-5)
    assert result.duration_s == 0.5


def test_clip_beyond_training_is_whole_and_unfinished(fakes, tmp_path):
    loud = np.full(48000, 0.25, np.float32) * np.where(np.arange(48000) % 2, 1, -1)
    soundfile.write(tmp_path / "a.wav", loud, 16000, subtype="FLOAT")
    for limit, level in ((2.0, 0.25), (3.0, 1.0)):
        read_by, members = reader(fakes, limit)
        result = read_by.read(Clip(id="a", audio="a", path=tmp_path / "a.wav"))
        waveform = result.waveforms[preprocessing_key(members[0])]
        assert len(waveform) == 48000
        assert waveform.std() == pytest.approx(level, rel=1e-3)


def test_limit_of_training_is_inclusive():
    preprocessing = Preprocessing(max_duration_s=2.0)
    assert not is_beyond_training(preprocessing, np.zeros(32000, np.float32))
    assert is_beyond_training(preprocessing, np.zeros(32001, np.float32))
    assert not is_beyond_training(Preprocessing(), np.zeros(10**7, np.float32))


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"fault": "the request lacks the key audio"}, "the request lacks the key audio"),
        ({"samples": (np.zeros(16000), 0)}, "has the sample rate 0; it must be a number above 0"),
    ],
)
def test_clip_that_cannot_be_used_has_an_error(fakes, fields, error):
    result = reader(fakes, None)[0].read(Clip(id="a", audio="", **fields))
    assert (result.error, result.waveforms, result.duration_s) == (error, {}, 0.0)


def test_request_with_a_field_that_no_model_reads_has_an_error(fakes, clip):
    request = Clip(id="a", audio="a.wav", path=clip("a.wav", 1.0), request={"age": 7})
    result = reader(fakes, None)[0].read(request)
    assert "age" in result.error and result.waveforms == {}
