"""Korean text, pronunciation and phones; standard library only (kiwipiepy is used if it is installed)."""

from soritune.korean.g2p import Pronouncer, explain, phonemize, pronounce, variants
from soritune.korean.layout import Change
from soritune.korean.normalize import Unread, normalize, unread
from soritune.korean.phones import (
    ARPABET,
    KOREAN,
    PHONES,
    WORD_BOUNDARY,
    Inventory,
    Phone,
    hangul_to_phones,
    load_vocabulary,
    phones_to_hangul,
)

__all__ = [
    "ARPABET",
    "KOREAN",
    "PHONES",
    "WORD_BOUNDARY",
    "Change",
    "Inventory",
    "Phone",
    "Pronouncer",
    "Unread",
    "explain",
    "hangul_to_phones",
    "load_vocabulary",
    "normalize",
    "phonemize",
    "phones_to_hangul",
    "pronounce",
    "unread",
    "variants",
]
