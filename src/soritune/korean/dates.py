"""Numbers in fixed patterns: telephone numbers, codes, dates, days of history, times, ratios, fractions and powers."""

from __future__ import annotations

import re
from collections.abc import Callable

from soritune.korean.alternatives import NUMERAL_END, either
from soritune.korean.counters import find_counter, read_counted
from soritune.korean.hangul import NO_CODA, coda_of, is_attached
from soritune.korean.morphology import is_particle_sequence
from soritune.korean.numbers import read_decimal, read_digits, read_sino
from soritune.korean.signs import UNIT_OPEN
from soritune.korean.word_classes import word_class

_RESULT = (
    "(?:으로|로)? ?(?:이[겼기긴]|승[^강용]|승$|패[^스]|패$|졌|꺾|완승|완패|대승|대패|신승|석패|역전|무승부|동점"
    "|앞[섰서선]|뒤[졌지진]|제압|격파|리드)"
)
"""What follows the score of a match."""


def _longest_first(name: str) -> list[str]:
    """Return the members of a word class, longest first, as alternatives of a pattern."""
    return sorted(map(re.escape, word_class(name)), key=lambda member: (-len(member), member))


_PHONE = re.compile(r"(?<!\d)(\+\d{1,3}[- ])?(0?\d{1,2}|1\d{3}|\d{3,4})-(?:(\d{3,4})-)?(\d{4})(?!\d)")
_DATE = re.compile(r"(?<!\d)(\d{4})[-./] ?(\d{1,2})[-./] ?(\d{1,2})(?:\.(?!\d)|(?![\d]))")
_SHORT_DATE = re.compile(
    r"(?<![\d.,])(\d{2})(?:\.(\d{2})\.(\d{2})(?:\.(?!\d))?|\. (\d{1,2})\. (\d{1,2})\.)(?![\d])(?!\.\d)"
)
_VERSION = re.compile(r"(?<![\d.,])\d+(?:\.\d+){2,}(?![\d])")
_SPACED_PHONE = re.compile(r"(?<!\d)(01[016789]|0[2-6]\d?|070|080)([ .])(\d{3,4})\2(\d{4})(?!\d)")
_CODE = re.compile(
    rf"(?<![가-힣])((?:[가-힣]* ?(?:번호|{'|'.join(_longest_first('code_before'))}))(?:은|는|이|가|을|를|로)? ?:? ?)"
    r"(\d{3,}(?:-\d+)*|\d+(?:-\d+)+)(?![\d.,]|[가-힣]*번(?:이|은|을|$)| ?[개명번])"
)
_PLATE = re.compile(
    r"((?:차량 ?번호|차 ?번호|번호판)(?:은|는|이|가)? ?(?:[가-힣]{2} )?\d{2,3}[가-힣]) ?(\d{4})(?!\d)"
)
_GENERATION = re.compile(rf"(?<!\d)([1-8])0([2-9])0(?= ?(?:{'|'.join(_longest_first('generation'))}))")
_WEEKDAY = re.compile(r"(?<![\d.])(\d{1,2})[./] ?(\d{1,2})\.? ?\(([월화수목금토일])(?:요일)?\)")
_TIME = re.compile(r"(?<![\d:])([01]?\d|2[0-4]):([0-5]\d)(?::([0-5]\d))?(?![\d:])")
_DEGREES = re.compile(r"(\d+)° ?(\d+)′(?: ?(\d+)″)?")
_SEPARATED = re.compile(r"(?<![\d.,:/-])(\d{1,2})([·ㆍ∙・‧•.]) ?(\d{1,2})(?![\d]|[.,]\d)(\.?)")
_TERM = r"(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+(?:\.\d+)?)"
_RATIO = re.compile(
    rf"(?<![\d:.,])({_TERM})( ?):( ?)({_TERM}|[A-Za-z다](?![A-Za-z가-힣]))"
    rf"((?: ?: ?{_TERM})*)"
)
_LETTER_RATIO = re.compile(r"(?<![A-Za-z0-9])([A-Za-z다])( ?):( ?)(?=\d+(?![\d:]))")
_VERSUS = re.compile(r"(?<![\d.,])(\d+)( ?)대( ?)(?=(\d+|다(?![가-힣])|[A-Za-z](?![A-Za-z]))([가-힣]*))")
_SCORE = re.compile(rf"(?<![\d.,-])(\d{{1,3}}) ?[-–] ?(\d{{1,3}})(?={_RESULT})")
_POWER = re.compile(
    rf"(\d[\d,]*(?:\.\d+)?|(?<![A-Za-z0-9/·⋅∙{UNIT_OPEN}])(?!m\^[23])[A-Za-zα-ω](?=\^))\^([-+]?\d+|[A-Za-z])"
)
_MIXED = re.compile(r"(?<![\d/.,])(\d{1,4}) (\d{1,3})/(\d{1,3})(?![\d/])")
_NTH_PART = re.compile(r"(?<![\w/.])(\d{1,4})/([nNxyk])(?![\w/])|(?<![A-Za-z0-9/])([nN])/(\d{1,4})(?![\w/])")
_BEFORE_VERSION = re.compile(r"(?:버전|판|릴리스|펌웨어|[A-Za-z])(?:은|는|이|가)? ?$")
_QUARTER = re.compile(r"(?<![\d/])([1-4]) ?[/·ㆍ∙] ?4(?= ?분기)")
_RANGE_START = re.compile(r"(\d+)/(\d+)에서 $")
_FRACTION = re.compile(r"(?<![\d/])(\d{1,4}) ?/ ?(\d{1,4})(?![\d/])")

