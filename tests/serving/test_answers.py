from __future__ import annotations

import json

import numpy as np
import pytest

from soritune.inference.clip_outputs import Posteriors
from soritune.serving.answers import Answer, Symbol, symbols_of
from soritune.tasks.decoding.decoder import make_decoder
from soritune.tasks.phoneme import PhonemeConfig, PhonemeTask


def row(prediction: dict[str, object], task: str = "phoneme", **more: object) -> dict[str, object]:
    return {"duration_s": 1.0, "tasks": {task: {"prediction": {"task": task, **prediction}}}, **more}


def test_symbols_have_the_frames_of_the_decoder_as_seconds() -> None:
    """Two frames of A, a blank, one of B at 10 frames a second; the clip ends within the last frame."""
    (spec,) = PhonemeTask(PhonemeConfig(inventory=("A", "B"))).outputs
    blank = spec.labels.index("[PAD]")
    best = [spec.labels.index("A"), spec.labels.index("A"), blank, spec.labels.index("B")]
    scores = np.full((4, len(spec.labels)), np.log(0.01), dtype=np.float32)
    scores[range(4), best] = np.log(0.75)
    posteriors = Posteriors(
        id="", audio="", duration_s=0.35, outputs={"phoneme": scores}, frame_rates_hz={"phoneme": 10.0}
    )
    assert [symbol.to_json() for symbol in symbols_of(posteriors, spec, make_decoder(None))] == [
        {"symbol": "A", "start_s": 0.0, "end_s": 0.2, "confidence": 0.75},
        {"symbol": "B", "start_s": 0.3, "end_s": 0.35, "confidence": 0.75},
    ]


def test_phones_answer_is_the_prediction_with_times() -> None:
    answer = Answer(
        "m",
        row({"phones": ["G", "A"], "confidence": 0.5, "hangul": "가"}),
        {"phoneme": (Symbol("G", 0, 0.1, 0.5),)},
    )
    assert answer.phones_json() == {
        "model": "m",
        "duration_s": 1.0,
        "speech": True,
        "phones": ["G", "A"],
        "confidence": 0.5,
        "hangul": "가",
        "text": "가",
        "text_kind": "as_pronounced",
        "times": [{"symbol": "G", "start_s": 0, "end_s": 0.1, "confidence": 0.5}],
    }


def test_text_of_phones_that_are_not_korean_is_the_phones() -> None:
    answer = Answer("m", row({"phones": ["AA", "B"], "confidence": 1.0}), {})
    assert answer.text == ("AA B", "phones")


def test_emotion_answer_has_the_label_and_its_windows() -> None:
    windows = [{"start_s": 0.0, "end_s": 1.0, "tasks": {}}]
    answer = Answer(
        "m", row({"label": "x", "confidence": 0.9}, "emotion", windows=windows, no_speech=True), {}
    )
    assert answer.emotion_json() == {
        "model": "m",
        "duration_s": 1.0,
        "speech": False,
        "task": "emotion",
        "label": "x",
        "confidence": 0.9,
        "windows": windows,
    }


def test_answers_are_json_without_nan() -> None:
    answer = Answer("m", row({"label": "x", "confidence": float("nan")}, "emotion"), {})
    assert json.loads(json.dumps(answer.to_json(), allow_nan=False))["tasks"]["emotion"]["confidence"] is None


def test_moved_symbol_is_later() -> None:
    moved = Symbol("A", 0.5, 0.75, 1.0).moved(2.0)
    assert (moved.start_s, moved.end_s) == pytest.approx((2.5, 2.75))
