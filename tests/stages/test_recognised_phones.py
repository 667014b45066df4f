"""Recognised text as predictions of phones, which score and compare take as those of a model."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.inference.recognition.toy_recogniser import ToyRecogniser, recognised

from soritune.corpus.utterance import Utterance
from soritune.errors import AudioError
from soritune.inference.clips import Clip
from soritune.inference.predictions import read_predictions
from soritune.reports.provenance import provenance
from soritune.reports.score import score_predictions
from soritune.stages.recognised_phones import phones_of_text, write_recognised_phones
from soritune.tasks.phoneme import PhonemeConfig, PhonemeTask

GOLD = {"s1": ("사과 나무", "바다가 보여요"), "s2": ("같이 갑시다", "여덟 시입니다")}
HEARD = {"s1": ("사과 나무", "바다가 보여"), "s2": ("가치 갑시다", "여덜 시임니다")}


def clips() -> list[Clip]:
    made = []
    for speaker, texts in GOLD.items():
        for n, text in enumerate(texts):
            row = Utterance(id=f"{speaker}-{n}", audio="a.wav", duration_s=1.0, speaker=speaker, text=text)
            made.append(Clip(id=row.id, audio="a.wav", utterance=row, groups={"speaker": speaker}))
    return made


def test_the_rate_is_that_of_the_phones_of_both_texts(tmp_path: Path) -> None:
    """Spellings that are pronounced the same are no errors; by hand, 요 is missing once."""
    texts = [recognised(text) for pair in HEARD.values() for text in pair]
    path = tmp_path / "predictions" / "all.jsonl"
    counts = write_recognised_phones(
        path, list(zip(clips(), texts, strict=True)), ToyRecogniser(), {"split": "all"}
    )
    assert counts == (4, 0)
    scores = score_predictions(path, resamples=50)
    rates = scores.tasks["phoneme"].rates
    # Phones of the references: 8 of 사과 나무, 10 of 바다가 보여요, 11 of 가치 갑씨다, 12 of 여덜 시임니다.
    assert rates["per"].value == pytest.approx(1 / 41)
    assert rates["per_deletions"].value == rates["per"].value
    assert rates["per"].num_speakers == 2
    assert any("hears words, so it hides mispronunciations" in text for text in scores.warnings)
    facts = dict(provenance(scores))
    assert facts["Model"] == "toy: recognised text through the G2P"
    assert facts["Recogniser"] == "toy (toys, ko, beam 1, int8)"
    assert facts["Weights (sha256)"] == "abc"


def test_rows_have_text_words_and_what_could_not_be_read(tmp_path: Path) -> None:
    first, second, *_ = clips()
    results = [(first, recognised("사과 나무", 0.3)), (second, AudioError("a.wav", "is empty"))]
    counts = write_recognised_phones(tmp_path / "p.jsonl", results, ToyRecogniser())
    assert counts == (1, 1)
    good, bad = read_predictions(tmp_path / "p.jsonl").rows
    assert (good["text"], good["text_source"], good["text_confidence"]) == ("사과 나무", "asr", 0.3)
    assert good["tasks"]["phoneme"]["reference"]["text"] == "사과 나무"
    assert bad == {"id": "s1-1", "audio": "a.wav", "error": "is empty"}


@pytest.mark.parametrize("text", ["", "...", "thank you for watching"])
def test_text_that_is_not_korean_has_no_phones(text: str) -> None:
    prediction = phones_of_text(PhonemeTask(PhonemeConfig()), text, 0.5, "ko")
    assert (prediction.fields["phones"], prediction.fields["hangul"]) == ([], "")


def test_numbers_are_read_as_they_are_pronounced() -> None:
    task = PhonemeTask(PhonemeConfig())
    assert (
        phones_of_text(task, "7년 전", 0.5, "ko").fields["phones"]
        == phones_of_text(task, "칠년 전", 0.5, "ko").fields["phones"]
    )
