"""What the assessor adds to an answer; whole assessments are in `tests/stages/test_assess.py`."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from soritune.assessment.answer import Request
from soritune.assessment.thresholds import packaged_thresholds
from soritune.audio.waveform import write_audio
from soritune.errors import TaskError
from soritune.inference.assessor import Assessor, Measures, phone_spec, request_of
from soritune.inference.clip_outputs import Posteriors
from soritune.inference.clips import Clip
from soritune.inference.predictor import Predictor


def test_request_is_given_phones_then_the_text_then_the_phones_of_the_row() -> None:
    row = SimpleNamespace(phones=["G", "A"])
    both = Posteriors(id="a", audio="a.wav", prompt="가", utterance=row)
    assert request_of(both, ["N"]) == Request(phones=["N"])
    assert request_of(both, None) == Request(text="가")
    assert request_of(Posteriors(id="a", audio="a.wav", utterance=row), None) == Request(phones=["G", "A"])
    assert request_of(Posteriors(id="a", audio="a.wav"), None) == Request()


def test_measures_are_those_of_the_samples(tiny_ko: str) -> None:
    assessor = Assessor(Predictor.load(tiny_ko, vad="off"), thresholds=packaged_thresholds("tiny-ko"))
    time = np.arange(16_000) / 16_000
    measures = assessor.measure((0.1 * np.sin(2 * np.pi * 200 * time)).astype(np.float32))
    assert measures.quality.level_dbfs == pytest.approx(20 * np.log10(0.1 / np.sqrt(2)), abs=0.1)
    assert (measures.speech_s, measures.language) == (None, None)


@pytest.mark.parametrize(("name", "codec"), [("a.mp3", "MP3"), ("a.ogg", "Vorbis"), ("a.wav", None)])
def test_codec_of_the_file_is_measured(tiny_ko: str, tmp_path: Path, name: str, codec: str | None) -> None:
    assessor = Assessor(Predictor.load(tiny_ko, vad="off"))
    samples = (0.1 * np.sin(np.arange(16_000) / 10)).astype(np.float32)
    write_audio(tmp_path / name, samples, 16_000)
    clip = Clip(id="a", audio=name, path=tmp_path / name)
    assert assessor.measure(samples, clip).lossy_codec == codec


def test_recording_that_failed_is_unreadable(tiny_ko: str) -> None:
    assessor = Assessor(Predictor.load(tiny_ko, vad="off"))
    failed = Posteriors(id="a", audio="a.wav", error="it is damaged", prompt="가")
    measures = Measures(
        quality=assessor.measure(np.ones(8000, np.float32)).quality, speech_s=None, language=None
    )
    answer = assessor.answer(failed, measures)
    assert (answer["outcome"], answer["reason"]) == ("unreadable-audio", "it is damaged")
    assert answer["models"][0]["name"] == "soritune/tiny-ko"


def test_model_without_phones_is_refused() -> None:
    predictor = SimpleNamespace(tasks=[SimpleNamespace(name="emotion", phone_output=None)], outputs={})
    with pytest.raises(TaskError, match=r"no task of the model \(emotion\) gives phones"):
        phone_spec(predictor)  # type: ignore[arg-type]
