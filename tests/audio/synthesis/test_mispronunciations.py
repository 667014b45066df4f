"""Mispronunciations are what their labels say, as many as were asked for, and never what an accent might say too."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise

import numpy as np
import pytest
from pydantic import ValidationError

from soritune.audio.synthesis.confusions import GAP, possible_errors
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
"""Says every phone wrong that can be said wrong."""


def all_wrong(phones: str, **shares: float) -> tuple[str, str, str]:
    """Canonical, perceived, labels, of somebody who makes all errors of the kinds asked for."""
    settings = MispronunciationSettings(**{"deletions": 0.0, "insertions": 0.0, **shares})
    found = mispronounce([phones.split()], EVERYTHING, np.random.default_rng(0), settings)
    return " ".join(found.canonical), " ".join(found.perceived), " ".join(found.labels)


def readings(count: int, seed: int = 0) -> Iterator[tuple[tuple[str, ...], ...]]:
    for index in range(count):
        rng = np.random.default_rng([seed, index])
        yield draw_reading(draw_text(rng, "train")[0], rng, 0.1, 0.7).phrases


def drawn(voices: int, texts: int, **settings: float) -> Iterator[tuple[Learner, Pronounced]]:
    asked = MispronunciationSettings(**settings)
    for voice in range(voices):
        learner = draw_learner(np.random.default_rng([1, voice]), asked)
        for index, phrases in enumerate(readings(texts, voice)):
            yield learner, mispronounce(phrases, learner, np.random.default_rng([2, voice, index]), asked)


def test_deletions_by_hand() -> None:
    # 한국 [한국]: ㅎ and both codas may be left out, nothing else.
    assert all_wrong("H A N G U k", deletions=1.0) == ("H A N G U k", "sil A sil G U sil", "D C D C C D")


def test_insertions_by_hand() -> None:
    # 김치 [김치] as 기무치 or 기므치: ㅁ stays and is followed by a vowel.
    canonical, perceived, labels = all_wrong("G I M CHh I", insertions=1.0)
    assert (canonical, labels) == ("G I M sil CHh I", "C C C I C C")
    assert perceived in ("G I M EU CHh I", "G I M U CHh I")
    # 물 [물] as 므르: the lateral becomes a tap, an error of its own.
    assert all_wrong("M U L", insertions=1.0) == ("M U L sil", "M U R EU", "C C S I")
    # 밥 [밥] as 바브 or 바프.
    canonical, perceived, labels = all_wrong("B A p", insertions=1.0)
    assert (canonical, labels) == ("B A p sil", "C C S I")
    assert perceived in ("B A B EU", "B A Ph EU")


def test_substitutions_by_hand() -> None:
    def said_for(phones: str, place: int) -> set[str]:
        steps = [steps for _, steps in possible_errors(phones.split(), place)]
        return {found[0][1] for found in steps if len(found) == 1 and found[0][2] == "S"}

    assert said_for("D A L", 0) == {"DD", "Th"}
    assert said_for("DD A L", 0) == {"D", "Th"}
    assert said_for("Th A L", 0) == {"D", "DD"}
    assert said_for("J A", 0) == {"JJ", "CHh"}
    assert said_for("S A L", 0) == {"SS"} and said_for("SS A L", 0) == {"S"}
    assert "O" in said_for("EO", 0) and "EO" in said_for("O", 0)
    assert "U" in said_for("EU", 0) and "EU" in said_for("U", 0)
    assert "A" in said_for("E", 0)
    assert said_for("N A R A", 2) == {"L", "N"} and said_for("N A R A", 0) == {"R"}
    assert "NG" in said_for("S A N", 2) and "N" in said_for("S A NG", 2)
    assert said_for("B A k", 2) == {"t", "p"}
    assert said_for("M A", 0) == set()
    assert all_wrong("D A | H E")[2] == "S S C S"


@pytest.mark.slow
def test_what_an_accent_says_too_is_no_error() -> None:
    # ㅜ이 would become ㅡ이, which voices say for 의; ㄹ after a pause is l in some voices.
    assert "EU" not in {steps[0][1] for _, steps in possible_errors(["U", "I"], 0)}
    assert "L" not in {steps[0][1] for _, steps in possible_errors(["R", "A"], 0)}
    for phrases in readings(40):
        for phrase in phrases:
            for place in range(len(phrase)):
                near = phrase[max(0, place - 3) : place + 4]
                at = min(place, 3)
                right = {as_said(near, seed) for seed in range(8)}
                for _, steps in possible_errors(near, at):
                    said = [heard for _, heard, _ in steps if heard != GAP]
                    wrong = {as_said([*near[:at], *said, *near[at + 1 :]], seed) for seed in range(8)}
                    assert not right & wrong, (near, at, steps)


def as_said(phrase: object, seed: int) -> str:
    rng = np.random.default_rng(seed)
    text = in_phonemes([phrase], draw_accent(rng), rng)  # type: ignore[list-item]
    return text.replace("'", "").replace("|", " ").replace("  ", " ").replace("_ ", "")


@pytest.mark.slow
def test_the_share_of_errors_is_the_one_asked_for() -> None:
    settings = MispronunciationSettings(rate=0.1)
    rates = np.array([draw_learner(np.random.default_rng([7, v]), settings).rate for v in range(4000)])
    assert rates.mean() == pytest.approx(0.1, abs=4 * rates.std() / np.sqrt(4000))
    fluent = rates < 0.0051
    assert fluent.mean() == pytest.approx(0.25 + 0.75 * 0.002, abs=4 * np.sqrt(0.25 * 0.75 / 4000))
    wrong = expected = variance = phones = 0.0
    for learner, found in drawn(60, 12, rate=0.1):
        number = sum(symbol != GAP for symbol in found.canonical)
        phones += number
        wrong += sum(label != "C" for label in found.labels)
        expected += learner.rate * number
        variance += learner.rate * (1 - learner.rate) * number
    assert phones > 15000
    assert abs(wrong - expected) < 4 * np.sqrt(variance)


def test_kinds_are_those_asked_for_and_labels_hold() -> None:
    counts = dict.fromkeys("CSDI", 0)
    for _, found in drawn(10, 20, rate=0.2):
        for canonical, perceived, label in found.steps:
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
        assert not set(found.phones) - {*PHONES, "|"}
        said = [phone for phrase in found.phrases for phone in (*phrase, "|")]
        assert tuple(said[:-1]) == found.phones
        assert tuple(p for p in found.perceived if p != GAP) == tuple(p for p in found.phones if p != "|")
        pairs = list(pairwise(said))
        assert not [pair for pair in pairs if pair[0] in ("k", "t", "p") and pair[1] in VOWELS]
        assert not [pair for pair in pairs if pair[0] in ("G", "Kh", "DD", "H") and pair[1] not in VOWELS]
    assert all(counts.values())
    assert not [f for _, f in drawn(5, 10, rate=0.2, deletions=0, insertions=0) if {"D", "I"} & set(f.labels)]


def test_the_task_reads_it_and_finds_no_fault_in_who_says_what_was_said() -> None:
    assert GAP == SILENCE
    config = MispronunciationConfig(labels="correct-substituted-deleted-inserted", inventory="korean")
    task = MispronunciationTask(config)
    right, deaf = [], []
    for index, (_, found) in enumerate(drawn(8, 10, rate=0.15)):
        row = Utterance(
            id=str(index), audio="a.flac", duration_s=1.0, phones=found.phones, canonical=found.canonical,
            perceived=found.perceived, error_labels=found.labels,
        )  # fmt: skip
        reference = task.reference(row)
        assert reference is not None
        assert all(target is not None for target in task.targets(row).values())
        heard = [phone for phone in found.phones if phone != "|"]
        fields = {"phones": heard, "confidence": 1.0, "labels": list(found.labels)}
        pair = Pair(row.id, reference, Prediction(task.name, fields))
        right.append(task.count(pair))
        (guess,) = task.guesses()
        deaf.append(task.count(Pair(row.id, reference, guess.answer(reference))))
    rates, of_the_deaf = (
        task.rates({name: sum(one[name] for one in counts) for name in counts[0]}) for counts in (right, deaf)
    )
    assert rates["per"] == rates["error_ler"] == rates["error_ser"] == 0
    assert rates["mdd_f1"] == rates["error_f1"] == rates["mdd_detection_accuracy"] == 1
    assert rates["mdd_diagnosis_error_rate"] == rates["mdd_false_rejection_rate"] == 0
    assert of_the_deaf["error_f1"] == 0 and of_the_deaf["per"] > 0.08


def test_espeak_says_what_was_perceived(says_what_was_asked: Callable[[str], bool]) -> None:
    equal, wrong = 0, 0
    for index, (_, found) in enumerate(drawn(4, 15, rate=0.25, fluent=0.0)):
        rng = np.random.default_rng(index)
        text = in_phonemes(found.phrases, draw_accent(rng), rng)
        equal += says_what_was_asked(text)
        wrong += sum(label != "C" for label in found.labels)
    assert equal >= 59
    assert wrong > 300


def test_settings_that_cannot_be_are_refused() -> None:
    for bad in ({"rate": 0.5}, {"deletions": 0.7, "insertions": 0.5}, {"rate": 0.2, "fluent": 0.6}):
        with pytest.raises(ValidationError):
            MispronunciationSettings(**bad)
