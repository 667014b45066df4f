"""Ranges: 3~5개, 10-20%, -5~3도, 9:00~18:00, ①~③, 월~금, 서울~부산.

A tilde is read 에서 between two numbers and between two words of a kind. Elsewhere it only draws a sound out (네~) and
is silent.
"""

from __future__ import annotations

import re

from soritune.korean.alternatives import NUMERAL_END
from soritune.korean.counters import find_counter, read_counted
from soritune.korean.numbers import read_sino
from soritune.korean.readings import readings
from soritune.korean.units import UNIT
from soritune.korean.word_classes import word_class

_HAS_TILDE = re.compile("[~∼〜～]")
_TILDE = r"[ \t]*[~∼〜～][ \t]*"
_PLAIN_NUMBER = r"\d[\d,]*(?:\.\d+)?"
_RANGE = re.compile(
    rf"(?<![\d.,])(?P<sign>(?<![\w가-힣])[-−–+])?(?P<digits>{_PLAIN_NUMBER})(?P<unit>[%℃°]?){_TILDE}"
    rf"(?=(?P<last>[-−–+]?{_PLAIN_NUMBER})(?P<last_unit>[%℃°]?))"
)
_POINTS = re.compile("[pP](?![A-Za-z])| ?포인트")
_PER_UNIT = re.compile(rf"\s?(?=[^\s/]{{1,4}}/)(?:{UNIT})(?![A-Za-z])")
_OWN_COUNTER_RANGE = re.compile(rf"(?<=\d)([가-힣]{{1,3}}){_TILDE}(?=\d)")
# Ends that are more than a number: 9:00~18:00, 1/3~1/2, 2024.3.1.~2025.2.28., 오전 9시~오후 6시, 영하 5도~영상 3도.
_END_OF_RANGE = r"\d[\d.,:/]*"
_CURRENCY = "".join(map(re.escape, readings("money")))
_MONEY_RANGE = re.compile(rf"([{_CURRENCY}])({_PLAIN_NUMBER}){_TILDE}\1?(?=\d)")
_JOINED = re.compile(
    rf"(?P<first>{_END_OF_RANGE})(?P<counter>[가-힣]{{0,4}}){_TILDE}"
    rf"(?=(?P<word>[가-힣]{{1,3}} ?)?(?P<last>{_END_OF_RANGE}))"
)
_IS_PATTERN = re.compile(r"[:/]|\..*\.")
_DECADES = re.compile(r"(?<!\d)([1-8]) ?[~∼〜～·] ?([2-9])0(?= ?(?:년 ?)?대(?![가-힣]*[0-9]))")
# A hyphen between two numbers is a range if a unit or one of these counters follows: 10-15%, 3-4일.
_HYPHEN_RANGE = re.compile(
    rf"(?<![\d.,-])(\d{{1,4}})[-–](\d{{1,4}})(?=\s?(?:{UNIT})(?![A-Za-z])|(?:만|천|백)? ?"
    r"(?:개(?!정)|명|살|세|년|월|일|시|분|초|회|배|마리|도|원|장|권|대|잔|병|인분|학년|주|층|점)(?![가-힣]*[-\d]))"
)


def _word_ranges() -> re.Pattern[str]:
    """Return the pattern of a tilde between two words of a kind."""
    words = "|".join(sorted(word_class("range_end"), key=lambda word: (-len(word), word)))
    place = f"(?:[가-힣]+(?:역|공항|터미널|나들목|교차로|사거리)|(?:{words}))"
    return re.compile(
        rf"(?<![가-힣])([월화수목금토일]){_TILDE}(?=[월화수목금토일](?![가-힣]))"
        rf"|(?<![A-Za-z])([A-Z]){_TILDE}(?=[A-Z](?![A-Za-z]))"
        rf"|(?<![ㄱ-ㅎ])([ㄱ-ㅎ]){_TILDE}(?=(?!\3)[ㄱ-ㅎ](?![ㄱ-ㅎ]))"
        rf"|(?<![가-힣])({place}){_TILDE}(?={place})"
    )


_WORD_RANGE = _word_ranges()


def join_words(text: str) -> str:
    """Read the tilde between two days, letters or places: 월~금 is 월에서 금."""
    return _WORD_RANGE.sub(_joined_words, text) if _HAS_TILDE.search(text) else text


def _joined_words(match: re.Match[str]) -> str:
    return f"{match[match.lastindex or 0]}에서 "


def join_ranges(text: str) -> str:
    """Read the tilde of ranges whose ends are more than a number; to be called before such ends are read.

    Args:
        text: a text with its numbers in digits.
    """
    if not _HAS_TILDE.search(text) and "·" not in text:
        return text
    text = _MONEY_RANGE.sub(r"\1\2에서 \1", text)
    return _JOINED.sub(_join, _DECADES.sub(_decades, text))


def read_ranges(text: str) -> str:
    """Read the ranges between two numbers: both ends take the counter or the unit of the second.

    Args:
        text: a text in which the patterns of `dates.py` have been read.
    """
    text = _HYPHEN_RANGE.sub(_hyphen_range, text)
    if not _HAS_TILDE.search(text):
        return text
    return _OWN_COUNTER_RANGE.sub(_counted_range, _RANGE.sub(_range, text))


def _join(match: re.Match[str]) -> str:
    """Read a tilde after or before a pattern, or before a word that belongs to the second number."""
    first, counter, word, last = match["first"], match["counter"], match["word"], match["last"]
    if not word and not _IS_PATTERN.search(first) and not _IS_PATTERN.search(last.rstrip(".,:/")):
        return match[0]
    return f"{first}{counter}에서 "


def _range(match: re.Match[str]) -> str:
    """Give both ends of a range the counter of the second: 3~5개 is 세 개에서 다섯 개."""
    digits, unit, last_unit, sign = match["digits"], match["unit"], match["last_unit"], match["sign"] or ""
    after = match.string[match.end() + len(match["last"]) + len(last_unit) :]
    if speed := _PER_UNIT.match(after):
        return f"{sign}{digits}{speed[0]}에서 "
    if unit or last_unit:
        points = _POINTS.match(after) if last_unit == "%" else None
        return f"{sign}{digits}{unit or last_unit}{points[0] if points else ''}에서 "
    counter = find_counter(after).strip()
    if sign or "." in digits:
        return f"{sign}{digits}{counter}에서 "
    numeral = read_counted(digits.replace(",", ""), after, match.string[: match.start()])
    return f"{numeral}{NUMERAL_END if counter else ''}{counter}에서 "


def _counted_range(match: re.Match[str]) -> str:
    """Read 3개~5개, in which the first number has its own counter."""
    return f"{match[1]}에서 "


def _decades(match: re.Match[str]) -> str:
    """Read 2~30대 as 이삼십대, 7~80년대 as 칠팔십년대."""
    first, second = match.groups()
    return read_sino(first) + read_sino(second + "0") if int(second) == int(first) + 1 else match[0]


def _hyphen_range(match: re.Match[str]) -> str:
    first, second = match.groups()
    return f"{first}~{second}" if first[0] != "0" and int(first) < int(second) else match[0]
