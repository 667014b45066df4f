"""Written text to spoken words: numbers, dates, units, Latin letters, Hanja, symbols, single jamo.

The result holds Hangul syllables, single spaces, and `, ` at punctuation where a speaker pauses. No text raises an
error: characters without a reading (emoji, other scripts) are dropped, and `unread` lists them.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from soritune.identities import is_invisible
from soritune.korean.alternatives import MARKS, NUMERAL_END, all_readings, either, principal_reading
from soritune.korean.counters import read_counted
from soritune.korean.dates import read_patterns
from soritune.korean.hangul import NO_CODA, coda_of, is_attached
from soritune.korean.hanja import IDEOGRAPHS, read_hanja
from soritune.korean.numbers import read_decimal, read_digits, read_sino
from soritune.korean.ranges import join_ranges, join_words, read_ranges
from soritune.korean.readings import readings
from soritune.korean.sign_patterns import read_addresses, read_comparisons, read_sign_patterns
from soritune.korean.signs import UNIT_CLOSE, UNIT_OPEN, fold
from soritune.korean.units import UNIT, read_lone_units, read_unit
from soritune.korean.word_classes import word_class

# Latin words not in the table are spelled out.
_LATIN_WORDS = readings("word")
_LETTERS = readings("letter")
_JAMO_NAMES = readings("jamo")
_MONEY = readings("money")
_SYMBOLS = {sign: f" {spoken} " for sign, spoken in {**_MONEY, **readings("symbol")}.items()}
_SYMBOL = re.compile("|".join(map(re.escape, _SYMBOLS)))
_FIXED = readings("fixed")
_READY = re.compile(r"[가-힣 ]*")
_ALWAYS_READ = re.compile(r"[A-Za-z0-9가-힣 \n.,?!'\"%:()‘’“”…·-]*")
_PRIVATE = re.compile(f"[{MARKS}{UNIT_OPEN}{UNIT_CLOSE}]")
_FIXED_TOKEN = re.compile(
    rf"(?<![A-Za-z0-9.,])(?:{'|'.join(map(re.escape, sorted(_FIXED, key=len, reverse=True)))})"
    r"(?![A-Za-z0-9])(?![.,:+/-]\d)"
)
_IN_SUM = re.compile(" ?[=+]")
_COUNTDOWN = re.compile(r"(?<![A-Za-z0-9])(D|T(?=[-+]\d+ ?(?:초|분|시간|일)))([-+])(?=\d{1,4}(?![\d-]))")
_COMPANY = re.compile(r"\(주\)(?=[가-힣A-Za-z])|(?<=[가-힣A-Za-z])\(주\)")
_ROMAN = re.compile(r"(?<![A-Za-z0-9])(?:I{2,3}|IV|VI{1,3}|IX|XI{0,3}|I|V)(?=[장부편권형급세](?![가-힣]))")
_ROMAN_VALUE = {
    **{"I": "일", "II": "이", "III": "삼", "IV": "사", "V": "오", "VI": "육", "VII": "칠", "VIII": "팔"},
    **{"IX": "구", "X": "십", "XI": "십일", "XII": "십이", "XIII": "십삼"},
}
_CURRENCY = "".join(map(re.escape, _MONEY))
_LANDS = {
    **{"US": "미국 ", "A": "호주 ", "C": "캐나다 "},
    **{"HK": "홍콩 ", "NT": "대만 ", "S": "싱가포르 "},
}
"""Letters before a sign of money."""
# 12A석, 84A타입: the letter belongs to the name of the thing
_LETTERED = "[A-K](?:석|좌석|타입|형(?!광)|동|호|블록|구역|게이트|열|반|조)"
_NUMBER = re.compile(
    rf"(?P<ordinal>(?<![가-힣])제 ?(?=\d))?(?:(?P<land>US|A|C|HK|NT|S)?(?P<money>[{_CURRENCY}])\s?)?"
    r"(?P<sign>(?<![\w가-힣)])[-−–+±](?=\d))?"
    rf"(?<!\^)(?<!\^-)(?P<whole>\d{{1,3}}(?:,\d{{3}})+(?!\d)|\d+)(?:\.(?P<fraction>\d+))?"
    rf"(?:(?!{_LETTERED})(?P<unit>\s?(?:{UNIT}|[{_CURRENCY}])(?![A-Za-z]))|(?P<page>(?<!\d\d\d\d)(?<!480)(?<!720)p(?![A-Za-z])))?"
)
_LARGE = re.compile(r" ?[십백천만억조경]+")
_NUMBER_SIGN = re.compile(r"(?<![A-Za-z])(?:No|NO|no)\. ?(?=\d)")
_PAGES = re.compile(r"(?<![A-Za-z])pp?\. ?(\d+(?: ?[-–~∼] ?\d+)?)(?![\d.])")
_HOURS = re.compile(r"(?<=\d) ?(?:h|hrs?)(?![A-Za-z/])")
_EXPONENT = re.compile(r"\^(-?)(\d+)")
_MULTIPLIED = re.compile(r"(?<=\d) ?[xX*] ?(?=\d)")
_MINUS = re.compile(r"(?<=[0-9가-힣)]) [-–−] (?=[\d(])|(?<=[\d)])[-−](?=[\d(])")
_GRADE = re.compile(r"(?<![A-Za-z])([A-F])([-+])(?![\w가-힣])")
_PER_COUNT = re.compile(
    r"(?<![\d.,])(\d[\d,]*(?:\.\d+)?)(원|달러|명|개|회|건|번|대|잔|병|박동)/(kg|g|L|ℓ|km|m|min|h|분|초|시간|일|월|년|주|인|명|개|회)(?![가-힣A-Za-z])"
)
_LATIN_LETTER = re.compile("[A-Za-z]")
_DIGIT = re.compile("[0-9]")
_COMPARISON = re.compile("[<>≤≥≦≧≠≒≈]")
_LATIN = re.compile(r"[A-Za-zΑ-Ωα-ω]+(?:-[A-Za-z]+)*")
_JAMO_RUN = re.compile(r"[ㄱ-ㅎㅏ-ㅣ]+")
_EQUALS = re.compile(rf"([가-힣]?)([{MARKS}]?) *= *")
_PAUSE = re.compile(r"[.,?!;:…。、，！？；：\n\r()\[\]{}<>《》〈〉「」『』/|—]+")
_GLOSS = re.compile(rf"(?<=[가-힣])\([^()가-힣]*[{IDEOGRAPHS}][^()]*\)")
_DROPPED = re.compile(rf"[^가-힣, {MARKS}]+")
_QUOTES = str.maketrans("", "", "'\"‘’“”`´")
_JOINING = str.maketrans("", "", "*_")
"""Emphasis and underlines inside words: they have no sound and do not part a word."""

# Telephone numbers of three or four digits, read digit by digit: 119에, 112 신고, 1345로 전화.
_EMERGENCY = ("112", "114", "119")
_CALLED = re.compile(r"$|에|로 | ?(?:구급|구조|신고|상황실|안전|대원|종합)")
_HOTLINES = word_class("hotline")
_HOTLINE_CALL = re.compile(r"(?:번)?(?:에|로|으로) ?(?:전화|신고|문의|연락|상담|걸)")


def _number(match: re.Match[str]) -> str:
    whole, fraction, unit = match["whole"].replace(",", ""), match["fraction"], (match["unit"] or "").strip()
    before, after = match.string[: match.start()], match.string[match.end() :]
    money, sign, ordinal = match["money"] or "", match["sign"], match["ordinal"] or ""
    if match["page"]:
        unit = "p"
    if fraction is not None:
        text = read_decimal(whole, fraction)
    elif not (unit or money or ordinal) and _is_called(whole, after):
        text = read_digits(whole)
    elif unit or money:
        text = read_sino(whole)
    else:
        text = read_counted(whole, after, before, ordinal=bool(ordinal))
    if sign:
        cold = unit in ("℃", "°C", "°") or re.match(" ?도", after)
        text = {"-": "영하 " if cold else "마이너스 ", "+": "플러스 ", "±": "플러스마이너스 "}[
            "-" if sign in "-−–" else sign
        ] + text
    if unit in _MONEY:
        text += _MONEY[unit]
    elif unit == "p":
        text += either("페이지", "쪽")
    elif unit:
        text = read_unit(unit, text, before)
    if money:
        large = _LARGE.match(after)
        land = _LANDS.get(match["land"], "")
        name = land + _MONEY[money]
        if large:  # $5만: the name of the currency comes after 만
            return f"{ordinal}{text}{_MONEY_LATER}{' ' if land else ''}{name}{_MONEY_LATER}"
        text += (" " if match["land"] else "") + name
    # A Latin letter may follow (B1, 4D); Hangul stays attached, since 개, 년, 원 ... belong to the number.
    return ordinal + text + ((NUMERAL_END if not (unit or money) else "") if is_attached(match) else " ")


_MONEY_LATER = "\ue012"
_MOVE_MONEY = re.compile(f"{_MONEY_LATER}([^{_MONEY_LATER}]*){_MONEY_LATER}( ?[십백천만억조경]+)")


def _is_called(whole: str, after: str) -> bool:
    """Tell whether a number is a telephone number of three or four digits: 119에, 1345로 전화."""
    return (whole in _EMERGENCY and bool(_CALLED.match(after))) or (
        whole in _HOTLINES and bool(_HOTLINE_CALL.match(after))
    )


def _per_count(match: re.Match[str]) -> str:
    amount, counter, per = match.groups()
    name = read_lone_units(f"몇{per}")[1:] if per.isascii() or per == "ℓ" else per
    return f"{ {'min': '분', 'h': '시간'}.get(per, name) }당 {amount}{counter}"


def _exponent(match: re.Match[str]) -> str:
    """Read an exponent whose base no pattern knows."""
    return f" {'마이너스 ' if match[1] else ''}{read_sino(match[2])}제곱 "


def _latin(match: re.Match[str]) -> str:
    word = match[0]
    known = _LATIN_WORDS.get(word.lower())
    if known is not None and (len(word) > 1 or word != "A"):
        return known
    return "".join(_LETTERS[letter.upper()] for letter in word if letter != "-")


def _is_laughter(run: str) -> bool:
    """Tell whether single letters stand for laughter or tears: ㅋㅋ, ㅠㅠ, ㅜㅡㅜ."""
    return len(run) > 1 and (len(set(run)) == 1 or set(run) <= set("ㅋㅎㅠㅜㅡ"))


def _jamo(match: re.Match[str]) -> str:
    """Name single letters; drop runs such as ㅋㅋㅋ and ㅠㅠ, which are not spoken."""
    run = match[0]
    if _is_laughter(run):
        return " "
    return " ".join(_JAMO_NAMES.get(letter, "") for letter in run)


def _equals(match: re.Match[str]) -> str:
    """Read `=` as the topic particle of what stands before it."""
    syllable, mark = match.groups()
    particle = "은" if syllable and coda_of(syllable) != NO_CODA else "는"
    return f"{syllable}{mark}{particle if syllable else ' 는'} "


def normalize(text: str) -> str:
    """Return the spoken words of a text.

    Numbers take the numerals that their counter requires. Dates, times, telephone numbers, ratios, fractions, units and
    currency are read in full. Known Latin words are read, others are spelled out. Hanja are read, single jamo named.

    Args:
        text: any text.

    Returns:
        Hangul syllables and single spaces, with `, ` at punctuation where a speaker pauses; possibly empty.
        Characters without a reading are dropped; `unread` lists them.

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
    return [phrase.replace(NUMERAL_END, "") for phrase in marked_phrases(text)]