# What follows 5/18 if it is a day.
_DAY_AFTER = re.compile(
    r" ?\(?[월화수목금토일]요일| ?(?:까지|부터|자|이후|이전|오전|오후|아침|저녁|밤|현재|기준)(?![가-힣])"
    rf"| (?:{'|'.join(_longest_first('day_noun'))})"
)
# What follows a ratio that would be a time (2:10 and 21:15 are ratios in a match), and what precedes one.
_RATIO_AFTER = re.compile(
    rf"{_RESULT}| ?(?:의 )?(?:비율|축척|스코어|매칭|상담|과외|맞춤|혼합|희석|경쟁|축소|확대|화면)"
)
_RATIO_BEFORE = re.compile(
    rf"(?:{'|'.join(_longest_first('ratio_before'))})(?:은|는|이|가|을|를|의|로|인)? ?$"
)
_SCRIPTURE = re.compile(rf"(?:{'|'.join(_longest_first('scripture'))}) ?$")
# Events named after their day. With a full stop the day needs one of these after it: 3.1 alone is a decimal.
_EVENT = re.compile(
    rf"(?:{'|'.join(_longest_first('event'))})"
    rf"|[가-힣]+ (?:[가-힣]+ )?[가-힣]*(?:{'|'.join(_longest_first('event_end'))})"
)
_EVENT_WEAK = re.compile("|".join(_longest_first("event_weak")))
_KNOWN_DAYS = word_class("known_day")
_COUNTED_LIST = re.compile(
    r"대(?!책|선|첩|지진)|학년|호선|번|차|월|일|층|등|위|개|명|장|권|회|반|교시|호|급|과|단계|구|주|학기|세대|세(?!월)|년"
)


def read_patterns(text: str) -> str:
    """Read the fixed patterns of a text; all other numbers stay."""
    present = set(text)
    for signs, pattern, reading in _PATTERNS:
        if not signs or not present.isdisjoint(signs):
            replaced = pattern.sub(reading, text)
            if replaced != text:
                text, present = replaced, set(replaced)
    return text


def _amount(digits: str) -> str:
    whole, _, fraction = digits.replace(",", "").partition(".")
    return read_decimal(whole, fraction) if fraction else read_sino(whole)


def _phone(match: re.Match[str]) -> str:
    country, *groups = match.groups()
    if country is None and len(match[2]) < 3 and match[2][0] != "0":
        return match[0]
    head = f"플러스 {read_digits(country[1:-1])} " if country else ""
    return head + " ".join(read_digits(group) for group in groups if group)


def _date(match: re.Match[str]) -> str:
    year, month, day = match.groups()
    return f"{read_sino(year)}년 {_month_day(month, day)}{_space_after(match)}"


def _space_after(match: re.Match[str]) -> str:
    """Return a space unless a particle or a counter is attached to the match."""
    return "" if is_attached(match) else " "


def _short_date(match: re.Match[str]) -> str:
    """Read 24.12.31. and 24. 3. 1. as days if they can be days."""
    year, *numbers = match.groups()
    month, day = (number for number in numbers if number)
    if not _is_day(month, day) or _BEFORE_VERSION.search(match.string[: match.start()]):
        return match[0]
    return f"{read_sino(year)}년 {_month_day(month, day)}{_space_after(match)}"


