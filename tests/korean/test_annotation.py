import pytest

from soritune.korean.annotation import (
    CHAT,
    CODED,
    DOUBLE,
    HIDDEN,
    NARROW,
    REMARK_IN_SIGNS,
    SPEAKER,
    TIME,
    TURN,
)

PATTERNS = {
    "chat": CHAT,
    "coded": CODED,
    "double": DOUBLE,
    "hidden": HIDDEN,
    "remark": REMARK_IN_SIGNS,
    "speaker": SPEAKER,
    "time": TIME,
    "turn": TURN,
}


@pytest.mark.parametrize(
    ("name", "text", "matched"),
    [
        ("chat", "네 &=imit:개 응", "&=imit:개"),
        ("chat", "%mor: n|엄마", "%mor: n|엄마"),
        ("chat", "멍멍@o 왔어", "@o"),
        ("coded", "(LR: 네) 그", "(LR: 네)"),
        ("double", "값은 [10%]/[십 퍼센트]다", "[10%]/[십 퍼센트]"),
        ("hidden", "그 xx .", "xx"),
        ("hidden", "전화 010-XXXX-1234", "XXXX"),
        ("remark", "네 〖기침〗", "〖기침〗"),
        ("speaker", "진행자 A : 네", "진행자 A :"),
        ("time", "12:03.5 네", "12:03.5"),
        ("turn", "KIM: 네", "KIM:"),
        ("time", "네 [1:02:03-1:02:05]", "[1:02:03-1:02:05]"),
    ],
)
def test_pattern_matches_its_annotation(name, text, matched):
    assert PATTERNS[name].search(text)[0].strip() == matched


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("chat", "R&D와 a@b.com"),
        ("coded", "(주: 참고)"),
        ("double", "(주)(사)한국"),
        ("hidden", "xx염색체와 www.kbs.co.kr"),
        ("remark", "《침묵의 봄》을"),
        ("speaker", "1:1, 학교: 서울"),
        ("speaker", "KBS: 9시 뉴스"),
        ("speaker", "<BTS> 공연"),
        ("turn", "K: 3"),
        ("time", "3:00 회의"),
    ],
)
def test_pattern_does_not_match_text(name, text):
    assert PATTERNS[name].search(text) is None


def test_narrow_signs_have_the_length_of_full_width_ones():
    assert "（ｂ／＊）".translate(NARROW) == "(b/*)"
