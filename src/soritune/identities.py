"""Ids of people and prompts as they are compared: in one spelling, without signs that cannot be seen."""

from __future__ import annotations

import re
import unicodedata

_FILLERS = "\u034f\u115f\u1160\u3164\uffa0\u2800"
"""Signs without a glyph that are not format characters: the grapheme joiner, Hangul fillers, the empty braille cell."""
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
    visible = "".join(character for character in text if not _is_invisible(character))
    return " ".join(unicodedata.normalize("NFC", visible).split()) or None


def _is_invisible(character: str) -> bool:
    if character.isspace():  # controls such as tabs are spaces
        return False
    is_selector = "\ufe00" <= character <= "\ufe0f" or "\U000e0100" <= character <= "\U000e01ef"
    return is_selector or character in _FILLERS or unicodedata.category(character) in ("Cf", "Cc")


def lookalike(name: str) -> str:
    """Equal for ids that differ only by case, width, leading zeros or a trailing `.0`, which may be one by mistake.

    >>> lookalike("S007") == lookalike("s7") and lookalike("2.0") == lookalike("02")
    True
    """
    folded = unicodedata.normalize("NFKC", name).casefold()
    whole = re.sub(r"(?<=\d)\.0+$", "", folded)
    return re.sub(r"(?<![\d.])0+(?=\d)", "", whole)
