"""Numerals of Korean: Sino-Korean, native, decimal, and digit by digit. `counters.py` chooses between them."""

from __future__ import annotations

from functools import lru_cache

_SINO_DIGITS = "영일이삼사오육칠팔구"
_PHONE_DIGITS = "공일이삼사오육칠팔구"
_SMALL_UNITS = ("", "십", "백", "천")
_LARGE_UNITS = ("", "만", "억", "조", "경", "해")
_NATIVE_TENS = ("", "열", "스물", "서른", "마흔", "쉰", "예순", "일흔", "여든", "아흔")
_NATIVE_ONES = ("", "한", "두", "세", "네", "다섯", "여섯", "일곱", "여덟", "아홉")
MONTHS = {6: "유", 10: "시"}
"""Months whose numeral loses its coda (orthography, article 52): 유월, 시월."""


@lru_cache(maxsize=8192)
def read_sino(digits: str) -> str:
    """Read a whole number with Sino-Korean numerals: 12345 is 만 이천삼백사십오.

    Args:
        digits: ASCII digits; with leading zeros or more than 24 (beyond 해) they are read one by one.

    Returns:
        Hangul, with a space after each of the units from 만 up.

    >>> read_sino("20260")
    '이만 이백육십'
    """
    if len(digits) > 24 or (len(digits) > 1 and digits[0] == "0"):
        return read_digits(digits)
    if digits == "0":
        return "영"
    groups = []
    padded = digits.zfill((len(digits) + 3) // 4 * 4)
    total = len(padded) // 4
    for group_index in range(total):
        group = padded[4 * group_index : 4 * group_index + 4]
        text = ""
        for index, digit in enumerate(group):
            unit = _SMALL_UNITS[3 - index]
            if digit != "0":
                text += ("" if digit == "1" and unit else _SINO_DIGITS[int(digit)]) + unit
        if text:
            large = _LARGE_UNITS[total - 1 - group_index]
            groups.append(("" if text == "일" and large == "만" and group_index == 0 else text) + large)
    return " ".join(groups)


def read_digits(digits: str) -> str:
    """Read digit by digit, zero as 공, as in telephone numbers.

    >>> read_digits("010")
    '공일공'
    """
    return "".join(_PHONE_DIGITS[int(digit)] for digit in digits)


def read_native(number: int) -> str:
    """Read 1 to 99 with the native numerals that stand before a counter: 21 is 스물한.

    >>> read_native(20)
    '스무'
    """
    tens, ones = divmod(number, 10)
    if tens == 2 and not ones:
        return "스무"
    return _NATIVE_TENS[tens] + _NATIVE_ONES[ones]


def read_decimal(whole: str, fraction: str) -> str:
    """Read a decimal number; the point is read 쩜.

    >>> read_decimal("3", "14")
    '삼쩜일사'
    """
    return f"{read_sino(whole)}쩜{''.join(_SINO_DIGITS[int(digit)] for digit in fraction)}"
