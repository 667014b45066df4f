"""Written text to spoken words: numbers, dates, units, Latin letters, symbols, single jamo.

The result holds Hangul syllables, single spaces, and `, ` at punctuation where a speaker pauses. No text raises an
error: characters without a reading (emoji, rare Hanja, other scripts) are dropped.
"""

from __future__ import annotations

import re
import unicodedata
from importlib.resources import files

from soritune.korean.numbers import read_counted, read_decimal, read_digits, read_sino


def _readings(kind: str) -> dict[str, str]:
    """Return one kind of the table `readings.tsv`."""
    table = (files("soritune.korean") / "readings.tsv").read_text(encoding="utf-8")
    rows = (line.split("\t") for line in table.splitlines() if not line.startswith("#"))
    return {written: spoken for name, written, spoken in rows if name == kind}


# Latin words not in the table are spelled out; Hanja beyond it have no reading.
_LATIN_WORDS = _readings("word")
_UNITS = _readings("unit")
_HANJA = _readings("hanja")
_LETTERS = _readings("letter")
_JAMO_NAMES = _readings("jamo")
_SYMBOLS = {
    "&": " 앤드 ",
    "@": " 골뱅이 ",
    "#": " 샤프 ",
    "%": " 퍼센트 ",
    "℃": " 도 ",
    "=": " 는 ",
    "×": " 곱하기 ",
    "÷": " 나누기 ",
    "+": " 더하기 ",
}
_READY = re.compile(r"[가-힣 ]*")
_PHONE = re.compile(r"(?<!\d)(0\d{1,2}|1\d{3}|\d{3,4})-(?:(\d{3,4})-)?(\d{4})(?!\d)")
_DATE = re.compile(r"(?<!\d)(\d{4})[-./] ?(\d{1,2})[-./] ?(\d{1,2})(?:\.(?!\d)|(?![\d]))")
_TIME = re.compile(r"(?<![\d:])([01]?\d|2[0-4]):([0-5]\d)(?::([0-5]\d))?(?![\d:])")
_MEMORIAL_DAY = re.compile(r"(?<![\d.])(\d{1,2})[·ㆍ∙・](\d{1,2})(?!\d)")
_FRACTION = re.compile(r"(?<![\d/])(\d{1,4})/(\d{1,4})(?![\d/])")
_RANGE = re.compile(r"(\d[\d,]*)([가-힣%℃]{0,2})\s*[~∼〜～]\s*(?=(\d[\d,]*)([가-힣%℃]{0,2}))")
_UNIT_NAMES = "|".join(re.escape(unit) for unit in sorted(_UNITS, key=len, reverse=True))
_NUMBER = re.compile(
    rf"(?P<money>[$€£¥₩￦]\s?)?(?P<minus>(?<![\w가-힣])[-−–])?(?P<whole>\d{{1,3}}(?:,\d{{3}})+(?!\d)|\d+)(?:\.(?P<fraction>\d+))?"
    rf"(?P<unit>\s?(?:{_UNIT_NAMES})(?![A-Za-z]))?"
)
_LATIN = re.compile(r"[A-Za-z]+(?:-[A-Za-z]+)*")
_CAPITALS = re.compile(r"[A-Z]+|[a-z]+")
_JAMO_RUN = re.compile(r"[ㄱ-ㅎㅏ-ㅣ]+")
_PAUSE = re.compile(r"[.,?!;:…。、，！？；：\n\r()\[\]{}<>《》〈〉「」『』/|—]+")
_GLOSS = re.compile(r"(?<=[가-힣])\([^()가-힣]*[\u3400-\u9fff\uf900-\ufaff][^()]*\)")
_DROPPED = re.compile(r"[^가-힣, ]+")
_QUOTES = str.maketrans("", "", "'\"‘’“”`´*_^")


def _phone(match: re.Match[str]) -> str:
    return " ".join(read_digits(group) for group in match.groups() if group)


def _date(match: re.Match[str]) -> str:
    year, month, day = match.groups()
    return f"{read_sino(year)}년 {read_counted(str(int(month)), '월')}월 {read_sino(str(int(day)))}일 "


def _time(match: re.Match[str]) -> str:
    hour, minute, second = match.groups()
    text = f"{read_counted(str(int(hour)), '시')}시" + (
        f" {read_sino(str(int(minute)))}분" if int(minute) else ""
    )
    return text + (f" {read_sino(str(int(second)))}초" if second and int(second) else "")


def _memorial_day(match: re.Match[str]) -> str:
    month, day = match.groups()
    if len(month) == 2:
        return read_sino(month) + read_sino(day)
    return "".join(read_sino(digit) for digit in month + day)


