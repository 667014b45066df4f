import numpy as np
import pytest
import soundfile
from tests.inference.recognition.toy_recogniser import ToyRecogniser, recognised

from soritune.inference.clip_reading import ClipReader
from soritune.inference.clips import Clip
from soritune.inference.predictor import Predictor
from soritune.inference.recognition.alongside import predict_with_text
from soritune.tasks.specs import InputSpec

TEXT = InputSpec("transcript", "text", "text", "text", optional=True, options={"encoder": "none"})
AGE = InputSpec("age", "age", "age", "number", optional=True)


@pytest.fixture
def files(tmp_path):
    paths = []
    for number, seconds in enumerate((2.0, 0.01, 1.0)):
        path = tmp_path / f"{number}.wav"
        noise = np.random.default_rng(number).uniform(-0.5, 0.5, round(16000 * seconds))
        soundfile.write(path, noise.astype(np.float32), 16000)
        paths.append(path)
    return paths


def test_rows_are_those_of_the_predictor_with_the_text_of_their_own_clip(fakes, files):
    predictor = Predictor([fakes.member([fakes.emotion_task()])], vad="off")
    toy = ToyRecogniser(recognised("긴 글", 0.8), recognised("짧은 글", 0.7))
    done = []
    rows = list(predict_with_text(predictor, toy, files, progress=done.append))
    alone = list(predictor.predict(files))
    assert [row.get("text") for row in rows] == ["긴 글", None, "짧은 글"]
    assert "error" in rows[1] and rows[1] == alone[1]
    for row, plain in zip((rows[0], rows[2]), (alone[0], alone[2]), strict=True):
        assert {key: row[key] for key in plain} == plain
        assert set(row) - set(plain) == {"text", "text_source", "text_confidence", "words"}
    assert (rows[0]["text_source"], rows[0]["text_confidence"]) == ("asr", 0.8)
    assert sum(done) == 3
    assert toy.lengths == [32000, 16000]


@pytest.fixture
def reader(fakes, monkeypatch):
    """A reader for a model with a text input and another one; values are passed on as they are."""
    made = ClipReader([fakes.member([fakes.emotion_task()])], [fakes.emotion_task()])
    made.inputs = (TEXT, AGE)
    monkeypatch.setattr("soritune.inference.clip_reading.encode_inputs", lambda specs, values: dict(values))
    return made


@pytest.mark.parametrize(
    ("request_", "text", "given", "origin"),
    [
        ({}, "들린 글", "들린 글", "asr"),
        ({"text": " ", "text_source": "none"}, "들린 글", "들린 글", "asr"),
        ({"text": "쓴 글", "text_source": "gold"}, "들린 글", "쓴 글", "gold"),
        ({"text": "쓴 글"}, "들린 글", "쓴 글", None),
        ({}, "", None, "none"),
        ({"age": 7}, "들린 글", "들린 글", "asr"),
    ],
)
def test_recognised_text_is_read_where_no_other_is_given(reader, request_, text, given, origin):
    clip = Clip(id="a", audio="a", request=request_, recognised=text)
    (values,), _, groups = reader.encoded_inputs(clip)
    assert values.get("transcript") == given
    assert groups.get("text_source") == origin
    assert values.get("age") == request_.get("age")


def test_recognised_text_is_withheld_as_any_other(reader):
    reader.withheld = ("transcript",)
    (values,), _, groups = reader.encoded_inputs(Clip(id="a", audio="a", recognised="들린 글"))
    assert values == {}
    assert groups == {"text_source": "none"}


def test_recognised_text_is_not_a_prompt(fakes, files):
    """A task that compares speech with a prompt would find no error in what was recognised from that speech."""
    prompts = []

    class Asking(type(fakes.phoneme_task())):
        def decode(self, outputs, prompt=None, decoder=None):
            prompts.append(prompt)
            return super().decode(outputs, prompt, decoder)

    task = Asking(fakes.phoneme_task().config)
    predictor = Predictor([fakes.member([task])], vad="off")
    rows = list(predict_with_text(predictor, ToyRecogniser("들린 글"), files[:1]))
    assert rows[0]["text"] == "들린 글"
    assert prompts == [None]
