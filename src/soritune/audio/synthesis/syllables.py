"""Meaningless strings of syllables, in which rare sounds are as frequent as common ones.

In running text, some onsets, codas and vowels are a hundred times as frequent as others, and most pairs of a coda
and a following onset never occur. Here all are equally frequent, so that a model is trained on every combination.
Next: `audio/synthesis/sentences.py`.
"""

from __future__ import annotations

import numpy as np

from soritune.korean.hangul import CODA, NO_CODA, ONSETS, VOWELS, join

_CODAS = ["", "ㄱ", "ㄴ", "ㄷ", "ㄹ", "ㅁ", "ㅂ", "ㅇ"]
_MERGED = {"ㅐ": 0.5, "ㅔ": 0.5, "ㅒ": 0.3, "ㅖ": 0.7, "ㅙ": 0.34, "ㅚ": 0.33, "ㅞ": 0.33}
"""Weights of the letters that are pronounced alike and share the weight of one vowel."""
_SHORTEST, _LONGEST_WORD, _MOST_WORDS = 1, 5, 6


def syllable_string(rng: np.random.Generator) -> str:
    """Draws one to six words of one to five syllables, spelled as they are pronounced before the
    pronunciation rules."""
    vowels = np.array([_MERGED.get(letter, 1.0) for letter in VOWELS])
    vowels /= vowels.sum()
    closed = 0.3 + 0.4 * rng.random()
    drawn = []
    for _ in range(int(rng.integers(1, _MOST_WORDS + 1))):
        word = ""
        for _ in range(int(rng.integers(_SHORTEST, _LONGEST_WORD + 1))):
            coda = _CODAS[int(rng.integers(1, len(_CODAS)))] if rng.random() < closed else ""
            onset, vowel = int(rng.integers(len(ONSETS))), int(rng.choice(len(VOWELS), p=vowels))
            word += join(onset, vowel, CODA[coda] if coda else NO_CODA)
        drawn.append(word)
    return " ".join(drawn)
