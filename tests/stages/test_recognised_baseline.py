"""Recognised text as a baseline in the scores and the report of a phone model."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest
from tests.inference.recognition.toy_recogniser import ToyRecogniser, recognised

from soritune.corpus.utterance import Utterance
from soritune.errors import ManifestError, TaskError
from soritune.inference.clips import Clip
from soritune.korean import phonemize
from soritune.reports.score import score_predictions
from soritune.reports.scores import load_scores
from soritune.stages.recognised_baseline import add_recognised_baseline
from soritune.stages.recognised_phones import write_recognised_phones
from soritune.tasks.phoneme import PhonemeConfig, PhonemeTask

TEXTS = {"a": "사과", "b": "나무", "c": "바다", "d": "하루"}


@pytest.fixture
def scored(fakes: ModuleType, tmp_path: Path) -> Path:
    """A folder with scores of a phone model that hears every vowel of four speakers, and no consonant."""
    task = PhonemeTask(PhonemeConfig())
    rows = []
    for name, text in TEXTS.items():
        reference = task.reference(Utterance(id=name, audio=f"{name}.wav", duration_s=1.0, text=text))
        assert reference is not None
        prediction = {"task": "phoneme", "phones": reference["phones"][1::2], "confidence": 0.5, "hangul": ""}
        rows.append(
            {
                "id": name,
                "audio": f"{name}.wav",
                "duration_s": 1.0,
                "groups": {"speaker": f"s{name}", "gender": "f" if name in "ab" else "m"},
                "tasks": {"phoneme": {"prediction": prediction, "reference": reference}},
            }
        )
    path = fakes.write_rows(
        tmp_path / "run" / "predictions" / "val.jsonl", [task], rows, data={"split": "val"}
    )
    score_predictions(path, resamples=50).save(tmp_path / "run" / "scores.json")
    return tmp_path / "run"


def heard(path: Path, **texts: str) -> Path:
    results = [(Clip(id=name, audio=f"{name}.wav"), recognised(text, 0.2)) for name, text in texts.items()]
    write_recognised_phones(path, results, ToyRecogniser())
    return path


def test_the_baseline_is_in_scores_and_report_beside_the_others(scored: Path, tmp_path: Path) -> None:
    texts = heard(tmp_path / "p.jsonl", **{**TEXTS, "d": "하마"})
    add_recognised_baseline(scored, texts, audio=False)
    phoneme = load_scores(scored / "scores.json").tasks["phoneme"]
    assert set(phoneme.baselines) == {"empty", "recognised_text"}
    baseline = phoneme.baselines["recognised_text"]
    total = sum(len(phonemize(text)) for text in TEXTS.values())
    assert baseline.rates["per"] == pytest.approx(2 / total)  # 루 for 마
    assert baseline.groups["gender"]["f"]["per"] == 0.0
    assert baseline.differences["per"].value == pytest.approx(phoneme.rates["per"].value - 2 / total)
    assert "hides mispronunciations" in baseline.description
    page = (scored / "report.html").read_text(encoding="utf-8")
    assert "toy (toys, ko, beam 1, int8) through the G2P" in page


def test_texts_of_other_rows_are_refused(fakes: ModuleType, scored: Path, tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=r"lacks 3 of 4 clips that were scored, such as 'b'"):
        add_recognised_baseline(scored, heard(tmp_path / "p.jsonl", a="사과"))
    with pytest.raises(ManifestError, match="has no recognised text; write it with `soritune transcribe"):
        add_recognised_baseline(scored, scored / "predictions" / "val.jsonl")
    assert set(load_scores(scored / "scores.json").tasks["phoneme"].baselines) == {"empty"}


def test_a_model_without_phones_is_refused(twelve: Path, tmp_path: Path) -> None:
    score_predictions(twelve / "predictions" / "test.jsonl", resamples=5).save(twelve / "scores.json")
    with pytest.raises(TaskError, match="emotion: no task gives Korean phones"):
        add_recognised_baseline(twelve, heard(tmp_path / "p.jsonl", a="사과"))
