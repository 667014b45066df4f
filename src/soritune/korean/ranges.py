"""Ranges: 3~5개, 10-20%, -5~3도, 9:00~18:00, ①~③, 월~금, 서울~부산.

A tilde is read 에서 between two numbers and between two words of a kind. Elsewhere it only draws a sound out (네~) and
is silent.
"""

from __future__ import annotations

import re

from soritune.korean.alternatives import NUMERAL_END, all_readings, either
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
# A hyphen between two numbers is a range if a unit or a counter follows: 10-15%, 3-4일, 3-5쪽.
_HYPHEN = "[-–]"
_SHORT_NUMBER = r"\d{1,4}(?:\.\d+)?"
_HYPHEN_RANGE = re.compile(
    rf"(?<![\d.,A-Za-z-])(?<!제)(?<!제 )({_SHORT_NUMBER}){_HYPHEN}({_SHORT_NUMBER})(?![\d-]|[.,]\d)(?!대? ?\d)"
)
_AFTER_HYPHEN_RANGE = re.compile(rf"\s?(?:{UNIT})(?![A-Za-z])")
_LARGE = re.compile(r" ?[백천만억]+")
_IDENTIFIED = frozenset(("호", "호실", "번지", "번길", "번가", "동", "반", "통", "필지"))
"""Counters of things that have two numbers with a hyphen: 101-1203호, 123-4번지, 3-2반."""
_HOUR = r"(?:[01]?\d|2[0-4]):[0-5]\d"
_YEAR = r"(?:1[5-9]|20)\d\d"
_HYPHENATED_TIMES = re.compile(
    rf"(?<![\d:])({_HOUR}) ?{_HYPHEN} ?(?={_HOUR}(?![\d:]))|(?<![\d-])({_YEAR}) ?{_HYPHEN} ?(?={_YEAR} ?년)"
)
_HYPHENATED_COUNTS = re.compile(rf"(?<![\d.,A-Za-z-])(\d+)([가-힣]{{1,3}}) ?{_HYPHEN} ?(?=\d+\2)")
# Numbers with commas between them take the counter of the last one: 2,3개, 3, 4번, 1, 2, 3층.
_LISTED = re.compile(r"(?<![\d.,A-Za-z:/-])(?:\d{1,4}, ?)+\d{1,2}(?![\d:/]|[.,-]\d|, ?\d)")
_APPROXIMATIONS = {
    **{("두", "세"): ("두세",), ("세", "네"): ("서너", "세네"), ("네", "다섯"): ("네다섯", "너댓")},
    **{
        ("다섯", "여섯"): ("대여섯", "다섯여섯"),
        ("여섯", "일곱"): ("예닐곱",),
        ("일곱", "여덟"): ("일고여덟",),
    },
    **{("여덟", "아홉"): ("여덟아홉", "엳아홉"), ("한", "두"): ("한두",)},
}
"""Two native numerals that follow each other, and how they are pronounced together."""


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
    if "-" in text or "–" in text:
        text = _HYPHENATED_COUNTS.sub(_hyphenated_count, _HYPHENATED_TIMES.sub(_hyphenated_time, text))
    if not _HAS_TILDE.search(text) and "·" not in text:
        return text
    text = _MONEY_RANGE.sub(r"\1\2에서 \1", text)
    return _JOINED.sub(_join, _DECADES.sub(_decades, text))


def read_ranges(text: str) -> str:
    """Read the ranges between two numbers: both ends take the counter or the unit of the second.

    Args:
        text: a text in which the patterns of `dates.py` have been read.
    """
    text = _LISTED.sub(_listed, _HYPHEN_RANGE.sub(_hyphen_range, text))
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


def _hyphenated_time(match: re.Match[str]) -> str:
    return f"{match[1] or match[2]}~"


def _hyphenated_count(match: re.Match[str]) -> str:
    """Read the hyphen of 9시-18시 if what stands before it is a counter."""
    digits, counter = match.groups()
    return (
        f"{digits}{counter}~" if find_counter(counter) == counter and counter not in _IDENTIFIED else match[0]
    )


def _hyphen_range(match: re.Match[str]) -> str:
    first, second = match.groups()
    after = match.string[match.end() :]
    large = _LARGE.match(after)
    counter = find_counter(after[large.end() :].lstrip(" ") if large else after).strip()
    follows = (counter and counter not in _IDENTIFIED) or _AFTER_HYPHEN_RANGE.match(after)
    is_range = follows and first[0] != "0" and float(first) < float(second)
    return f"{first}~{second}" if is_range else match[0]


def _listed(match: re.Match[str]) -> str:
    """Give every number of a list the counter of the last one: 2,3개 is 두, 세 개 or 두세 개."""
    before, after = match.string[: match.start()], match.string[match.end() :]
    counter = find_counter(after)
    numbers = re.split(", ?", match[0])
    if not counter or any(number[0] == "0" for number in numbers):
        return match[0]
    sino = [read_sino(number) for number in numbers]
    readings = [sino]
    if counter.strip() != "월":  # 유월 and 시월 are names of months, which a list does not have
        columns = [all_readings(read_counted(number, after, before), 8) for number in numbers]
        principal = [column[0] for column in columns]
        has_sino = all(numeral in column for numeral, column in zip(sino, columns, strict=True))
        readings = [principal, *([sino] if has_sino and sino != principal else [])]
    spoken = [", ".join(reading) for reading in readings]
    if len(numbers) == 2 and int(numbers[1]) == int(numbers[0]) + 1 < 11:
        joined = [
            together
            for reading in readings
            for together in _APPROXIMATIONS.get((reading[0], reading[1]), ("".join(reading),))
        ]
        spoken[1:1] = joined
    return either(*spoken) + NUMERAL_END
