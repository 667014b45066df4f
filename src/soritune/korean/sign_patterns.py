"""Signs whose reading depends on the numbers and letters around them: 5'10", 37°30', '24.3.15, .5, C++, 192.168.0.1.

Runs before quotation marks are removed, since an apostrophe may stand for feet, minutes of arc or a left-out century.
What a later pass can read is only rewritten (.5 becomes 0.5); the rest is read here.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from soritune.korean.hangul import NO_CODA, coda_of, is_attached
from soritune.korean.morphology import is_particle_sequence
from soritune.korean.numbers import read_digits, read_sino
from soritune.korean.readings import readings
from soritune.korean.units import UNIT

_LETTERS = readings("letter")
_MINUTE, _SECOND = "['′’]", "(?:[\"″”]|''|’’)"
_ARC = re.compile(rf"(\d+)° ?(\d{{1,2}}){_MINUTE}(?: ?(\d{{1,2}}(?:\.\d+)?){_SECOND})?")
_FEET_AND_INCHES = re.compile(rf"(?<![\d.'′’])(\d{{1,2}}) ?{_MINUTE} ?(\d{{1,2}}(?:\.\d+)?){_SECOND}")
_LENGTH_SIGN = re.compile(r"(?<![\d.'′’‘:])(\d{1,3}(?:\.\d+)?)([\"″”'′’])(?![\d\"'])")
_PAIRED = {"”": "“", "’": "‘"}
_PRIME = re.compile(r"(?<=[A-Za-z])′")
_SHORT_YEAR = re.compile(
    r"['’‘](\d{2})(?:([./-]) ?(\d{1,2})\2 ?(\d{1,2})(?:\.(?!\d))?|\. ?(\d{1,2})(?:월|\.(?!\d))?)(?![\d.]*\d|['’])"
)
_BARE_FRACTION = re.compile(r"(?<![\w.,)\]'])\.(?=\d+(?![\d.]))")
_DECIMAL_COMMA = re.compile(
    rf"(?<![\d.,])(\d{{1,3}}),(\d{{1,2}})(?=배(?!수)|\s?(?:{UNIT})(?![A-Za-z]))|(?<![\d.,])(0),([02-9]\d?|1\d)(?![\d,.])"
)
_GROUPED_BY_DOTS = re.compile(
    r"(?<![\d.,])([1-9]\d{0,2}(?:\.\d{3}){2,}|[1-9]\d{0,2}\.000(?= ?(?:원|달러|유로|엔)))(?!\d|\.\d)"
)
_INTERNET_NUMBER = re.compile(r"(?<![\d.])\d{1,3}(?:\.\d{1,3}){3}(?!\d|\.\d)")
_BEFORE_VERSION = re.compile(r"(?:버전|판|릴리스|펌웨어|[vV]|[Vv]er\.?) ?$")
_PERSON_NUMBER = re.compile(r"(?<![\d-])(\d{6}) ?- ?([1-8]\d{6})(?![\d-])")
_LONG_CODE = re.compile(r"(?<![\d.,+/-])(?!\d{4}-\d\d?-\d\d?(?!\d))\d{2,6}(?:-\d{2,7}){2,4}(?![\d/-]|[.,]\d)")
_LONG_CODE_DIGITS = 10
_MEAT_GRADE = re.compile(r"(?<![\d+])1(\+{1,2})(?= ?(?:등급|한우|등심|안심|소고기|쇠고기))")
_DOUBLE_PLUS = re.compile(r"(?<=[A-Za-z])\+\+(?![A-Za-z+])(\d*)")
_NAME_PLUS = re.compile(r"(?<=[\w가-힣])(\+{1,2})(?![+=])(?: *(?=$|[.,?!)])|(?= [가-힣])|(?=([가-힣]+)))")
_TIMES_DOT = re.compile(r"(?<=\d)·(?=\d+ ?=)")
_V_TYPE = re.compile(r"(?<=\d)V(?=형)")
_UNDERLINE = re.compile("(?<=[A-Za-z0-9])_(?=[A-Za-z0-9])")

_TERM = r"-?\d+(?:,\d{3})*(?:\.\d+)?|[A-Za-zα-ω]"
# 3>2, 1<x≤3, but no tag (<b>)
_COMPARED = re.compile(
    rf"(?<![\w가-힣<>≤≥≦≧.,]|-)(?:{_TERM})(?: ?[<>≤≥≦≧] ?(?:{_TERM}))+(?![\w가-힣]|[.,]\d| ?[<>≤≥≦≧])"
)
_COMPARISONS = re.compile(" ?([<>≤≥≦≧]) ?")
_GREATER = {
    ">": "크",
    "<": "작",
    **dict.fromkeys("≥≧", "크거나 같"),
    **dict.fromkeys("≤≦", "작거나 같"),
}
_UNEQUAL = re.compile(rf"(?<![\w가-힣.,])({_TERM}) ?([≠≒≈]) ?({_TERM})(?![\w가-힣]|[.,]\d)")

# Names of files and internet addresses, in which a full stop is spoken.
_DOMAIN = "com|net|org|kr|jp|cn|us|uk|io|ai|co|edu|gov|info|biz|tv|me|app|dev|shop"
_SUFFIX = (
    "txt|py|exe|pdf|docx?|hwpx?|xlsx?|pptx?|csv|tsv|json|ya?ml|xml|html?|js|css|java|cpp|sh|md|jpe?g|png|gif|bmp|svg"
    "|mp3|mp4|wav|avi|mov|flac|zip|tar|gz|log|ini"
)
_ADDRESS = re.compile(
    rf"(?<![A-Za-z0-9.])(https?://)?((?:[A-Za-z0-9_-]+\.)+(?:{_DOMAIN}))((?:/[A-Za-z0-9_.%-]+)*/?)(?![A-Za-z0-9])"
)
_FILE_NAME = re.compile(
    rf"(?<![A-Za-z0-9.])([가-힣A-Za-z0-9_.-]*[가-힣A-Za-z0-9_-])\.({_SUFFIX})(?![A-Za-z0-9.])"
)


def read_sign_patterns(text: str) -> str:
    """Read or rewrite the signs of a text that depend on what is around them.

    Args:
        text: a folded text (`signs.fold`) that still has its quotation marks.

    >>> read_sign_patterns("키 5'10\\", .5")
    '키 5피트 10인치, 0.5'
    """
    present = set(text)
    for signs, pattern, reading in _PATTERNS:
        if not present.isdisjoint(signs):
            text = pattern.sub(reading, text)
    return text


def read_comparisons(text: str) -> str:
    """Read 3>2 as 3은 2보다 크다, and 1<x<3 as two comparisons. `=` stands for the topic particle.

    >>> read_comparisons("1<x<3")
    '1= x보다 작고 x= 3보다 작다'
    """
    return _UNEQUAL.sub(_unequal, _COMPARED.sub(_compare, text))


def read_addresses(text: str) -> str:
    """Read the full stops of internet addresses and file names: 닷컴, and 점 elsewhere.

    >>> read_addresses("a.txt")
    'a 점 txt'
    """
    return _FILE_NAME.sub(r"\1 점 \2", _ADDRESS.sub(_address, text))


def _arc(match: re.Match[str]) -> str:
    degrees, minutes, seconds = match.groups()
    return f"{degrees}도 {int(minutes)}분" + (f" {seconds}초" if seconds else " ")


def _length(match: re.Match[str]) -> str:
    """Read 12' and 27" as feet and inches, unless the sign closes a quotation or opens one."""
    number, sign = match.groups()
    before, after = match.string[: match.start(2)], match.string[match.end() :]
    if sign in "\"'":
        if before.count(sign) % 2 or after.count(sign) % 2:
            return match[0]
    elif sign in _PAIRED and before.count(_PAIRED[sign]) > before.count(sign):
        return match[0]
    following = "" if is_attached(match) else " "
    return f"{number}{'피트' if sign in chr(39) + '′’' else '인치'}{following}"


def _short_year(match: re.Match[str]) -> str:
    year, _, month, day, month_alone = match.groups()
    if not 1 <= int(month or month_alone) <= 12 or (day and not 1 <= int(day) <= 31):
        return match[0]
    spoken = f"{year}년 {int(month or month_alone)}월" + (f" {int(day)}일" if day else "")
    return spoken + ("" if is_attached(match) else " ")


def _decimal_comma(match: re.Match[str]) -> str:
    return f"{match[1] or match[3]}.{match[2] or match[4]}"


def _grouped_by_dots(match: re.Match[str]) -> str:
    version = _BEFORE_VERSION.search(match.string[: match.start()])
    return match[0] if version else match[0].replace(".", "")


def _internet_number(match: re.Match[str]) -> str:
    """Read an address such as 192.168.0.1, parts of three digits one by one; 1.2.3.4 may be a version or a section."""
    parts = match[0].split(".")
    is_address = all(int(part) <= 255 for part in parts) and (len(parts[0]) == 3 or parts[0] == "10")
    if not is_address or _BEFORE_VERSION.search(match.string[: match.start()]):
        return match[0]
    return " 점 ".join(read_digits(part) if len(part) == 3 else read_sino(part) for part in parts) + (
        "" if is_attached(match) else " "
    )


def _digit_groups(match: re.Match[str]) -> str:
    groups = [group.strip() for group in match[0].split("-")]
    if sum(map(len, groups)) < _LONG_CODE_DIGITS:
        return match[0]
    return " ".join(map(read_digits, groups)) + ("" if is_attached(match) else " ")


def _meat_grade(match: re.Match[str]) -> str:
    return "투플러스" if match[1] == "++" else "원플러스"


def _double_plus(match: re.Match[str]) -> str:
    return f" 플러스 플러스{' ' if match[1] else ''}{match[1]}"


def _name_plus(match: re.Match[str]) -> str:
    """Read 디즈니+, 19+ and A++; before a word that is not a particle it is a sum."""
    if match[2] and not is_particle_sequence(match[2]):
        return match[0]
    return " 플러스" * len(match[1])


def _compare(match: re.Match[str]) -> str:
    terms = _COMPARISONS.split(match[0])
    clauses = [
        f"{first}= {second}보다 {_GREATER[sign]}"
        for first, sign, second in zip(terms[::2], terms[1::2], terms[2::2], strict=False)
    ]
    return "고 ".join(clauses) + "다"


def _unequal(match: re.Match[str]) -> str:
    first, sign, second = match.groups()
    if sign != "≠":
        return f"{first}= 약 {second}"
    last = second[-1]
    spoken = read_sino(re.sub(r"[-,]|.*\.", "", second)) if last.isdigit() else _LETTERS.get(last.upper(), "")
    return f"{first}= {second}{'와' if not spoken or coda_of(spoken[-1]) == NO_CODA else '과'} 같지 않다"


def _address(match: re.Match[str]) -> str:
    scheme, host, path = match.groups()
    spoken = host.removesuffix(".com").replace(".", " 점 ") + (" 닷컴 " if host.endswith(".com") else " ")
    if scheme:
        spoken = f"{scheme[:-3]} 콜론 슬래시 슬래시 {spoken}"
    spoken += path.replace("/", " 슬래시 ").replace(".", " 점 ")
    return spoken.rstrip() if is_attached(match) else spoken


_PATTERNS: tuple[tuple[str, re.Pattern[str], str | Callable[[re.Match[str]], str]], ...] = (
    ("°", _ARC, _arc),
    ("'’‘", _SHORT_YEAR, _short_year),
    ("'′’", _FEET_AND_INCHES, r"\1피트 \2인치"),
    ("\"″”'′’", _LENGTH_SIGN, _length),
    ("′", _PRIME, " 프라임 "),
    (".", _BARE_FRACTION, "0."),
    (",", _DECIMAL_COMMA, _decimal_comma),
    (".", _INTERNET_NUMBER, _internet_number),
    (".", _GROUPED_BY_DOTS, _grouped_by_dots),
    ("-", _PERSON_NUMBER, _digit_groups),
    ("-", _LONG_CODE, _digit_groups),
    ("+", _MEAT_GRADE, _meat_grade),
    ("+", _DOUBLE_PLUS, _double_plus),
    ("+", _NAME_PLUS, _name_plus),
    ("·", _TIMES_DOT, "×"),
    ("_", _UNDERLINE, " 언더바 "),
    ("V", _V_TYPE, " 브이"),
)
"""In order: characters of which a match has at least one, pattern, and reading."""
