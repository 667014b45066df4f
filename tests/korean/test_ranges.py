from __future__ import annotations

import pytest

from soritune.korean.normalize import normalize


def spoken(text: str) -> str:
    return normalize(text).replace(" ", "")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1.5~2배", "일쩜오배에서두배"),
        ("2.5~3.5%", "이쩜오퍼센트에서삼쩜오퍼센트"),
        ("-5~3도", "영하오도에서삼도"),
        ("−5~-2℃", "영하오도에서영하이도"),
        ("70~80㎞/h", "시속칠십킬로미터에서시속팔십킬로미터"),
        ("1,000~2,000명", "천명에서이천명"),
        ("10-15%", "십퍼센트에서십오퍼센트"),
        ("2~30대", "이삼십대"),
        ("7~80년대", "칠팔십년대"),
        ("2~3%p", "이퍼센트포인트에서삼퍼센트포인트"),
        ("€5~10", "오유로에서십유로"),
        ("$5~$10", "오달러에서십달러"),
        ("3개~5개", "세개에서다섯개"),
    ],
)
def test_both_ends_of_a_range_keep_sign_fraction_and_unit(text: str, expected: str) -> None:
    assert spoken(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("9:00~18:00", "아홉시에서십팔시"),
        ("오전 9시~오후 6시", "오전아홉시에서오후여섯시"),
        ("영하 5도~영상 3도", "영하오도에서영상삼도"),
        ("1/3~1/2", "삼분의일에서이분의일"),
        ("2024.3.1.~2025.2.28.", "이천이십사년삼월일일에서이천이십오년이월이십팔일"),
        ("12/1~12/5", "십이월일일에서십이월오일"),
        ("①번~③번", "일번에서삼번"),
        ("Ⅰ~Ⅲ", "일에서삼"),
    ],
)
def test_tilde_between_patterns_is_read(text: str, expected: str) -> None:
    assert spoken(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("월~금", "월에서금"),
        ("A~Z", "에이에서제트"),
        ("ㄱ~ㅎ", "기역에서히읗"),
        ("서울~부산", "서울에서부산"),
        ("강남역~잠실역", "강남역에서잠실역"),
        ("봄~가을", "봄에서가을"),
    ],
)
def test_tilde_between_words_of_a_kind_is_read(text: str, expected: str) -> None:
    assert spoken(text) == expected


@pytest.mark.parametrize("text", ["안녕~", "네~ 3개요", "와~ 정말", "안녕~하세요", "ㅋ~ㅋ", "~10시"])
def test_tilde_that_draws_a_sound_out_is_silent(text: str) -> None:
    assert "에서" not in normalize(text)
