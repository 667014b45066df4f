from __future__ import annotations

import pytest

from soritune.korean.alternatives import principal_reading
from soritune.korean.dates import read_patterns


@pytest.mark.parametrize(
    ("text", "reading"),
    [
        ("2024.3.1.", "이천이십사년 삼월 일일"),
        ("2024-10-09", "이천이십사년 시월 구일"),
        ("010-1234-5678", "공일공 일이삼사 오육칠팔"),
        ("오후 3:05", "오후 세시 오분"),
        ("오늘은 맑다", "오늘은 맑다"),
    ],
)
def test_fixed_patterns_are_read(text: str, reading: str) -> None:
    """Months 6 and 10 are 유월 and 시월; telephone numbers are read digit by digit (Korean norms)."""
    assert principal_reading(read_patterns(text)).replace(" ", "") == reading.replace(" ", "")


@pytest.mark.parametrize(
    ("text", "reading"),
    [
        ("24.12.31.", "이십사년 십이월 삼십일일"),
        ("24. 3. 1.", "이십사년 삼월 일일"),
        ("2024.3.1에", "이천이십사년 삼월 일일에"),
        ("버전 10.12.31", "버전 십쩜일이쩜삼일"),
        ("1.2.3", "일쩜이쩜삼"),
    ],
)
def test_three_numbers_with_full_stops_are_a_day_or_a_version(text: str, reading: str) -> None:
    assert principal_reading(read_patterns(text)).strip() == reading


@pytest.mark.parametrize(
    ("text", "reading"),
    [
        ("010 9876 5432", "공일공 구팔칠육 오사삼이"),
        ("010.2222.4444", "공일공 이이이이 사사사사"),
        ("비밀번호 1234", "비밀번호 일이삼사"),
        ("계좌번호 110-234-567890", "계좌번호 일일공 이삼사 오육칠팔구공"),
        ("보잉 747", "보잉 칠사칠"),
        ("학번 20190123", "학번 이공일구공일이삼"),
        ("차량번호 12가 3456", "차량번호 12가 삼사오육"),
    ],
)
def test_number_that_identifies_is_read_digit_by_digit(text: str, reading: str) -> None:
    assert read_patterns(text).strip() == reading


@pytest.mark.parametrize("text", ["번호 12번", "문제 번호 3번", "번호 100개"])
def test_counted_number_after_a_word_for_number_is_left_to_the_counters(text: str) -> None:
    assert read_patterns(text) == text


@pytest.mark.parametrize(
    ("text", "reading"),
    [("2030세대", "이공삼공세대"), ("3040 여성", "삼공사공 여성"), ("2010 세대", "2010 세대")],
)
def test_two_ages_written_as_one_number_are_read_digit_by_digit(text: str, reading: str) -> None:
    assert read_patterns(text) == reading


@pytest.mark.parametrize(
    ("text", "reading"), [("축척 1:50,000", "축척 일대오만"), ("1/n", "n분의 일"), ("N/2", "이분의 N")]
)
def test_ratios_take_separated_thousands_and_fractions_take_letters(text: str, reading: str) -> None:
    assert principal_reading(read_patterns(text)).replace("\ue003", "") == reading
