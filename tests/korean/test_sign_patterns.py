import unicodedata

import pytest

from soritune.korean import normalize, unread
from soritune.korean.readings import readings
from soritune.korean.sign_patterns import read_addresses, read_comparisons, read_sign_patterns


@pytest.mark.parametrize(
    ("text", "spoken"),
    [
        (".5와 -.25", "영쩜오와 마이너스 영쩜이오"),
        ("...5개", "다섯개"),
        ("키는 6'1\"", "키는 육피트 일인치"),
        ("5′ 11″", "오피트 십일인치"),
        ("24\" 화면, 6' 깊이", "이십사인치 화면, 육피트 깊이"),
        ("서경 12°05'30\"", "서경 십이도 오분 삼십초"),
        ("'25.7.1.부터", "이십오년 칠월 일일부터"),
        ("’23. 6월", "이십삼년 유월"),
        ("'88/9/17", "팔십팔년 구월 십칠일"),
        ("C++와 C++17", "시 플러스 플러스와 시 플러스 플러스 십칠"),
        ("디즈니+에서 19+", "디즈니 플러스에서 십구 플러스"),
        ("사과+배, 3+4", "사과 더하기 배, 삼 더하기 사"),
        ("1++ 등급", "투플러스 등급"),
        ("2,5배 3,2% 0,5", "이쩜오배 삼쩜이퍼센트 영쩜오"),
        ("1,2위 0,1", "일, 이위 영, 일"),
        ("3.000.000원, 5.000원", "삼백만원, 오천원"),
        ("8*9", "팔 곱하기 구"),
        ("10V형", "십 브이형"),
        ("172.16.0.25", "일칠이 점 십육 점 영 점 이십오"),
        ("버전 1.2.3.4", "버전 일쩜이쩜삼쩜사"),
        ("860512-2345678", "팔육공오일이 이삼사오육칠팔"),
        ("계좌 301-0123-4567-81", "계좌 삼공일 공일이삼 사오육칠 팔일"),
        ("2024-03-15", "이천이십사년 삼월 십오일"),
        ("a_b", "에이 언더바 비"),
        ("A′", "에이 프라임"),
    ],
)
def test_sign_is_read_by_what_is_around_it(text, spoken):
    assert normalize(text) == spoken


@pytest.mark.parametrize(
    ("text", "spoken"),
    [
        ('"정답은 3"이다', "정답은 삼이다"),
        ("‘12’라고", "십이라고"),
        ("“방 27”이라고", "방 이십칠이라고"),
        ("'97년 '24'", "구십칠년 이십사"),
        ("'3.1'절", "삼일절"),
    ],
)
def test_quotation_mark_beside_a_number_is_silent(text, spoken):
    assert normalize(text) == spoken


def test_patterns_are_rewritten_for_later_passes():
    assert read_sign_patterns("1.000.000, .5") == "1000000, 0.5"
    assert read_comparisons("0≤y<1") == "0= y보다 작거나 같고 y= 1보다 작다"
    assert read_addresses("보고서.pdf, a.b.co.kr/c") == "보고서 점 pdf, a 점 b 점 co 점 kr  슬래시 c"


@pytest.mark.parametrize(
    ("text", "spoken"),
    [
        ("2<x<5", "이는 엑스보다 작고 엑스는 오보다 작다"),
        ("7≥n>3", "칠은 엔보다 크거나 같고 엔은 삼보다 크다"),
        ("3≠7, 3≠8", "삼은 칠과 같지 않다, 삼은 팔과 같지 않다"),
        ("π≒3.14", "파이는 약 삼쩜일사"),
    ],
)
def test_comparisons_are_read_as_sentences(text, spoken):
    assert normalize(text) == spoken


SIGN_BLOCKS = (
    *((0x21, 0x7E), (0xA1, 0xBF), (0xD7, 0xD7), (0xF7, 0xF7), (0x2010, 0x2027), (0x2030, 0x205E)),
    *((0x2100, 0x214F), (0x2190, 0x23FF), (0x2500, 0x26FF), (0x27C0, 0x27EF), (0x2900, 0x2BFF)),
    *((0x2E00, 0x2E5D), (0x3001, 0x303F), (0xFE10, 0xFE19), (0xFE30, 0xFE6B), (0xFF01, 0xFF65), (0xFFE0, 0xFFEE)),
)  # fmt: skip
SIGNS = [
    chr(code)
    for first, last in SIGN_BLOCKS
    for code in range(first, last + 1)
    if unicodedata.name(chr(code), "")
]


@pytest.mark.parametrize(("before", "after"), [("가", "나"), ("3", "4")])
def test_sign_is_read_or_reported_or_silent_on_purpose(before, after):
    silent = readings("silent")
    plain = {normalize(f"{before}{between}{after}") for between in ("", " ", ",")}
    other = {"〸", "\u00ad"}  # 3〸4 is 34; a soft hyphen is invisible
    lost = [
        sign
        for sign in SIGNS
        if normalize(f"{before}{sign}{after}") in plain
        and not unread(f"{before}{sign}{after}")
        and sign not in silent
        and sign not in other
    ]
    assert lost == []


def test_silent_signs_are_punctuation_quotation_marks_and_brackets():
    kinds = {unicodedata.category(sign) for sign in readings("silent")}
    assert kinds <= {"Po", "Ps", "Pe", "Pi", "Pf", "Pd", "Sk", "Sm", "So", "Lm", "Lo"}
    assert [sign for sign in readings("silent") if unread(f"가{sign}나")] == []


@pytest.mark.parametrize(
    ("text", "reported"),
    [
        ("ㅋㅋ 네 ㅠㅠ", ["ㅋㅋ", "ㅠㅠ"]),
        ("80%↑ 5<", ["↑", "<"]),
        ("a|b ^^", ["|", "^^"]),
        ("김*수", ["*"]),
        ("<기생충> *정말* (네) “아”", []),
        ("ㄱ과 ㅏ", []),
    ],
)
def test_signs_that_vanish_are_reported(text, reported):
    assert [item.text for item in unread(text)] == reported
