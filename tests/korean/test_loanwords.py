"""Against spellings that the national rules for loanwords give as examples (외래어 표기법, chapter 3 section 1)."""

import pytest

from soritune.korean import ARPABET, KOREAN, hangul_to_phones
from soritune.korean.loanwords import english_as_korean


@pytest.mark.parametrize(
    ("english", "hangul"),
    [
        ("g ae p", "갭"),
        ("k ae t", "캗"),  # 캣, as it is pronounced
        ("b uh k", "북"),
        ("s eh t b ae k", "섿백"),  # 셋백
        ("ch ih m n iy", "침니"),
        ("hh ow t eh l", "호텔"),
        ("k ao r n ih ng", "코닝"),
        ("r ih ng", "링"),
        ("y er n", "연"),
        ("y eh l ow", "옐로"),
    ],
)
def test_words_are_written_as_the_rules_write_them(english: str, hangul: str) -> None:
    assert english_as_korean(english.split()) == tuple(hangul_to_phones(hangul))


def test_glides_and_their_vowel_are_one_vowel() -> None:
    assert english_as_korean(["w", "ay", "d"]) == ("oA", "I", "D")
    assert english_as_korean(["k", "w", "ih", "k"]) == ("Kh", "uI", "k")
    assert english_as_korean(["w"]) == ("U",)


def test_every_english_phone_has_korean_ones() -> None:
    for phone in ARPABET.symbols:
        found = english_as_korean(["ah", phone.lower(), "ah"])
        assert set(found) <= set(KOREAN.symbols)
        assert len(found) >= 2
    with pytest.raises(KeyError):
        english_as_korean(["err"])
