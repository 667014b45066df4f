import numpy as np
import pytest
import soundfile
from tests.inference.recognition.toy_recogniser import ToyRecogniser, recognised

from soritune.errors import AudioError
from soritune.inference.clips import Clip
from soritune.inference.recognition.recogniser import RecognisedText, Word, recognise_clip


def test_confidence_is_the_mean_of_the_words_and_zero_without_any():
    words = (Word("가", 0.0, 0.5, 1.0), Word("나", 0.5, 1.0, 0.5), Word("다", 1.0, 1.5, 0.3))
    assert RecognisedText("가 나 다", words, 1.5).confidence == pytest.approx(0.6)
    assert RecognisedText("", (), 1.5).confidence == 0.0


def test_fields_of_a_row_have_rounded_times_and_the_origin():
    text = RecognisedText("네", (Word("네", 0.12345, 0.98765, 0.123456),), 1.0)
    assert text.fields() == {
        "text": "네",
        "text_source": "asr",
        "text_confidence": 0.1235,
        "words": [{"word": "네", "start_s": 0.123, "end_s": 0.988, "confidence": 0.1235}],
    }


def test_json_is_read_as_the_same_text():
    text = recognised("가 나", 0.75, no_speech=0.25, compression=1.5)
    assert RecognisedText.from_json(text.to_json()) == text


@pytest.mark.parametrize("fault", [{"words": None}, {"words": [{"word": "가"}]}, {"duration_s": None}])
def test_json_without_a_part_is_refused(fault):
    with pytest.raises(ValueError, match="lacks a part of a recognised text"):
        RecognisedText.from_json({**recognised("가").to_json(), **fault})


def test_a_stretch_and_a_channel_of_a_file_are_recognised_at_16_khz(tmp_path):
    left = np.zeros(80000, np.float32)
    right = np.repeat(np.float32([0.0, 0.25]), 40000)
    soundfile.write(tmp_path / "a.wav", np.stack([left, right], axis=1), 8000, subtype="FLOAT")
    heard = []

    class Listener(ToyRecogniser):
        def recognise(self, samples):
            heard.append(samples)
            return recognised("네")

    clip = Clip(id="a", audio="a", path=tmp_path / "a.wav", start_s=6.0, duration_s=1.5, channel=1)
    recognise_clip(Listener(), clip)
    assert len(heard[0]) == 24000
    assert heard[0][1000:-1000] == pytest.approx(0.25, abs=1e-3)  # the level of the file, not normalised
    samples = np.full(16000, 0.5, np.float32)
    recognise_clip(Listener(), Clip(id="b", audio="(samples)", samples=(samples, 16000)))
    assert (heard[1] == samples).all()


@pytest.mark.parametrize(
    ("seconds", "message"), [(0.05, r"lasts 0.050 s; at least 0.1 s are needed"), (0, "a.wav: ")]
)
def test_a_clip_that_is_too_short_is_refused_without_the_recogniser(tmp_path, seconds, message):
    soundfile.write(tmp_path / "a.wav", np.zeros(round(16000 * seconds), np.float32), 16000)
    toy = ToyRecogniser("네")
    with pytest.raises(AudioError, match=message):
        recognise_clip(toy, Clip(id="a", audio="a.wav", path=tmp_path / "a.wav"))
    with pytest.raises(AudioError, match="the request lacks the key audio"):
        recognise_clip(toy, Clip(id="a", audio="", fault="the request lacks the key audio"))
    assert toy.lengths == []