def _version(match: re.Match[str]) -> str:
    """Read the number of a version or a section with all its points: 1.2.3 is 일쩜이쩜삼."""
    first, *parts = match[0].split(".")
    return "쩜".join([read_sino(first), *("".join(map(read_sino, part)) for part in parts)])


def _spaced_phone(match: re.Match[str]) -> str:
    return " ".join(read_digits(match[group]) for group in (1, 3, 4))


def _code(match: re.Match[str]) -> str:
    """Read a number that only identifies digit by digit: 비밀번호 1234."""
    return match[1] + " ".join(map(read_digits, match[2].split("-")))


def _plate(match: re.Match[str]) -> str:
    """Read the last part of a number plate digit by digit: 차량번호 12가 3456."""
    return f"{match[1]} {read_digits(match[2])}"


def _generation(match: re.Match[str]) -> str:
    """Read 2030세대 as 이공삼공세대."""
    if int(match[2]) <= int(match[1]):
        return match[0]
    return f"{read_sino(match[1])}공{read_sino(match[2])}공"


def _month_day(month: str, day: str) -> str:
    return f"{read_counted(str(int(month)), '월')}월 {read_sino(str(int(day)))}일"


def _weekday(match: re.Match[str]) -> str:
    month, day, name = match.groups()
    if not _is_day(month, day):
        return match[0]
    return f"{_month_day(month, day)} {name}요일"


def _is_day(month: str, day: str) -> bool:
    return 1 <= int(month) <= 12 and 1 <= int(day) <= 31


def _time(match: re.Match[str]) -> str:
    hour, minute, second = match.groups()
    before, after = match.string[: match.start()], match.string[match.end() :]
    if _SCRIPTURE.search(before) and not second:
        return f"{read_sino(hour)}장 {read_sino(str(int(minute)))}절"
    if not second and (_RATIO_AFTER.match(after) or _RATIO_BEFORE.search(before)):
        return match[0]
    text = f"{read_counted(str(int(hour)), '시')}시" + (
        f" {read_sino(str(int(minute)))}분" if int(minute) else ""
    )
    return text + (f" {read_sino(str(int(second)))}초" if second and int(second) else "")


def _degrees(match: re.Match[str]) -> str:
    degrees, minutes, seconds = match.groups()
    text = f"{read_sino(degrees)}도 {read_sino(str(int(minutes)))}분"
    return text + (f" {read_sino(str(int(seconds)))}초" if seconds else "")


def _separated(match: re.Match[str]) -> str:
    """Read two numbers with a dot between them: a day of history, or with a middle dot a list (1·2학년)."""
    month, dot, day, stop = match.groups()
    following = match.string[match.end() :].lstrip(" ")
    event = _is_day(month, day) and day[0] != "0" and month[0] != "0"
    if dot == ".":
        return _event_day(month, day) if event and _is_event(month, day, following) else match[0]
    if event and (not _COUNTED_LIST.match(following) or _is_event(month, day, following)):
        return _event_day(month, day) + stop
    counter = find_counter(following)
    return f"{read_counted(month, counter)} {day}{stop}"


def _is_event(month: str, day: str, following: str) -> bool:
    """Tell whether the words after a day name an event of that day."""
    known = f"{month}.{day}" in _KNOWN_DAYS
    if following.startswith("절"):
        return (month, day) == ("3", "1")
    if known and (_EVENT.match(following) or _EVENT_WEAK.match(following)):
        return True
    return bool(_EVENT.match(following)) and not find_counter(following)


def _event_day(month: str, day: str) -> str:
    """Read a day of history: 육이오, 육십 (6·10), 십이십이 (12·12), 십이륙 (10·26)."""
    if len(day) == 1 or day == "10" or (month, day) in (("12", "12"), ("11", "11")):
        return read_sino(month) + read_sino(day)
    by_digits = "".join(read_sino(digit) if digit != "0" else "공" for digit in day)
    by_digits = by_digits[0] + by_digits[1:].replace("육", "륙")  # 오일륙: 六 is 륙 after the first syllable
    spoken = read_sino(month) + by_digits
    if len(month) == 2 or day[1] == "0":
        return either(spoken, read_sino(month) + read_sino(day))
    return spoken


def _ratio(match: re.Match[str]) -> str:
    first, left, right, second, rest = match.groups()
    before = match.string[: match.start()]
    if _SCRIPTURE.search(before) and not rest and second.isdigit():
        return f"{read_sino(first)}장 {read_sino(second)}절"
    last = second if not second[0].isdigit() else _amount(second)
    end = "" if left else NUMERAL_END
    spoken = f"{_amount(first)}{end}{left}대{right}{last}"
    for part in re.findall(_TERM, rest):
        spoken += f"{end}{left}대{right}{_amount(part)}"
    return spoken