def marked_phrases(text: str) -> list[str]:
    """Return `phrases` with `NUMERAL_END` after each numeral that was written in digits."""
    return _split(text if _READY.fullmatch(text) else principal_reading(_spell_out(text)))


def phrase_readings(text: str, limit: int) -> list[list[str]]:
    """Return every reading of a text as `marked_phrases`, the principal one first: 3번 is 세 번 or 삼 번.

    Args:
        text: any text.
        limit: how many readings to return at most.
    """
    if _READY.fullmatch(text):
        return [_split(text)]
    return [_split(reading) for reading in all_readings(_spell_out(text), limit)]


def _split(text: str) -> list[str]:
    parts = [" ".join(part.split()) for part in text.split(",")]
    return [part for part in parts if part]


def _spell_out(text: str) -> str:
    """Replace everything that is not Hangul by its reading; pauses become commas, choices are marked."""
    return _DROPPED.sub(" ", _PAUSE.sub(",", _read_signs(text).translate(_JOINING)))


def _read_signs(text: str) -> str:
    """Replace what has a reading; punctuation and signs without one stay."""
    text = read_sign_patterns(fold(_PRIVATE.sub(" ", text))).translate(_QUOTES)
    if not text.isascii() and not _READY.fullmatch(text):
        text = read_hanja(_GLOSS.sub("", text))
    if "(주)" in text:
        text = _COMPANY.sub(" 주식회사 ", text)
    has_latin = _LATIN_LETTER.search(text) is not None
    if has_latin:
        text = _PAGES.sub(r"\1쪽", _NUMBER_SIGN.sub("넘버 ", text))
    has_digit = _DIGIT.search(text) is not None
    if has_latin or has_digit:
        text = _FIXED_TOKEN.sub(_fixed, text)
    text = join_words(text)
    if has_latin:
        text = _read_letters(text)
    if _COMPARISON.search(text):
        text = read_comparisons(text)
    if has_digit:
        text = _HOURS.sub("시간", _MULTIPLIED.sub(" × ", text))
        if "=" in text:
            text = _MINUS.sub(" 빼기 ", text)
        text = read_patterns(join_ranges(text))
        text = read_ranges(_PER_COUNT.sub(_per_count, text))
        text = _NUMBER.sub(_number, text)
        if _MONEY_LATER in text:
            text = _MOVE_MONEY.sub(r"\2\1", text)
    text = read_lone_units(text).replace(UNIT_OPEN, "").replace(UNIT_CLOSE, "")
    if "^" in text:
        text = _EXPONENT.sub(_exponent, text)
    text = _LATIN.sub(_latin, text)
    text = _JAMO_RUN.sub(_jamo, text)
    if "=" in text:
        text = _EQUALS.sub(_equals, text)
    return _SYMBOL.sub(lambda match: _SYMBOLS[match[0]], text)


