"""The phonemes of phones, worked by hand, and espeak-ng reports that it speaks them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from soritune.audio.synthesis.espeak import Sound
from soritune.audio.synthesis.phonemes import Accent, draw_accent, in_phonemes, stop_codas
from soritune.audio.synthesis.reading import draw_reading
from soritune.audio.synthesis.sentences import draw_text

STEADY = Accent(linked=1.0, breathy=0.0, breathy_s=False, held=0.0, accented=0.0)


def phonemes_of(phones: str, accent: Accent = STEADY) -> str:
    return in_phonemes([phones.split()], accent, np.random.default_rng(0))


@pytest.mark.parametrize(
    ("phones", "phonemes"),
    [
        ("G A G A", "[[k|a|g|a]]."),  # lax: voiceless after a pause, voiced between vowels
        ("A GG A", "[[a|q-|a]]."),
        ("A Kh A", "[[a|kh|a]]."),
        ("D A | D A", "[[t|a d|a]]."),
        ("A k | G A", "[[a|q k|a]]."),  # not after a stop
        ("S A S I", "[[s|a|S;|i]]."),  # palatal before ㅣ
        ("SS A SS I", "[[s|s|a|S;|S;|i]]."),
        ("S I L L A", "[[S;|i|l|l|a]]."),
        ("N A R A", "[[n|a|*|a]]."),
        ("H oA NG", "[[h|w|a|N]]."),
        ("J A CHh A JJ A", "[[tS;|a|tS;|h|a|tS;-|a]]."),
    ],
)
def test_allophones_by_hand(phones: str, phonemes: str) -> None:
    assert phonemes_of(phones) == phonemes


def test_phrases_are_clauses_and_the_last_ends_in_the_mark() -> None:
    assert in_phonemes([["A"], ["I"]], STEADY, np.random.default_rng(0), "?") == "[[a]], [[i]]?"


def test_releases_of_stop_codas_are_found() -> None:
    names = ["t-", "'a", "q", "t-", "j", "o", "p-", "_:"]
    sounds = [Sound(name, index / 10) for index, name in enumerate(names)]
    assert stop_codas(sounds) == [(0.2, 0.3), (0.6, 0.7)]


def test_espeak_speaks_the_given_phonemes(speaks_exactly: Callable[[str], bool]) -> None:
    exact = 0
    for index in range(60):
        rng = np.random.default_rng([8, index])
        reading = draw_reading(draw_text(rng, "train")[0], rng, 0.1, 0.7)
        text = in_phonemes(reading.phrases, draw_accent(rng), rng)
        exact += speaks_exactly(text)
    assert exact >= 59  # in one of several hundred texts, espeak-ng drops a vowel between two others