def _letter_ratio(match: re.Match[str]) -> str:
    return f"{match[1]}{match[2]}대{match[3]}"


def _versus(match: re.Match[str]) -> str:
    """Read 대 between two numbers (5대 5), unless a counter follows the second one (차 2대 3시간)."""
    first, left, right, second, run = match.groups()
    particles = run and is_particle_sequence(run) and run not in ("일", "인")
    if second[0].isdigit() and run and not particles and find_counter(run):
        return match[0]
    return f"{read_sino(first)}{NUMERAL_END if not left else ''}{left}대{right}"


def _score(match: re.Match[str]) -> str:
    return f"{read_sino(match[1])} 대 {read_sino(match[2])}"


def _power(match: re.Match[str]) -> str:
    base, exponent = match.groups()
    spoken_base = _amount(base) if base[0].isdigit() else base
    sign = {"-": "마이너스 ", "+": "플러스 "}.get(exponent[0], "")
    number = exponent.lstrip("+-")
    if not number.isdigit():
        return f"{spoken_base}의 {number}제곱 "
    sino = f"{sign}{read_sino(number)}제곱"
    words = {"2": ["제곱", "이제곱"], "3": ["세제곱", "삼제곱"], "4": ["사제곱", "네제곱"]}
    powers = [sino] if sign else words.get(number, [sino])
    joined = [f"{spoken_base}의 {power}" for power in powers]
    bare = [f"{spoken_base} {power}" for power in powers]
    forms = (joined + bare if number in words else joined) if base[0].isdigit() else bare + joined
    return either(*forms) + _space_after(match)


def _mixed(match: re.Match[str]) -> str:
    whole, numerator, denominator = match.groups()
    if not 0 < int(numerator) < int(denominator):
        return match[0]
    spoken = read_sino(whole)
    joined = spoken + ("와" if coda_of(spoken[-1]) == NO_CODA else "과")
    return f"{joined} {read_sino(denominator)}분의 {read_sino(numerator)}"


def _fraction(match: re.Match[str]) -> str:
    """Read a fraction, or a day (5/18 회의) if it cannot well be a fraction."""
    first, second = match.groups()
    fraction = f"{read_sino(second)}분의 {read_sino(first)}"
    if not _is_day(first, second) or first[0] == "0":
        return fraction
    following = match.string[match.end() :]
    is_improper = int(first) > int(second)
    start = _RANGE_START.search(match.string[: match.start()])
    if (
        _DAY_AFTER.match(following)
        or (is_improper and re.match(r" [가-힣]|에서 \d+/\d", following))
        or (start is not None and int(start[1]) > int(start[2]))
    ):
        return _month_day(first, second)
    return either(fraction, _month_day(first, second)) if int(second) > 12 else fraction


def _nth_part(match: re.Match[str]) -> str:
    """Read 1/n as 엔분의 일; the letter is read later."""
    numerator, letter, top, denominator = match.groups()
    return f"{letter}분의 {read_sino(numerator)}" if letter else f"{read_sino(denominator)}분의 {top}"


def _quarter(match: re.Match[str]) -> str:
    return f"{read_sino(match[1])}사"


_PATTERNS: tuple[tuple[str, re.Pattern[str], Callable[[re.Match[str]], str]], ...] = (
    ("4", _QUARTER, _quarter),
    ("", _CODE, _code),
    ("번", _PLATE, _plate),
    ("-", _PHONE, _phone),
    (" .", _SPACED_PHONE, _spaced_phone),
    ("-./", _DATE, _date),
    (".", _SHORT_DATE, _short_date),
    (".", _VERSION, _version),
    ("0", _GENERATION, _generation),
    ("(", _WEEKDAY, _weekday),
    (":", _TIME, _time),
    ("°", _DEGREES, _degrees),
    ("-–", _SCORE, _score),
    ("·ㆍ∙・‧•.", _SEPARATED, _separated),
    (":", _RATIO, _ratio),
    (":", _LETTER_RATIO, _letter_ratio),
    ("대", _VERSUS, _versus),
    ("^", _POWER, _power),
    ("/", _MIXED, _mixed),
    ("/", _FRACTION, _fraction),
    ("/", _NTH_PART, _nth_part),
)
"""In order: characters of which a match has at least one (none: always searched), pattern, and reading."""
