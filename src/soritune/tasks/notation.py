"""How phones are written for people: as Korean letters (jamo) or in IPA. Files have the codes of the inventory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

from soritune.korean.phones import ARPABET, KOREAN, Inventory, Phone

Notation = Literal["codes", "jamo", "ipa"]
NOTATIONS: tuple[Notation, ...] = ("codes", "jamo", "ipa")
MERGED = {"E": "ㅔ", "iE": "ㅖ", "oE": "ㅞ"}
"""The letter of vowels that sound alike, as in Hangul that is rebuilt from phones."""


class WrittenPhone(NamedTuple):
    """One phone in every notation."""

    code: str
    jamo: str
    """A hyphen stands before a consonant at the end of a syllable: `ㄱ` and `-ㄱ`. Empty for English phones."""
    ipa: str
    letters: str
    """All letters that spell it."""


def written_phones(inventory: str | tuple[str, ...]) -> tuple[WrittenPhone, ...]:
    """The phones of a named inventory; none for symbols of the user's own.

    >>> [phone.jamo for phone in written_phones("korean") if phone.code in ("G", "k", "E", "R", "L")]
    ['ㄱ', 'ㄹ', '-ㄱ', '-ㄹ', 'ㅔ']
    """
    named: Mapping[str | tuple[str, ...], Inventory] = {"korean": KOREAN, "arpabet": ARPABET}
    if inventory not in named:
        return ()
    return tuple(
        WrittenPhone(phone.symbol, _jamo(phone), phone.ipa, phone.letters)
        for phone in named[inventory].phones
    )


def _jamo(phone: Phone) -> str:
    if phone.letters and (phone.position == "coda" or phone.symbol == "L"):
        return f"-{phone.letters}"
    return MERGED.get(phone.symbol, phone.letters)
