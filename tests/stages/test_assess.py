"""Whole assessments with the recogniser of the package, on synthetic speech of voices that it has not heard."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from soritune.corpus.manifest import Manifest
from soritune.inference.predictor import Predictor
from soritune.stages.assess import assess_clips


@pytest.fixture(scope="module")
def predictor(tiny_ko: str) -> Predictor:
    return Predictor.load(tiny_ko, vad="off")


@pytest.fixture(scope="module")
def answers(predictor: Predictor, unseen: Manifest) -> list[dict[str, Any]]:
    return list(assess_clips(predictor, unseen, vad="energy"))


def test_every_answer_states_model_version_and_thresholds(
    answers: list[dict[str, Any]], unseen: Manifest
) -> None:
    assert len(answers) == len(unseen)
    for answer in answers:
        assert answer["models"][0]["name"] == "soritune/tiny-ko"
        assert len(answer["models"][0]["sha256"]) == 64
        assert answer["thresholds"]["name"]
        assert answer["thresholds"]["origin"]
        assert answer["soritune"]
        assert answer["validated"] is False
        assert answer["scores"] is None


def test_right_texts_are_assessed_with_few_errors(answers: list[dict[str, Any]]) -> None:
    assessed = [answer for answer in answers if answer["assessable"]]
    assert len(assessed) >= 0.9 * len(answers), [answer["reason"] for answer in answers]
    phones = sum(answer["counts"]["phones"] for answer in assessed)
    wrong = sum(answer["counts"]["substitution"] + answer["counts"]["deletion"] for answer in assessed)
    assert wrong <= 0.05 * phones


def test_texts_of_other_clips_are_rejected(predictor: Predictor, unseen: Manifest) -> None:
    rows = list(unseen.utterances())
    items = [
        {"audio": unseen.audio_path(row), "text": other.text}
        for row, other in zip(rows, [*rows[5:], *rows[:5]], strict=True)
        if row.text != other.text
    ]
    outcomes = [answer["outcome"] for answer in assess_clips(predictor, items, vad="energy")]
    assert len(outcomes) >= 10
    rejected = [outcome in ("unrelated-speech", "too-short") for outcome in outcomes]
    assert np.mean(rejected) >= 0.9, outcomes


def test_batch_equals_single(predictor: Predictor, unseen: Manifest, answers: list[dict[str, Any]]) -> None:
    row = next(unseen.utterances())
    item = {"audio": unseen.audio_path(row), "text": row.text, "id": answers[0]["id"]}
    (single,) = assess_clips(predictor, [item], vad="energy")
    assert single["counts"] == answers[0]["counts"]
    assert [word["text"] for word in single["words"]] == [word["text"] for word in answers[0]["words"]]
    probabilities = [
        [phone["probability"] for word in answer["words"] for s in word["syllables"] for phone in s["phones"]]
        for answer in (single, answers[0])
    ]
    np.testing.assert_allclose(*probabilities, atol=1e-3)


def test_silence_noise_and_files_that_cannot_be_read(predictor: Predictor, tmp_path: Any) -> None:
    silence = np.zeros(32000, dtype=np.float32)
    quiet = np.random.default_rng(0).normal(0, 1e-4, 32000).astype(np.float32)
    items = [
        {"audio": (silence, 16000), "text": "안녕하세요"},
        {"audio": (quiet, 16000), "text": "안녕하세요"},
        {"audio": tmp_path / "none.wav", "text": "안녕하세요"},
    ]
    outcomes = [answer["outcome"] for answer in assess_clips(predictor, items, vad="energy")]
    assert outcomes[0] == "no-speech"
    assert outcomes[1] in ("no-speech", "too-quiet")
    assert outcomes[2] == "unreadable-audio"


def test_detected_language_is_used(predictor: Predictor, unseen: Manifest) -> None:
    class Detector:
        name = "detector"

        def detect_language(self, samples: np.ndarray) -> tuple[str, float]:
            assert samples.ndim == 1
            return "en", 0.9

    row = next(unseen.utterances())
    items = [{"audio": unseen.audio_path(row), "text": row.text}]
    (answer,) = assess_clips(predictor, items, detector=Detector(), vad="off")
    assert (answer["outcome"], answer["language_detector"]) == ("other-language", "detector")
    assert answer["language"] == {"code": "en", "probability": 0.9}
    assert answer["recording"]["speech_s"] is None
