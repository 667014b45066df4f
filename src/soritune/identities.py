"""Ids of people and prompts as they are compared: in one spelling, without signs that cannot be seen."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

FILLERS = "\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0"
"""Signs without a glyph that are not format characters: the grapheme joiner, Hangul fillers, Khmer vowels, the empty
braille cell."""
SELECTORS = (("\ufe00", "\ufe0f"), ("\U000e0100", "\U000e01ef"))
"""First and last of the variation selectors, which change only the look of the sign before them."""
_PLAIN = re.compile(r"[!-~]+(?: [!-~]+)*")
"""ASCII without outer or repeated spaces, which is left unchanged."""


def identity(text: str | None) -> str | None:
    """An id as it is compared: composed (NFC), without invisible signs, without outer and repeated spaces.

    A missing id, and one of which nothing is left, is None.

    >>> identity(" 김\\u200b  서연 "), identity("\\u200b ")
    ('김 서연', None)
    """
    if text is None or _PLAIN.fullmatch(text):
        return text
    return " ".join(unicodedata.normalize("NFC", without_invisible(text)).split()) or None


def without_invisible(text: str) -> str:
    """A text without the characters that cannot be seen; spaces stay."""
    return "".join(character for character in text if not is_invisible(character))


@lru_cache(maxsize=8192)
def is_invisible(character: str) -> bool:
    """Whether a character has no width: zero-width space, byte order mark, soft hyphen, filler, control …"""
    if character.isspace():  # controls such as tabs are spaces
        return False
    is_selector = any(first <= character <= last for first, last in SELECTORS)
    return is_selector or character in FILLERS or unicodedata.category(character) in ("Cf", "Cc")


def whole_number(text: str) -> str:
    """A whole number without its fraction, as pandas and spreadsheets write it; any other text unchanged.

    >>> whole_number("2.0"), whole_number("2.5"), whole_number("v2.0")
    ('2', '2.5', 'v2.0')
    """
    return re.sub(r"^(-?\d+)\.0+$", r"\1", text)


def lookalike(name: str) -> str:
    """Equal for ids that differ only by case, width, leading zeros or a trailing `.0`, which may be one by mistake.

    >>> lookalike("S007") == lookalike("s7") and lookalike("2.0") == lookalike("02")
    True
    """
    folded = unicodedata.normalize("NFKC", name).casefold()
    whole = re.sub(r"(?<=\d)\.0+$", "", folded)
    return re.sub(r"(?<![\d.])0+(?=\d)", "", whole)
