"""Signs that stand for plain text: invisible characters, fractions, powers, numbers in circles, squared units.

`fold` writes them with ASCII, Hangul and a few signs that the later passes know: `^` before an exponent, and a pair of
private-use characters around a unit that was one sign (㎍), so that it is read as a unit without a number as well.
"""

from __future__ import annotations

import re
import unicodedata

from soritune.identities import without_invisible
from soritune.korean.alternatives import NUMERAL_END
from soritune.korean.hangul import CODAS, ONSETS, VOWELS
from soritune.korean.numbers import read_sino
from soritune.korean.readings import readings

UNIT_OPEN, UNIT_CLOSE = "\ue010", "\ue011"
"""Around a unit that was written with one sign."""

_SUPERSCRIPT = dict(zip("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ⁿⁱ", "0123456789+-ni", strict=True))
_SUBSCRIPT = dict(zip("₀₁₂₃₄₅₆₇₈₉₊₋", "0123456789+-", strict=True))
_SUPERSCRIPTS = re.compile(f"[{''.join(_SUPERSCRIPT)}]+")
_SUBSCRIPTS = re.compile(f"[{''.join(_SUBSCRIPT)}]+")
_ROMAN = re.compile("[\u2160-\u2182\u2185-\u2188]+")
_JAMO_IN_CIRCLES = "ㄱㄴㄷㄹㅁㅂㅅㅇㅈㅊㅋㅌㅍㅎ"
_SPLIT_UNIT = re.compile(f"{UNIT_CLOSE}(h(?![A-Za-z/])|Hg)")  # ㎾h, ㎃h, ㎜Hg
_LABEL_RANGES = (
    *((0x2460, 0x249B), (0x24EA, 0x24FF), (0x2776, 0x2793), (0x3220, 0x3229), (0x3248, 0x324F)),
    *((0x3251, 0x325F), (0x3280, 0x3289), (0x32B1, 0x32BF), (0x1F100, 0x1F10C)),
)
_LABELS = "".join(f"{chr(first)}-{chr(last)}" for first, last in _LABEL_RANGES) + "\u2160-\u217f"
_LABELLED_RANGE = re.compile(rf"([{_LABELS}][가-힣]?) ?[~∼〜～] ?(?=[{_LABELS}])")
_GROUP_SPACE = re.compile("(?<=[0-9])[\u2009\u202f](?=[0-9]{3}(?![0-9]))")
_MARKS_OF_TRADE = "©®℗℠™"
"""These have no sound beside a name: 삼성™."""
_LIGATURES = {
    **{"ß": "ss", "æ": "ae", "œ": "oe", "ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "ı": "i"},
    **{"Æ": "AE", "Œ": "OE", "Ø": "O", "Ł": "L", "Đ": "D", "Ð": "D", "Þ": "Th"},
}
_CONJOINING = {
    **{chr(0x1100 + index): letter for index, letter in enumerate(ONSETS)},
    **{chr(0x1161 + index): letter for index, letter in enumerate(VOWELS)},
    **{chr(0x11A7 + index): letter for index, letter in enumerate(CODAS) if letter},
}
_LEFTOVER_JAMO = re.compile("[\u1100-\u1112\u1161-\u1175\u11a8-\u11c2]")
_PLAIN = re.compile(r"[\x09\x0a\x20-\x7e가-힣ㄱ-ㅎㅏ-ㅣ]*")
_SIGNS = readings("sign")
_UNIT_SIGNS = {"\u2126": "Ω", "\u212a": "K", "\u212b": "Å"}  # which NFC would make letters


def fold(text: str) -> str:
    """Write the signs of a text with plain characters.

    Args:
        text: any text; Hanja are left unchanged, compatibility ideographs included.

    >>> fold("1½컵, 10⁶, ②")
    '1 1/2컵, 10^6,  이 '
    """
    if _PLAIN.fullmatch(text):
        return text
    text = _GROUP_SPACE.sub("", without_invisible(text))
    text = _LABELLED_RANGE.sub(r"\1에서 ", text)
    text = _SUPERSCRIPTS.sub(_superscript, text)
    text = _SUBSCRIPTS.sub(_subscript, text)
    text = _ROMAN.sub(_roman, text)
    pieces: list[str] = []
    for index, character in enumerate(text):
        pieces.append(
            character
            if character.isascii() or "가" <= character <= "힣"
            else _fold_sign(character, pieces[-1][-1:] if pieces else "", text[index + 1 : index + 2])
        )
    composed = _SPLIT_UNIT.sub(rf"\1{UNIT_CLOSE}", "".join(pieces))
    if not unicodedata.is_normalized("NFC", composed):
        composed = _compose(composed)
    return _LEFTOVER_JAMO.sub(lambda match: _CONJOINING.get(match[0], match[0]), composed)


def _compose(text: str) -> str:
    """Compose letters and marks (NFC), except compatibility ideographs, which NFC would replace."""
    return "".join(
        part if "\uf900" <= part[:1] <= "\ufaff" else unicodedata.normalize("NFC", part)
        for part in re.split("([\uf900-\ufaff])", text)
    )


def _superscript(match: re.Match[str]) -> str:
    before = match.string[match.start() - 1 : match.start()]
    digits = "".join(_SUPERSCRIPT[character] for character in match[0])
    if (
        before
        and (before.isalnum() or before in ")µΩ°" or "\u3371" <= before <= "\u33df")
        and not "가" <= before <= "힣"
    ):
        return f"^{digits}"
    return f" {digits} "  # a footnote


def _subscript(match: re.Match[str]) -> str:
    before = match.string[match.start() - 1 : match.start()]
    digits = "".join(_SUBSCRIPT[character] for character in match[0])
    return f" {digits} " if before.isdigit() else digits


def _label(number: int, before: str, after: str) -> str:
    """Return a number that labels something; it is Sino-Korean and attached to Hangul after it."""
    return (
        ("" if before == "제" else " ")
        + read_sino(str(number))
        + (NUMERAL_END if "가" <= after[:1] <= "힣" else " ")
    )


def _roman(match: re.Match[str]) -> str:
    values = [int(unicodedata.numeric(character)) for character in match[0]]
    total = sum(
        -value if index + 1 < len(values) and value < values[index + 1] else value
        for index, value in enumerate(values)
    )
    return _label(
        total,
        match.string[max(match.start() - 1, 0) : match.start()],
        match.string[match.end() : match.end() + 1],
    )


def _fold_sign(character: str, before: str, after: str) -> str:
    """Return the plain form of one sign."""
    if character in _UNIT_SIGNS or (character == "Å" and before.isdigit()):
        return f"{UNIT_OPEN}{_UNIT_SIGNS.get(character, character)}{UNIT_CLOSE}"
    if character in _MARKS_OF_TRADE:
        return ""
    known = _SIGNS.get(character)
    if known is not None:
        return known
    code = ord(character)
    if any(first <= code <= last for first, last in _LABEL_RANGES):
        return _label(int(unicodedata.numeric(character)), before, after)
    if 0x3200 <= code <= 0x320D or 0x3260 <= code <= 0x326D:
        return f" {_JAMO_IN_CIRCLES[(code - 0x3200) % 0x60]} "
    if 0x1F150 <= code <= 0x1F169 or 0x1F170 <= code <= 0x1F189:
        return f" {chr(65 + (code - 0x1F150) % 0x20)} "
    if 0x3371 <= code <= 0x337A or 0x3380 <= code <= 0x33DF or code == 0x33FF:
        return _squared(character)
    category = unicodedata.category(character)
    if category == "Nd" or 0x3021 <= code <= 0x3029:
        return str(int(unicodedata.numeric(character)))
    if category == "Mn" and (before.isascii() or "가" <= before <= "힣"):
        return ""
    if character in _LIGATURES:
        return _LIGATURES[character]
    if "ㄱ" <= character <= "ㆎ" or "\uf900" <= character <= "\ufaff" or character == "…":
        return character
    plain = unicodedata.normalize("NFKC", character)
    if category == "No" and "\u2044" in plain:
        fraction = plain.replace("\u2044", "/").strip()
        return (" " if before.isdigit() else "") + fraction + (" " if after.isdigit() else "")
    if category[0] == "L" and len(plain) == 1:
        letter = unicodedata.normalize("NFD", plain)[0]
        return letter if letter.isascii() else plain
    return plain


def _squared(character: str) -> str:
    """Return the letters of a squared abbreviation (㎥, ㎧) between the marks of a unit."""
    letters = unicodedata.normalize("NFKC", character).replace("\u2215", "/")
    with_exponent = re.sub("(?<=[A-Za-z])([23])$", r"^\1", letters)
    return f"{UNIT_OPEN}{with_exponent}{UNIT_CLOSE}"
