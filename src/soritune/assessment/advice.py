"""Advice for a speaker in Korean and English: one thing first."""

from __future__ import annotations

import string
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any

import yaml

from soritune.assessment.confusable import confusable
from soritune.assessment.expected import Expected, ExpectedPhone
from soritune.assessment.verdicts import ERRORS, PhoneVerdict
from soritune.korean import KOREAN
from soritune.korean.hangul import ONSET, VOWEL, coda_of, is_syllable
from soritune.korean.layout import ARTICLE_TITLES

WORD = "word-not-heard"
"""The advice about words that were not heard."""
NAMED = 3
"""Most words that it names."""
_LETTERS = {phone.symbol: phone.letters[:1] or phone.symbol for phone in KOREAN.phones}


class Letter(str):
    """A letter with its particle, as `{letter:이/가}`, by its name: those of consonants end in one (기역이), those of
    vowels do not (아가). Any other text gets both."""

    __slots__ = ()

    def __format__(self, particles: str) -> str:
        if not particles:
            return str(self)
        closed, open_ = particles.split("/")
        if self in VOWEL:
            return f"{self!s}{open_}"
        # ㄹ's name, 리을, takes 로; so do vowels.
        if closed == "으로" and self == "ㄹ":
            return f"{self!s}로"
        return f"{self!s}{closed}" if self in ONSET else f"{self!s}{closed}({open_})"


@cache
def _entries() -> tuple[Mapping[str, Any], ...]:
    text = (files("soritune.assessment") / "advice.yaml").read_text(encoding="utf-8")
    return tuple(yaml.safe_load(text))


def letter_of(symbol: str | None) -> str:
    """How a sound is named for people: the Korean letter, or the symbol where it has no letter."""
    return "-" if symbol is None else _LETTERS.get(symbol, symbol)


def first_advice(
    expected: Expected, judged: Sequence[PhoneVerdict], not_heard: Sequence[int] = ()
) -> dict[str, Any] | None:
    """What to practise first: words that were not heard, else the error that is least like the expected phone. What is
    unclear is never named.

    Args:
        expected: of the text.
        judged: a verdict per phone.
        not_heard: the words of which no phone was heard, in order.

    Returns:
        `id`, `phone` (its number; the first one of a word), `word`, `ko`, `en`, and `article` if a pronunciation rule
        is concerned; None without an error.
    """
    if not_heard:
        return _of_words(expected, not_heard)
    wrong = [number for number, verdict in enumerate(judged) if verdict.kind in ERRORS]
    if not wrong:
        return None
    worst = min(wrong, key=lambda number: judged[number].probability)
    phone, verdict = expected.phones[worst], judged[worst]
    word = "" if phone.word is None else (expected.written or expected.words)[phone.word]
    heard = verdict.recognised
    entry = next(each for each in _entries() if each["id"] != WORD and _fits(each, phone, heard))
    facts = {
        "word": word,
        "expected": Letter(phone.letter or letter_of(phone.symbol)),
        "recognised": Letter(letter_of(heard)),
    }
    article = next((number for number in phone.articles if number in ARTICLE_TITLES), None)
    ko, en = entry["ko"].format(**facts), entry["en"].format(**facts)
    if article is not None:
        ko += f" (표준 발음법 제{article}항)"
        en += f" (Standard Pronunciation, article {article}: {ARTICLE_TITLES[article]})"
    return {"id": entry["id"], "phone": worst, "word": phone.word, "ko": ko, "en": en, "article": article}


def _of_words(expected: Expected, words: Sequence[int]) -> dict[str, Any]:
    """Advice about words that were not heard; it names `NAMED` of them."""
    entry = next(each for each in _entries() if each["id"] == WORD)
    names = [_word_name(expected, word) for word in words[:NAMED]]
    facts = {
        "words_ko": ", ".join(f"'{name}'" for name in names) + _subject_particle(names[-1]),
        "words_en": " and ".join(f"the word '{name}'" for name in names),
        "was": "was" if len(names) == 1 else "were",
    }
    first = next(number for number, phone in enumerate(expected.phones) if phone.word == words[0])
    ko, en = entry["ko"].format(**facts), entry["en"].format(**facts)
    return {
        "id": WORD,
        "phone": first,
        "word": words[0],
        "ko": ko,
        "en": en[0].upper() + en[1:],
        "article": None,
    }


def _word_name(expected: Expected, word: int) -> str:
    """A word without its punctuation, as in the text; as it is read, where a word of the text is read as several."""
    if not expected.written or expected.written.count(expected.written[word]) > expected.words.count(
        expected.words[word]
    ):
        return expected.words[word]
    return expected.written[word].strip(string.punctuation + "…。、？！“”‘’") or expected.words[word]


def _subject_particle(word: str) -> str:
    if not is_syllable(word[-1]):
        return "이(가)"
    return "이" if coda_of(word[-1]) else "가"


def _fits(entry: Mapping[str, Any], phone: ExpectedPhone, recognised: str | None) -> bool:
    return (
        ("pairs" not in entry or [phone.symbol, recognised] in entry["pairs"])
        and ("expected" not in entry or phone.symbol in entry["expected"])
        and ("recognised" not in entry or ("-" if recognised is None else recognised) in entry["recognised"])
        and ("position" not in entry or phone.position == entry["position"])
        and ("confusable" not in entry or recognised in confusable(phone.symbol))
    )
