"""Strings of syllables that mean nothing, in which rare sounds are as frequent as common ones.

Running text has some onsets, codas and vowels a hundred times as often as others, and most pairs of a coda and the
onset after it never. Here each is drawn evenly, so that a model hears every one of them beside every other.
"""

from __future__ import annotations

import numpy as np

from soritune.korean.hangul import CODA, NO_CODA, ONSETS, VOWELS, join

_CODAS = ["", "ㄱ", "ㄴ", "ㄷ", "ㄹ", "ㅁ", "ㅂ", "ㅇ"]
_MERGED = {"ㅐ": 0.5, "ㅔ": 0.5, "ㅒ": 0.3, "ㅖ": 0.7, "ㅙ": 0.34, "ㅚ": 0.33, "ㅞ": 0.33}
"""Letters of one vowel share its weight."""
_SHORTEST, _LONGEST_WORD, _MOST_WORDS = 1, 5, 6


def syllable_string(rng: np.random.Generator) -> str:
    """One to six words of one to five syllables; the spelling is what is said, before the rules of pronunciation."""
    vowels = np.array([_MERGED.get(letter, 1.0) for letter in VOWELS])
    vowels /= vowels.sum()
    closed = 0.3 + 0.4 * rng.random()
    found = []
    for _ in range(int(rng.integers(1, _MOST_WORDS + 1))):
        word = ""
        for _ in range(int(rng.integers(_SHORTEST, _LONGEST_WORD + 1))):
            coda = _CODAS[int(rng.integers(1, len(_CODAS)))] if rng.random() < closed else ""
            onset, vowel = int(rng.integers(len(ONSETS))), int(rng.choice(len(VOWELS), p=vowels))
            word += join(onset, vowel, CODA[coda] if coda else NO_CODA)
        found.append(word)
    return " ".join(found)
