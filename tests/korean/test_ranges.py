from __future__ import annotations

import pytest

from soritune.korean.alternatives import NUMERAL_END
from soritune.korean.normalization import normalize, phrase_readings


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


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("12-15쪽", "십이쪽에서십오쪽"),
        ("pp. 3-5", "삼쪽에서오쪽"),
        ("5-10페이지", "오페이지에서십페이지"),
        ("1-3과", "일과에서삼과"),
        ("하루 2-3잔", "하루두잔에서세잔"),
        ("1.5-2배", "일쩜오배에서두배"),
        ("10-20만 원", "십에서이십만원"),
        ("10:00-11:00", "열시에서열한시"),
        ("9시-18시", "아홉시에서십팔시"),
        ("2020-2024년", "이천이십년에서이천이십사년"),
    ],
)
def test_hyphen_before_any_counter_is_a_range(text: str, expected: str) -> None:
    assert spoken(text) == expected


@pytest.mark.parametrize(
    "text",
    ["제3-5호", "101-1203호", "123-4번지", "3-2반", "3-1로 이겼다", "010-1234-5678", "5-3=2", "제1-2항"],
)
def test_hyphen_of_an_identifier_or_a_score_is_not_a_range(text: str) -> None:
    assert "에서" not in normalize(text)


@pytest.mark.parametrize(
    ("text", "principal", "others"),
    [
        ("2,3개", "두, 세개", ["두세개"]),
        ("7,8명", "일곱, 여덟명", ["일고여덟명"]),
        ("3,4살", "세, 네살", ["서너살", "세네살"]),
        ("10,20명", "열, 스무명", ["십, 이십명"]),
        ("3, 4번", "세, 네번", ["서너번", "삼, 사번"]),
        ("3,4번 문제", "삼, 사번 문제", ["삼사번 문제"]),
        ("2, 3일", "이, 삼일", ["이삼일"]),
        ("6,7월", "육, 칠월", ["육칠월"]),
        ("1, 2, 3층", "일, 이, 삼층", []),
    ],
)
def test_numbers_of_a_list_take_the_counter_of_the_last(text: str, principal: str, others: list[str]) -> None:
    assert normalize(text) == principal
    readings = [", ".join(parts).replace(NUMERAL_END, "") for parts in phrase_readings(text, 12)]
    assert set(others) <= set(readings)


@pytest.mark.parametrize(("text", "expected"), [("1,234명", "천이백삼십사명"), ("1,5배", "일쩜오배")])
def test_comma_inside_a_number_makes_no_list(text: str, expected: str) -> None:
    assert spoken(text) == expected