def _fraction(match: re.Match[str]) -> str:
    return f"{read_sino(match[2])}분의 {read_sino(match[1])}"


def _range(match: re.Match[str]) -> str:
    """Give both ends of a range the counter of the second: 3~5개 is 세 개에서 다섯 개."""
    counter = match[2] or match[4]
    return f"{match[1]}{counter}에서 "


# Telephone numbers of three digits, read digit by digit: 119에, 112 신고.
_EMERGENCY = ("112", "114", "119")
_CALLED = re.compile(r"$|에|로 | ?(?:구급|구조|신고|상황실)")


def _number(match: re.Match[str]) -> str:
    whole, fraction, unit = match["whole"].replace(",", ""), match["fraction"], (match["unit"] or "").strip()
    following = match.string[match.end() :]
    money = (match["money"] or "").strip()
    if fraction is not None:
        text = read_decimal(whole, fraction)
    elif whole in _EMERGENCY and not (unit or money) and _CALLED.match(following):
        text = read_digits(whole)
    elif unit or money:
        text = read_sino(whole)
    else:
        text = read_counted(whole, following)
    if match["minus"]:
        text = ("영하 " if unit in ("℃", "°C", "°") or following.startswith("도") else "마이너스 ") + text
    text += _UNITS.get(unit, "") + _UNITS.get(money, "")
    # A Latin letter may follow (B1, 4D); Hangul stays attached, since 개, 년, 원 ... belong to the number.
    return text if following[:1] and "가" <= following[0] <= "힣" else text + " "


def _latin(match: re.Match[str]) -> str:
    word = match[0]
    known = _LATIN_WORDS.get(word.lower())
    if known is not None and (len(word) > 1 or word != "A"):
        return known
    return "".join(_LETTERS[letter.upper()] for letter in word if letter != "-")


def _jamo(match: re.Match[str]) -> str:
    """Name single letters; drop runs such as ㅋㅋㅋ and ㅠㅠ, which are not spoken."""
    run = match[0]
    if len(run) > 1 and (len(set(run)) == 1 or set(run) <= set("ㅋㅎㅠㅜㅡ")):
        return " "
    return " ".join(_JAMO_NAMES.get(letter, "") for letter in run)


def _fold(character: str) -> str:
    """Return the compatibility form of a full-width or enclosed character; jamo are unchanged."""
    if (
        character.isascii()
        or "ㄱ" <= character <= "ㆎ"
        or "가" <= character <= "힣"
        or character in "㎞㎝㎜㎡㎏㎖ℓ℃℉²…"
    ):
        return character
    return unicodedata.normalize("NFKC", character)


def normalize(text: str) -> str:
    """Return the spoken words of a text.

    Numbers take the numerals that their counter requires. Dates, times, telephone numbers, fractions, units and
    currency are read in full. Known Latin words are read, others are spelled out. Single jamo are named.

    Args:
        text: any text.

    Returns:
        Hangul syllables and single spaces, with `, ` at punctuation where a speaker pauses; possibly empty.
        Characters without a reading are dropped.

    >>> normalize("오후 3시에 사과 2개를 샀다!")
    '오후 세시에 사과 두개를 샀다'
    """
    return ", ".join(phrases(text))


def phrases(text: str) -> list[str]:
    """Return the spoken words of a text, split where a speaker pauses.

    Args:
        text: any text.

    Returns:
        Non-empty strings of Hangul words joined by single spaces.
    """
    if not _READY.fullmatch(text):
        text = _spell_out(text)
    parts = [" ".join(part.split()) for part in text.split(",")]
    return [part for part in parts if part]


def _spell_out(text: str) -> str:
    """Replace everything that is not Hangul by its reading; pauses become commas."""
    text = unicodedata.normalize("NFC", text).translate(_QUOTES)
    if not text.isascii() and any(
        not ("가" <= character <= "힣" or character.isascii()) for character in text
    ):
        text = _GLOSS.sub("", "".join(map(_fold, text)))
        text = "".join(_HANJA.get(character, character) for character in text)
    if any(character.isdigit() for character in text):
        for pattern, reading in (
            (_PHONE, _phone),
            (_DATE, _date),
            (_TIME, _time),
            (_MEMORIAL_DAY, _memorial_day),
            (_RANGE, _range),
            (_FRACTION, _fraction),
            (_NUMBER, _number),
        ):
            text = pattern.sub(reading, text)
    text = _LATIN.sub(_latin, text)
    text = _JAMO_RUN.sub(_jamo, text)
    for symbol, name in _SYMBOLS.items():
        text = text.replace(symbol, name)
    return _DROPPED.sub(" ", _PAUSE.sub(",", text))
