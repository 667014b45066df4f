from hypothesis import given
from hypothesis import strategies as st

from soritune.korean import hangul


@given(st.characters(min_codepoint=0xAC00, max_codepoint=0xD7A3))
def test_split_and_join_are_inverse(syllable):
    assert hangul.join(*hangul.split(syllable)) == syllable
    assert hangul.split(syllable) == (
        hangul.onset_of(syllable),
        hangul.vowel_of(syllable),
        hangul.coda_of(syllable),
    )


def test_split_gives_the_letters_of_a_syllable():
    onset, vowel, coda = hangul.split("값")
    assert (hangul.ONSETS[onset], hangul.VOWELS[vowel], hangul.CODAS[coda]) == ("ㄱ", "ㅏ", "ㅄ")
    assert not hangul.is_syllable("ㄱ")
