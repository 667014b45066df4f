"""Numbers as read in Korean: Sino-Korean, native with counters, and digit by digit."""

from __future__ import annotations

import re

from soritune.korean.word_classes import word_class

_SINO_DIGITS = "영일이삼사오육칠팔구"
_PHONE_DIGITS = "공일이삼사오육칠팔구"
_SMALL_UNITS = ("", "십", "백", "천")
_LARGE_UNITS = ("", "만", "억", "조", "경", "해")
_NATIVE_TENS = ("", "열", "스물", "서른", "마흔", "쉰", "예순", "일흔", "여든", "아흔")
_NATIVE_ONES = ("", "한", "두", "세", "네", "다섯", "여섯", "일곱", "여덟", "아홉")
_MONTHS = {6: "유", 10: "시"}

# Counters that take native numerals, and longer nouns that begin like one but are Sino-Korean: 개월, 개국.
_SINO_FIRST = tuple(word_class("counter_sino"))
_NATIVE = re.compile("|".join(sorted(word_class("counter_native"), key=len, reverse=True)))


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


def read_counted(digits: str, following: str) -> str:
    """Read a number by what follows it: native before 개, 명, 살, 시 ..., Sino-Korean before 년, 월, 원, 층 ...

    Args:
        digits: ASCII digits.
        following: the text right after the number.

    Returns:
        The numeral without the counter.

    >>> read_counted("11", "시"), read_counted("6", "월"), read_counted("20", "대")
    ('열한', '유', '이십')
    """
    number = int(digits) if len(digits) < 5 else 0
    if following.startswith("월") and not following.startswith("월드") and number in _MONTHS:
        return _MONTHS[number]
    if not 1 <= number <= 99 or digits[0] == "0" or following.startswith(_SINO_FIRST):
        return read_sino(digits)
    counter = _NATIVE.match(following)
    if counter is None:
        return read_sino(digits)
    word = counter[0]
    if (word == "시" and number > 12) or (
        word in ("대", "배") and number >= 20 - 10 * (word == "대") and number % 10 == 0
    ):
        return read_sino(digits)
    return read_native(number)
