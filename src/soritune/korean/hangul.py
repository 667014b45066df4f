"""Hangul arithmetic: syllables to letter indices and back.

A precomposed syllable is one code point, `0xAC00 + (onset * 21 + vowel) * 28 + coda`, so the rules of this
package work on three small integers instead of letters. Read next: `boundaries.py`, the rule table.
"""

from __future__ import annotations

import re
import unicodedata

ONSETS = "ㄱㄲㄴㄷㄸㄹㅁㅂㅃㅅㅆㅇㅈㅉㅊㅋㅌㅍㅎ"
"""The 19 initial consonants in code-point order."""

VOWELS = "ㅏㅐㅑㅒㅓㅔㅕㅖㅗㅘㅙㅚㅛㅜㅝㅞㅟㅠㅡㅢㅣ"
"""The 21 vowels in code-point order."""

CODAS = ("", *"ㄱㄲㄳㄴㄵㄶㄷㄹㄺㄻㄼㄽㄾㄿㅀㅁㅂㅄㅅㅆㅇㅈㅊㅋㅌㅍㅎ")
"""The 27 final consonants in code-point order, after the empty one."""

ONSET = {letter: index for index, letter in enumerate(ONSETS)}
VOWEL = {letter: index for index, letter in enumerate(VOWELS)}
CODA = {letter: index for index, letter in enumerate(CODAS)}

FIRST_SYLLABLE = 0xAC00
LAST_SYLLABLE = 0xD7A3

NO_ONSET = ONSET["ㅇ"]
NO_CODA = 0

Syllable = tuple[int, int, int]
"""Indices of onset, vowel and coda."""


def is_syllable(character: str) -> bool:
    """Tell whether one character is a precomposed Hangul syllable (가-힣)."""
    return "가" <= character <= "힣"


def is_attached(match: re.Match[str]) -> bool:
    """Tell whether a syllable follows a match directly, as a particle or a counter does."""
    return is_syllable(match.string[match.end() : match.end() + 1])


def split(character: str) -> Syllable:
    """Return the onset, vowel and coda indices of one precomposed syllable.

    Args:
        character: one character from 가 to 힣; anything else gives meaningless indices.

    Returns:
        Three indices into `ONSETS`, `VOWELS` and `CODAS`.

    >>> split("한")
    (18, 0, 4)
    """
    code = ord(character) - FIRST_SYLLABLE
    return code // 588, code // 28 % 21, code % 28


def join(onset: int, vowel: int, coda: int = NO_CODA) -> str:
    """Return the syllable with these letter indices; the inverse of `split`.

    >>> join(18, 0, 4)
    '한'
    """
    return chr(FIRST_SYLLABLE + (onset * 21 + vowel) * 28 + coda)


def coda_of(character: str) -> int:
    """Return the coda index of a syllable (0 when it is open)."""
    return (ord(character) - FIRST_SYLLABLE) % 28


def onset_of(character: str) -> int:
    """Return the onset index of a syllable."""
    return (ord(character) - FIRST_SYLLABLE) // 588


def vowel_of(character: str) -> int:
    """Return the vowel index of a syllable."""
    return (ord(character) - FIRST_SYLLABLE) // 28 % 21


def composed(text: str) -> str:
    """Text with precomposed Hangul syllables (NFC). macOS spells file names decomposed."""
    return text if text.isascii() else unicodedata.normalize("NFC", text)
