"""Drawn Korean texts: sentences, numbers and dates, word lists, syllable strings. Next: `audio/synthesis/reading.py`.

A text is written as in a transcript, with digits. Whether it belongs to training or to an evaluation depends
only on the text (`part_of_text`), so that no text is in two parts, whatever the seeds.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np

from soritune.audio.synthesis.syllables import syllable_string
from soritune.audio.synthesis.verbs import with_ending
from soritune.audio.synthesis.words import nouns, words
from soritune.korean.hangul import CODA, coda_of

Part = Literal["train", "val", "test"]
PARTS: tuple[Part, ...] = ("train", "val", "test")
Kind = Literal["sentence", "numbers", "words", "phrase", "syllables"]

_SHARES = {"sentence": 0.5, "numbers": 0.1, "words": 0.12, "phrase": 0.03, "syllables": 0.25}
"""Kind → how often it is drawn; the share of syllable strings is an argument of `draw_text`."""


def part_of_text(text: str) -> Part:
    """The part of a text: train for nine in ten of all texts, val or test for equal shares of the others."""
    digest = hashlib.sha256(" ".join(text.split()).encode()).digest()
    return ("test" if digest[1] & 1 else "val") if digest[0] < 26 else "train"


def draw_text(rng: np.random.Generator, part: Part, syllable_share: float = 0.25) -> tuple[str, Kind]:
    """Draws a text of a part, and its kind. `syllable_share` is the share of syllable strings."""
    kinds = [kind for kind in _SHARES if kind != "syllables"]
    weights = np.array([_SHARES[kind] for kind in kinds])
    while True:
        if rng.random() < syllable_share:
            text, kind = syllable_string(rng), "syllables"
        else:
            kind = str(kinds[int(rng.choice(len(kinds), p=weights / weights.sum()))])
            text = _MAKERS[kind](rng)
        if part_of_text(text) == part:
            return text, kind  # type: ignore[return-value]


def with_particle(word: str, closed: str, open_: str) -> str:
    """The word with the particle that fits its last syllable: 책 → 책을, 나무 → 나무를; 으로 is also 로 after ㄹ."""
    coda = coda_of(word[-1])
    if closed == "으로" and coda == CODA["ㄹ"]:
        return word + open_
    return word + (closed if coda else open_)


def _draw(rng: np.random.Generator, items: Sequence[str]) -> str:
    return items[int(rng.integers(len(items)))]


def _particle(rng: np.random.Generator, among: int | None = None) -> tuple[str, str]:
    """A particle in its forms after a closed and an open syllable; only one of the first `among` if that is given."""
    closed, open_ = _draw(rng, words("particle")[:among]).split("/")
    return closed, open_


def _noun(rng: np.random.Generator) -> str:
    """A noun, sometimes with a word before it."""
    noun = _draw(rng, nouns())
    chance = rng.random()
    if chance < 0.12:
        return f"{_draw(rng, words('determiner'))} {noun}"
    if chance < 0.3:
        stem = _draw(rng, words("adjective"))
        ending = "는" if stem.endswith(("있", "없")) else "ㄴ"
        return f"{with_ending(stem, ending)} {noun}"
    if chance < 0.38:
        return f"{with_ending(_draw(rng, words('verb_object')), '는')} {noun}"
    if chance < 0.44:
        return f"{_draw(rng, words('person'))}의 {noun}"
    if chance < 0.5:
        return f"{with_particle(_draw(rng, nouns()), '과', '와')} {noun}"
    return noun


def _person(rng: np.random.Generator) -> str:
    """A name, a person or an animal."""
    if rng.random() < 0.2:
        name = _draw(rng, words("name"))
        return name + ("이" if coda_of(name[-1]) else "")
    return _draw(rng, words("person" if rng.random() < 0.8 else "animal"))


def _clause(rng: np.random.Generator, endings: Sequence[str]) -> list[str]:
    """The words of a clause, which ends in a verb with one of the endings."""
    parts = []
    if rng.random() < 0.35:
        parts.append(_draw(rng, words("time")))
    chance = rng.random()
    if chance < 0.45:
        parts.append(with_particle(_person(rng), *_particle(rng, 2)))
    elif chance < 0.55:
        parts.append(with_particle(_noun(rng), *_particle(rng, 2)))
    if rng.random() < 0.3:
        parts.append(
            _draw(rng, words("place")) + _draw(rng, ("에서", "에", "까지", "부터", "에는", "에서도"))
        )
    elif rng.random() < 0.1:
        parts.append(with_particle(_draw(rng, words("thing")), "으로", "로"))
    if rng.random() < 0.2:
        parts.append(_draw(rng, words("adverb")))
    chance = rng.random()
    if chance < 0.6:
        parts += [
            with_particle(_noun(rng), "을", "를"),
            with_ending(_draw(rng, words("verb_object")), _draw(rng, endings)),
        ]
    elif chance < 0.85:
        parts.append(with_ending(_draw(rng, words("verb_plain")), _draw(rng, endings)))
    else:
        parts.append(with_particle(_noun(rng), *_particle(rng)))
        parts.append(with_ending(_draw(rng, words("verb_plain")), _draw(rng, endings)))
    return parts


def _sentence(rng: np.random.Generator) -> str:
    """A statement, question or request, sometimes after a linked clause."""
    chance = rng.random()
    if chance < 0.4:
        parts = _clause(rng, words("ending_plain"))
    elif chance < 0.55:
        parts = _clause(rng, words("ending_intimate"))
    elif chance < 0.68:
        parts = [
            *([_draw(rng, words("question_word"))] if rng.random() < 0.5 else []),
            *_clause(rng, words("ending_question")),
        ]
        return " ".join(parts) + "?"
    elif chance < 0.76:
        parts = _clause(rng, words("ending_request"))
    elif chance < 0.9:
        subject = with_particle(_noun(rng), *_particle(rng, 2))
        verb = with_ending(_draw(rng, words("adjective")), _draw(rng, words("ending_adjective")))
        parts = [subject, *([_draw(rng, words("adverb"))] if rng.random() < 0.3 else []), verb]
    else:
        noun = _draw(rng, nouns())
        copula = _draw(
            rng, ("입니다", "이에요", "이었어요", "이 아니에요", "인가요", "이지요", "이라고 해요")
        )
        parts = [with_particle(_noun(rng), "은", "는"), noun + copula]
    if rng.random() < 0.35:
        comma = "," if rng.random() < 0.5 else ""
        return " ".join(_clause(rng, words("ending_link"))) + f"{comma} " + " ".join(parts) + "."
    return " ".join(parts) + "."


def _numbers(rng: np.random.Generator) -> str:
    """A text with numbers: dates, times, counts, prices, telephone numbers."""
    number = int(10 ** rng.uniform(0, 6.5))
    makers: list[Callable[[], str]] = [
        lambda: (
            f"{int(rng.integers(1900, 2040))}년 {int(rng.integers(1, 13))}월 {int(rng.integers(1, 32))}일"
        ),
        lambda: (
            f"{_draw(rng, ('오전', '오후', '밤'))} {int(rng.integers(1, 13))}시 {int(rng.integers(1, 60))}분에 만나요"
        ),
        lambda: f"{_draw(rng, nouns())} {int(rng.integers(1, 60))}{_draw(rng, words('counted'))}",
        lambda: f"{_draw(rng, nouns())} {int(rng.integers(1, 30))}{_draw(rng, words('counted'))}만 주세요",
        lambda: f"{number}{_draw(rng, words('measured'))}",
        lambda: f"{with_particle(_draw(rng, nouns()), '은', '는')} {number}원이에요",
        lambda: f"제 전화번호는 010-{int(rng.integers(1000, 9999))}-{int(rng.integers(1000, 9999))}입니다",
        lambda: f"{int(rng.integers(1, 100))} 더하기 {int(rng.integers(1, 100))}은 얼마예요?",
        lambda: (
            f"키는 {int(rng.integers(90, 200))}센티미터이고 몸무게는 {int(rng.integers(10, 100))}킬로그램입니다"
        ),
        lambda: f"{rng.uniform(0, 100):.1f}퍼센트가 {with_ending(_draw(rng, words('adjective')), 'ㅂ니다')}",
        lambda: " ".join(str(int(rng.integers(0, 100))) for _ in range(int(rng.integers(3, 8)))),
        lambda: (
            f"{int(rng.integers(1, 7))}학년 {int(rng.integers(1, 13))}반 {_draw(rng, words('name'))}입니다"
        ),
    ]
    return makers[int(rng.integers(len(makers)))]()


def _words(rng: np.random.Generator) -> str:
    """One word or several, with or without particles."""
    drawn = []
    for _ in range(int(rng.choice([1, 1, 2, 3, 4, 5]))):
        noun = _draw(rng, nouns())
        drawn.append(with_particle(noun, *_particle(rng)) if rng.random() < 0.4 else noun)
    return " ".join(drawn)


def _phrase(rng: np.random.Generator) -> str:
    """A set phrase with an address before it or a sentence after it."""
    text = _draw(rng, words("phrase"))
    if rng.random() < 0.5:
        return f"{_draw(rng, (*words('person'), *words('name')))}, {text}"
    return f"{text}. {_sentence(rng)}"


_MAKERS: dict[str, Callable[[np.random.Generator], str]] = {
    "sentence": _sentence,
    "numbers": _numbers,
    "words": _words,
    "phrase": _phrase,
}
