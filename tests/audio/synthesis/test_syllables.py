"""Strings of syllables: their form, and every permitted pair of sounds among them."""

from __future__ import annotations

import itertools
from collections import Counter

import numpy as np
import pytest

from soritune.audio.synthesis.reading import draw_reading
from soritune.audio.synthesis.syllables import syllable_string
from soritune.korean.hangul import CODA, split
from soritune.korean.hangul import VOWELS as VOWEL_LETTERS

VOWELS = ["A", "EO", "O", "U", "EU", "I", "E", "iA", "iEO", "iO", "iU", "iE", "oA", "oE", "uEO", "uI", "euI"]
ONSETS = ["G", "GG", "Kh", "N", "D", "DD", "Th", "R", "M", "B", "BB", "Ph", "S", "SS", "J", "JJ", "CHh", "H"]
CODAS = ["k", "N", "t", "L", "M", "p", "NG"]
REPLACED = {*(f"{onset} iEO" for onset in ("J", "JJ", "CHh")), *(f"{onset} euI" for onset in ONSETS)}
"""Article 5: ㅕ after ㅈ ㅉ ㅊ is ㅓ, ㅢ after a consonant is ㅣ."""


def test_strings_are_one_to_six_words_of_one_to_five_syllables() -> None:
    words = [syllable_string(np.random.default_rng([1, index])).split() for index in range(400)]
    assert {len(line) for line in words} == {1, 2, 3, 4, 5, 6}
    assert {len(word) for line in words for word in line} == {1, 2, 3, 4, 5}
    assert all("가" <= syllable <= "힣" for line in words for word in line for syllable in word)


def test_letters_have_the_stated_shares() -> None:
    """Onsets are equally likely, as are codas. The 21 vowel letters stand for 17 vowels: ㅐ and ㅔ share one."""
    strings = (syllable_string(np.random.default_rng([2, index])) for index in range(2000))
    syllables = [split(syllable) for string in strings for syllable in string if syllable != " "]
    count = len(syllables)
    onsets, vowels, codas = (np.bincount([s[i] for s in syllables], minlength=28) / count for i in range(3))
    assert onsets[:19] == pytest.approx(np.full(19, 1 / 19), abs=4 * np.sqrt(1 / 19 / count))
    for letter, weight in {"ㅏ": 1, "ㅐ": 0.5, "ㅔ": 0.5, "ㅢ": 1}.items():
        expected = weight / 17
        assert vowels[VOWEL_LETTERS.index(letter)] == pytest.approx(
            expected, abs=4 * np.sqrt(expected / count)
        )
    closed = [codas[CODA[letter]] for letter in "ㄱㄴㄷㄹㅁㅂㅇ"]
    assert sum(closed) == pytest.approx(0.5, abs=0.03)  # between 0.3 and 0.7 by string
    assert closed == pytest.approx([sum(closed) / 7] * 7, abs=4 * np.sqrt(0.07 / count))


@pytest.mark.slow
def test_every_onset_occurs_with_every_vowel_and_every_vowel_with_every_coda() -> None:
    pairs: Counter[str] = Counter()
    for index in range(6000):
        rng = np.random.default_rng([3, index])
        phones = draw_reading(syllable_string(rng), rng, 0.0, 0.5).phones
        pairs.update(" ".join(pair) for pair in itertools.pairwise(phones))
    legal = {f"{onset} {vowel}" for onset in ONSETS for vowel in VOWELS} - REPLACED
    legal |= {f"{vowel} {coda}" for vowel in VOWELS for coda in CODAS}
    assert legal - set(pairs) == set()
    # Codas with every onset that the pronunciation rules permit after them: no lax onset after a stop, no ㄹ after a
    # nasal, no ㄴ after ㄹ.
    sonorants = [f"{coda} {onset}" for coda in ("N", "M", "NG") for onset in ONSETS if onset != "R"]
    stops = [
        f"{coda} {onset}"
        for coda in ("k", "t", "p")
        for onset in ("GG", "DD", "BB", "SS", "JJ", "Kh", "Th", "Ph", "CHh")
    ]
    laterals = [f"L {onset}" for onset in (*ONSETS, "L") if onset not in ("N", "R")]
    assert {*sonorants, *stops, *laterals} - set(pairs) == set()
