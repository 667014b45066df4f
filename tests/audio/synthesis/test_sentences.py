"""There are tens of thousands of sentences, none in two parts, and together they hold every legal pair of sounds."""

from __future__ import annotations

import itertools
from collections import Counter

import numpy as np
import pytest

from soritune.audio.synthesis.reading import draw_reading
from soritune.audio.synthesis.sentences import draw_text, part_of_text
from soritune.audio.synthesis.syllables import syllable_string
from soritune.audio.synthesis.words import nouns, words
from soritune.korean.phones import PHONES

VOWELS = ["A", "EO", "O", "U", "EU", "I", "E", "iA", "iEO", "iO", "iU", "iE", "oA", "oE", "uEO", "uI", "euI"]
ONSETS = ["G", "GG", "Kh", "N", "D", "DD", "Th", "R", "M", "B", "BB", "Ph", "S", "SS", "J", "JJ", "CHh", "H"]
CODAS = ["k", "N", "t", "L", "M", "p", "NG"]
SILENT = {*(f"{onset} iEO" for onset in ("J", "JJ", "CHh")), *(f"{onset} euI" for onset in ONSETS)}
"""Article 5: ㅕ after ㅈ ㅉ ㅊ is ㅓ, ㅢ after a consonant is ㅣ."""


def texts(part: str, count: int, seed: int = 0) -> list[str]:
    return [draw_text(np.random.default_rng([seed, index]), part)[0] for index in range(count)]  # type: ignore[arg-type]


@pytest.mark.slow
def test_there_are_tens_of_thousands_and_they_follow_from_the_generator() -> None:
    found = texts("train", 3000)
    assert len(set(found)) > 2900  # of which short ones repeat now and then
    assert found == texts("train", 3000)
    # Chapman's estimate of how many there are, from how many of a second draw are in the first.
    other = texts("train", 3000, seed=1)
    again = len(set(found) & set(other))
    assert len(set(found)) * len(set(other)) / (again + 1) > 50_000


@pytest.mark.slow
def test_a_text_is_in_one_part_whatever_the_seed() -> None:
    found = {part: set(texts(part, 400, seed)) for seed, part in enumerate(("train", "val", "test"))}
    assert not found["train"] & found["test"]
    assert not found["train"] & found["val"]
    assert not found["val"] & found["test"]
    shares = Counter(part_of_text(str(number)) for number in range(20000))
    assert shares["train"] / 20000 == pytest.approx(0.9, abs=0.01)
    assert shares["val"] == pytest.approx(shares["test"], rel=0.1)
    assert part_of_text("나무를  봐요") == part_of_text("나무를 봐요")


@pytest.mark.slow
def test_words_are_hangul_and_there_are_many() -> None:
    assert len(nouns()) > 1500
    for kind in ("thing", "verb_object", "adjective", "name", "particle", "phrase"):
        assert all(
            set(word) <= set(" /") | {chr(code) for code in range(0xAC00, 0xD7A4)} for word in words(kind)
        )


@pytest.mark.slow
def test_syllable_strings_hold_every_onset_with_every_vowel_and_every_vowel_with_every_coda() -> None:
    pairs: Counter[str] = Counter()
    for index in range(6000):
        rng = np.random.default_rng([3, index])
        phones = draw_reading(syllable_string(rng), rng, 0.0, 0.5).phones
        pairs.update(f"{one} {other}" for one, other in itertools.pairwise(phones))
    legal = {f"{onset} {vowel}" for onset in ONSETS for vowel in VOWELS} - SILENT
    legal |= {f"{vowel} {coda}" for vowel in VOWELS for coda in CODAS}
    assert legal - set(pairs) == set()
    # Codas meet every onset that the rules leave after them: nothing lax after a stop, nasals before nasals.
    sonorants = [f"{coda} {onset}" for coda in ("N", "M", "NG") for onset in ONSETS if onset != "R"]
    stops = [
        f"{coda} {onset}"
        for coda in ("k", "t", "p")
        for onset in ("GG", "DD", "BB", "SS", "JJ", "Kh", "Th", "Ph", "CHh")
    ]
    laterals = [f"L {onset}" for onset in (*ONSETS, "L") if onset not in ("N", "R")]
    assert {*sonorants, *stops, *laterals} - set(pairs) == set()


@pytest.mark.slow
def test_running_text_holds_every_phone() -> None:
    found: Counter[str] = Counter()
    for index in range(1500):
        rng = np.random.default_rng([4, index])
        found.update(draw_reading(draw_text(rng, "train", 0.0)[0], rng, 0.05, 0.7).phones)
    assert set(PHONES) <= set(found)
    assert min(found[phone] for phone in PHONES) >= 20