def _read_letters(text: str) -> str:
    """Read the patterns that have Latin letters in them; the letters of others stay."""
    text = read_addresses(text)
    text = _COUNTDOWN.sub(_signed_letter, text)
    text = _ROMAN.sub(lambda match: _ROMAN_VALUE[match[0]], text)
    return _GRADE.sub(_signed_letter, text)


def _signed_letter(match: re.Match[str]) -> str:
    return f"{match[1]} {'플러스' if match[2] == '+' else '마이너스'} "


def _fixed(match: re.Match[str]) -> str:
    if "+" in match[0] and (
        _IN_SUM.match(match.string, match.end()) or match.string[: match.start()].endswith("+")
    ):
        return match[0]
    return _FIXED[match[0]] + ("" if is_attached(match) else " ")


@dataclass(frozen=True, slots=True)
class Unread:
    """Characters of a text that have no reading and are dropped."""

    start: int
    """Where they begin in the text."""
    text: str
    name: str
    """Unicode name of the first of them."""


_SILENT = frozenset(readings("silent"))
_PAIR = re.compile(r"<[^<>]*>|(?<![*\w])\*[^*\s][^*]*\*(?![*\w])")
"""Pairs of signs around words: brackets or emphasis."""


def unread(text: str) -> list[Unread]:
    """Return the signs and letters of a text that `normalize` drops: emoji, other scripts, laughter (ㅋㅋ), arrows.

    Spaces, invisible characters and the signs of the table `silent` (punctuation, quotation marks, brackets) have no
    sound and are not listed.

    Args:
        text: any text.

    Returns:
        One entry for each run of dropped characters, in the order of the text.

    >>> [(item.start, item.text) for item in unread("좋아요👍")]
    [(3, '👍')]
    """
    if _ALWAYS_READ.fullmatch(text):
        return []
    lost = {
        character
        for part in _DROPPED.findall(_read_signs(text))
        for character in part
        if _is_sounded(character)
    }
    laughter = {
        index
        for run in _JAMO_RUN.finditer(text)
        if _is_laughter(run[0])
        for index in range(run.start(), run.end())
    }
    paired = {index for pair in _PAIR.finditer(text) for index in (pair.start(), pair.end() - 1)}
    found: list[Unread] = []
    previous = -2
    for index, character in enumerate(text):
        if index in laughter or (
            index not in paired
            and _is_sounded(character)
            and (
                character in lost
                or _PRIVATE.match(character)
                or not lost.isdisjoint(fold(character))
                or (unicodedata.category(character) == "Mn" and not _composes(text, index))
            )
        ):
            if previous == index - 1:
                last = found.pop()
                found.append(Unread(last.start, last.text + character, last.name))
            else:
                found.append(Unread(index, character, unicodedata.name(character, f"U+{ord(character):04X}")))
            previous = index
    return found


def _is_sounded(character: str) -> bool:
    """Tell whether a character is more than a space, an invisible sign, or punctuation without a sound."""
    category = unicodedata.category(character)
    if category[0] == "Z" or category == "Cc" or character in _SILENT or is_invisible(character):
        return False
    return not ("가" <= character <= "힣" or "ㄱ" <= character <= "ㅣ" or character in "0123456789")


def _composes(text: str, index: int) -> bool:
    """Tell whether a combining mark belongs to a Latin letter, which is read without it."""
    return index > 0 and text[index - 1].isascii() and text[index - 1].isalpha()
