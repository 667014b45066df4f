import pytest
from hypothesis import given
from hypothesis import strategies as st

from soritune.korean.numbers import read_decimal, read_digits, read_native, read_sino


@pytest.mark.parametrize(
    ("digits", "spoken"),
    [
        ("0", "영"),
        ("10", "십"),
        ("11", "십일"),
        ("106", "백육"),
        ("10000", "만"),
        ("110000", "십일만"),
        ("100000000", "일억"),
        ("20260", "이만 이백육십"),
        ("007", "공공칠"),
        ("1" * 30, "일" * 30),
    ],
)
def test_sino_korean_number_is_read(digits, spoken):
    assert read_sino(digits) == spoken


def test_native_decimal_and_digit_readings():
    assert [read_native(number) for number in (1, 20, 21, 99)] == ["한", "스무", "스물한", "아흔아홉"]
    assert read_decimal("0", "05") == "영쩜영오"
    assert read_digits("1588") == "일오팔팔"


@given(st.integers(min_value=0))
def test_every_number_has_a_reading(number):
    assert read_sino(str(number)).replace(" ", "")
