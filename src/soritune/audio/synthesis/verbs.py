"""Verbs and adjectives with their endings, by the regular rules and the classes of irregular stems in `words.tsv`.

The spelling is correct for the stems listed there. Next: `audio/synthesis/sentences.py`.
"""

from __future__ import annotations

from functools import cache

from soritune.audio.synthesis.words import words
from soritune.korean.hangul import CODA, NO_CODA, NO_ONSET, ONSET, VOWEL, is_syllable, join, split

_BRIGHT = (VOWEL["ㅏ"], VOWEL["ㅑ"], VOWEL["ㅗ"])
"""Vowels after which the ending is 아 and not 어."""
_CONTRACTED = {
    ("ㅏ", "아"): "ㅏ",
    ("ㅓ", "어"): "ㅓ",
    ("ㅕ", "어"): "ㅕ",
    ("ㅐ", "어"): "ㅐ",
    ("ㅔ", "어"): "ㅔ",
    ("ㅗ", "아"): "ㅘ",
    ("ㅜ", "어"): "ㅝ",
    ("ㅣ", "어"): "ㅕ",
    ("ㅚ", "어"): "ㅙ",
}
_LETTERS = "ㅏㅐㅑㅒㅓㅔㅕㅖㅗㅘㅙㅚㅛㅜㅝㅞㅟㅠㅡㅢㅣ"


def with_ending(stem: str, ending: str) -> str:
    """A stem with an ending, as written: ("돕", "아요") → 도와요, ("먹", "으면") → 먹으면, ("살", "ㅂ니다") → 삽니다.

    Args:
        stem: as in the dictionary, without 다.
        ending: begins with 아 (stands for 아/어), with 으 (omitted after an open stem), with a single letter
            ㄴ, ㄹ or ㅂ (preceded by 으 or 스 after a closed stem), or with any other consonant.
    """
    if ending[0] == "아":
        return _with_a(stem, ending[1:])
    if ending[0] == "으":
        return _with_eu(stem, ending[1:])
    if not is_syllable(ending[0]):
        return _with_letter(stem, ending[0], ending[1:])
    onset, vowel, coda = split(stem[-1])
    if coda == CODA["ㄹ"] and ending[0] in "네니는나세시":
        return stem[:-1] + join(onset, vowel) + ending
    return stem + ending


@cache
def _irregular(kind: str) -> frozenset[str]:
    return frozenset(words(f"irregular_{kind}"))


def _with_a(stem: str, rest: str) -> str:
    head, last = stem[:-1], stem[-1]
    onset, vowel, coda = split(last)
    if last == "하":
        return _closed(head + "해", rest)
    bright = vowel in _BRIGHT
    if stem in _irregular("ㅂ"):
        added = "와" if stem in ("돕", "곱") else "워"
        return _closed(head + join(onset, vowel) + added, rest)
    if stem in _irregular("ㄷ"):
        return _closed(head + join(onset, vowel, CODA["ㄹ"]) + ("아" if bright else "어"), rest)
    if stem in _irregular("ㅅ"):
        return _closed(head + join(onset, vowel) + ("아" if bright else "어"), rest)
    if stem in _irregular("ㅎ"):
        return _closed(head + join(onset, VOWEL["ㅐ"] if vowel != VOWEL["ㅑ"] else VOWEL["ㅒ"]), rest)
    if stem in _irregular("러"):
        return _closed(stem + "러", rest)
    if coda != NO_CODA:
        return _closed(stem + ("아" if bright else "어"), rest)
    if vowel == VOWEL["ㅡ"]:
        before = head and split(head[-1])
        bright = bool(before) and before[1] in _BRIGHT
        added_vowel = VOWEL["ㅏ"] if bright else VOWEL["ㅓ"]
        if last == "르" and before:
            head = head[:-1] + join(before[0], before[1], CODA["ㄹ"])
        return _closed(head + join(onset, added_vowel), rest)
    letter = _CONTRACTED.get((_LETTERS[vowel], "아" if bright else "어"))
    if letter is None:
        return _closed(stem + ("아" if bright else "어"), rest)
    return _closed(head + join(onset, VOWEL[letter]), rest)


def _closed(word: str, rest: str) -> str:
    """The word with the rest of an ending; a rest that begins with the letter ㅆ closes the last syllable."""
    if rest and rest[0] == "ㅆ":
        onset, vowel, _ = split(word[-1])
        return word[:-1] + join(onset, vowel, CODA["ㅆ"]) + rest[1:]
    return word + rest


def _with_eu(stem: str, rest: str) -> str:
    head = stem[:-1]
    onset, vowel, coda = split(stem[-1])
    if stem in _irregular("ㅂ"):
        return head + join(onset, vowel) + "우" + rest
    if stem in _irregular("ㄷ"):
        return head + join(onset, vowel, CODA["ㄹ"]) + "으" + rest
    if stem in _irregular("ㅅ"):
        return head + join(onset, vowel) + "으" + rest
    if stem in _irregular("ㅎ"):
        return head + join(onset, vowel) + rest
    if coda == CODA["ㄹ"]:
        return (stem if rest[0] in "면려러" else head + join(onset, vowel)) + rest
    return stem + ("" if coda == NO_CODA else "으") + rest


def _with_letter(stem: str, letter: str, rest: str) -> str:
    """An ending in ㄴ, ㄹ or ㅂ, which closes the last syllable of an open stem; after a closed one, 으 or 스
    carries it."""
    head = stem[:-1]
    onset, vowel, coda = split(stem[-1])
    if letter == "ㅂ" and coda not in (NO_CODA, CODA["ㄹ"]):
        return stem + join(ONSET["ㅅ"], VOWEL["ㅡ"], CODA["ㅂ"]) + rest
    if letter == "ㄴ" and rest.startswith("다") and coda not in (NO_CODA, CODA["ㄹ"]):
        return stem + "는" + rest
    if coda in (NO_CODA, CODA["ㄹ"]) or stem in _irregular("ㅎ"):
        return head + join(onset, vowel, CODA[letter]) + rest
    if stem in _irregular("ㅂ"):
        return head + join(onset, vowel) + join(NO_ONSET, VOWEL["ㅜ"], CODA[letter]) + rest
    if stem in _irregular("ㄷ"):
        return head + join(onset, vowel, CODA["ㄹ"]) + join(NO_ONSET, VOWEL["ㅡ"], CODA[letter]) + rest
    if stem in _irregular("ㅅ"):
        return head + join(onset, vowel) + join(NO_ONSET, VOWEL["ㅡ"], CODA[letter]) + rest
    return stem + join(NO_ONSET, VOWEL["ㅡ"], CODA[letter]) + rest
