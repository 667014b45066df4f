import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soritune.korean import Unread, normalize, pronounce, unread
from soritune.korean.signs import fold


@pytest.mark.parametrize(
    ("text", "spoken"),
    [
        ("2¾컵", "이와 사분의 삼컵"),
        ("⅝", "팔분의 오"),
        ("3 1/4", "삼과 사분의 일"),
        ("10⁹", "십의 구제곱"),
        ("10⁻⁶", "십의 마이너스 육제곱"),
        ("7²", "칠의 제곱"),
        ("x³", "엑스 세제곱"),
        ("10^8", "십의 팔제곱"),
        ("④⑤", "사 오"),
        ("⑴번, ❷번, ⒊", "일번, 이번, 삼"),
        ("㊲", "삼십칠"),
        ("Ⅸ장", "구장"),
        ("제Ⅳ부", "제사부"),
        ("ⅩⅩⅣ", "이십사"),
        ("제II편", "제이편"),
        ("㉢ ㉯", "디귿 나"),
        ("㈜소리", "주식회사 소리"),
        ("№ 7, No. 7", "넘버 칠, 넘버 칠"),
        ("٣개", "세개"),
        ("二〇一九年", "이천십구년"),
        ("H₂O CO₂", "에이치투오 시오투"),
        ("café", "카페"),
    ],
)
def test_sign_is_read_as_what_it_stands_for(text, spoken):
    assert normalize(text) == spoken


INVISIBLE = "\u200b\u200c\u200d\u2060\ufeff\u00ad\u200e\u202a\ufe0f\u034f\u3164\x00"


@pytest.mark.parametrize("character", INVISIBLE)
def test_invisible_sign_does_not_split_a_word(character):
    assert pronounce(f"값{character}이", tagger="none") == "갑씨"
    assert normalize(f"3{character}번 1{character}0개") == "세번 열개"
    assert unread(f"값{character}이") == []


UNIT_SIGNS = [
    chr(code)
    for first, last in ((0x3371, 0x337A), (0x3380, 0x33DF), (0x33FF, 0x33FF))
    for code in range(first, last + 1)
]
LABELS = [
    chr(code)
    for first, last in (
        (0x2460, 0x249B),
        (0x24EA, 0x24FF),
        (0x2776, 0x2793),
        (0x3251, 0x325F),
        (0x32B1, 0x32BF),
    )
    for code in range(first, last + 1)
]
FRACTIONS = [chr(code) for code in (0xBC, 0xBD, 0xBE, *range(0x2150, 0x215F), 0x2189)]
JAPANESE_UNITS = [chr(code) for code in range(0x3300, 0x3371)]


@pytest.mark.parametrize(
    "signs", [UNIT_SIGNS, LABELS, FRACTIONS, JAPANESE_UNITS], ids=["unit", "label", "half", "ja"]
)
def test_every_sign_of_a_block_has_a_reading(signs):
    assert [sign for sign in signs if not normalize(sign) or unread(sign)] == []


def test_numbers_in_circles_have_the_value_that_unicode_gives():
    for sign in LABELS:
        assert normalize(sign) == normalize(str(int(unicodedata.numeric(sign)))), sign


def test_fractions_have_the_value_that_unicode_gives():
    for sign in FRACTIONS:
        numerator, _, denominator = unicodedata.normalize("NFKC", sign).partition("\u2044")
        if denominator:
            assert normalize(sign) == f"{normalize(denominator)}분의 {normalize(numerator)}"


def test_what_has_no_reading_is_reported():
    assert unread("좋아요👍👍, 国民と 값́이") == [
        Unread(3, "👍👍", "THUMBS UP SIGN"),
        Unread(7, "国", "CJK UNIFIED IDEOGRAPH-56FD"),
        Unread(9, "と", "HIRAGANA LETTER TO"),
        Unread(12, "\u0301", "COMBINING ACUTE ACCENT"),
    ]
    assert unread("ㅋㅋㅋ “안녕!” (3~5개) → 끝") == [
        Unread(0, "ㅋㅋㅋ", "HANGUL LETTER KHIEUKH"),
        Unread(17, "→", "RIGHTWARDS ARROW"),
    ]
    assert unread("大韓民國, 5㎍, ½, ③, 70℉") == []


@given(st.text(max_size=40))
def test_a_dropped_letter_is_always_reported(text):
    kept = {character for item in unread(text) for character in item.text}
    for character in text:
        if unicodedata.category(character)[0] == "L" and not normalize(character):
            assert (
                character in kept
                or unicodedata.category(character) == "Lm"
                or "ㄱ" <= character <= "ㆎ"
                or (fold(character) == "")
            )
