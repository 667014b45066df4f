"""Mispronunciations agree with their labels and have the requested rate, and espeak-ng speaks them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise

import numpy as np
import pytest
from pydantic import ValidationError

from soritune.audio.synthesis.confusions import GAP
from soritune.audio.synthesis.mispronunciations import (
    Learner,
    MispronunciationSettings,
    Pronounced,
    draw_learner,
    mispronounce,
)
from soritune.audio.synthesis.phonemes import draw_accent, in_phonemes
from soritune.audio.synthesis.reading import draw_reading
from soritune.audio.synthesis.sentences import draw_text
from soritune.corpus.utterance import Utterance
from soritune.korean import PHONES
from soritune.metrics.mispronunciation import SILENCE
from soritune.tasks.mispronunciation import MispronunciationConfig, MispronunciationTask
from soritune.tasks.results import Pair, Prediction

VOWELS = {"A", "EO", "O", "U", "EU", "I", "E", "iA", "iEO", "iO", "iU", "iE", "oA", "oE", "uEO", "uI", "euI"}
EVERYTHING = Learner(100.0, (1.0,) * 9)
"""Mispronounces every phone that can be mispronounced."""


def all_wrong(phones: str, **shares: float) -> tuple[str, str, str]:
    """Canonical, perceived and labels of a learner who makes all errors of the given kinds."""
    settings = MispronunciationSettings(**{"deletions": 0.0, "insertions": 0.0, **shares})
    result = mispronounce([phones.split()], EVERYTHING, np.random.default_rng(0), settings)
    return " ".join(result.canonical), " ".join(result.perceived), " ".join(result.labels)


def readings(count: int, seed: int = 0) -> Iterator[tuple[tuple[str, ...], ...]]:
    for index in range(count):
        rng = np.random.default_rng([seed, index])
        yield draw_reading(draw_text(rng, "train")[0], rng, 0.1, 0.7).phrases


def drawn(voices: int, texts: int, **settings: float) -> Iterator[tuple[Learner, Pronounced]]:
    checked = MispronunciationSettings(**settings)
    for voice in range(voices):
        learner = draw_learner(np.random.default_rng([1, voice]), checked)
        for index, phrases in enumerate(readings(texts, voice)):
            yield learner, mispronounce(phrases, learner, np.random.default_rng([2, voice, index]), checked)


def test_deletions_by_hand() -> None:
    # 한국 [한국]: only ㅎ and both codas can be left out.
    assert all_wrong("H A N G U k", deletions=1.0) == ("H A N G U k", "sil A sil G U sil", "D C D C C D")


def test_insertions_by_hand() -> None:
    # 김치 [김치] as 기무치 or 기므치: ㅁ is kept and followed by a vowel.
    canonical, perceived, labels = all_wrong("G I M CHh I", insertions=1.0)
    assert (canonical, labels) == ("G I M sil CHh I", "C C C I C C")
    assert perceived in ("G I M EU CHh I", "G I M U CHh I")
    # 물 [물] as 므르: the lateral becomes a tap, which is a second error.
    assert all_wrong("M U L", insertions=1.0) == ("M U L sil", "M U R EU", "C C S I")
    # 밥 [밥] as 바브 or 바프.
    canonical, perceived, labels = all_wrong("B A p", insertions=1.0)
    assert (canonical, labels) == ("B A p sil", "C C S I")
    assert perceived in ("B A B EU", "B A Ph EU")


@pytest.mark.slow
def test_share_of_errors_is_the_requested_rate() -> None:
    settings = MispronunciationSettings(rate=0.1)
    rates = np.array([draw_learner(np.random.default_rng([7, v]), settings).rate for v in range(4000)])
    assert rates.mean() == pytest.approx(0.1, abs=4 * rates.std() / np.sqrt(4000))
    fluent = rates < 0.0051
    assert fluent.mean() == pytest.approx(0.25 + 0.75 * 0.002, abs=4 * np.sqrt(0.25 * 0.75 / 4000))
    wrong = expected = variance = phones = 0.0
    for learner, result in drawn(60, 12, rate=0.1):
        number = sum(symbol != GAP for symbol in result.canonical)
        phones += number
        wrong += sum(label != "C" for label in result.labels)
        expected += learner.rate * number
        variance += learner.rate * (1 - learner.rate) * number
    assert phones > 15000
    assert abs(wrong - expected) < 4 * np.sqrt(variance)


def test_labels_agree_with_the_phones_and_kinds_can_be_excluded() -> None:
    counts = dict.fromkeys("CSDI", 0)
    for _, result in drawn(10, 20, rate=0.2):
        for canonical, perceived, label in result.steps:
            counts[label] += 1
            kind = (
                "I"
                if canonical == GAP
                else "D"
                if perceived == GAP
                else "C"
                if canonical == perceived
                else "S"
            )
            assert label == kind
        assert not set(result.phones) - {*PHONES, "|"}
        phones = [phone for phrase in result.phrases for phone in (*phrase, "|")]
        assert tuple(phones[:-1]) == result.phones
        assert tuple(p for p in result.perceived if p != GAP) == tuple(p for p in result.phones if p != "|")
        pairs = list(pairwise(phones))
        assert not [pair for pair in pairs if pair[0] in ("k", "t", "p") and pair[1] in VOWELS]
        assert not [pair for pair in pairs if pair[0] in ("G", "Kh", "DD", "H") and pair[1] not in VOWELS]
    assert all(counts.values())
    assert not [f for _, f in drawn(5, 10, rate=0.2, deletions=0, insertions=0) if {"D", "I"} & set(f.labels)]


def test_perfect_predictions_have_no_errors_in_the_task_and_a_constant_guess_has() -> None:
    assert GAP == SILENCE
    config = MispronunciationConfig(labels="correct-substituted-deleted-inserted", inventory="korean")
    task = MispronunciationTask(config)
    perfect, constant = [], []
    for index, (_, result) in enumerate(drawn(8, 10, rate=0.15)):
        row = Utterance(
            id=str(index), audio="a.flac", duration_s=1.0, phones=result.phones, canonical=result.canonical,
            perceived=result.perceived, error_labels=result.labels,
        )  # fmt: skip
        reference = task.reference(row)
        assert reference is not None
        assert all(target is not None for target in task.targets(row).values())
        phones = [phone for phone in result.phones if phone != "|"]
        fields = {"phones": phones, "confidence": 1.0, "labels": list(result.labels)}
        pair = Pair(row.id, reference, Prediction(task.name, fields))
        perfect.append(task.count(pair))
        (guess,) = task.guesses()
        constant.append(task.count(Pair(row.id, reference, guess.answer(reference))))
    rates, constant_rates = (
        task.rates({name: sum(count[name] for count in counts) for name in counts[0]})
        for counts in (perfect, constant)
    )
    assert rates["per"] == rates["error_ler"] == rates["error_ser"] == 0
    assert rates["mdd_f1"] == rates["error_f1"] == rates["mdd_detection_accuracy"] == 1
    assert rates["mdd_diagnosis_error_rate"] == rates["mdd_false_rejection_rate"] == 0
    assert constant_rates["error_f1"] == 0 and constant_rates["per"] > 0.08


def test_espeak_speaks_the_perceived_phones(speaks_exactly: Callable[[str], bool]) -> None:
    equal, wrong = 0, 0
    for index, (_, result) in enumerate(drawn(4, 15, rate=0.25, fluent=0.0)):
        rng = np.random.default_rng(index)
        text = in_phonemes(result.phrases, draw_accent(rng), rng)
        equal += speaks_exactly(text)
        wrong += sum(label != "C" for label in result.labels)
    assert equal >= 59
    assert wrong > 300


def test_impossible_settings_are_refused() -> None:
    for invalid in ({"rate": 0.5}, {"deletions": 0.7, "insertions": 0.5}, {"rate": 0.2, "fluent": 0.6}):
        with pytest.raises(ValidationError):
            MispronunciationSettings(**invalid)
