"""Korean text, pronunciation and phones; standard library only (kiwipiepy is used if it is installed)."""

from soritune.korean.g2p import Pronouncer, explain, phonemize, pronounce, pronounced_readings, variants
from soritune.korean.layout import Change
from soritune.korean.normalize import Unread, normalize, unread
from soritune.korean.phones import (
    ARPABET,
    KOREAN,
    PHONES,
    WORD_BOUNDARY,
    Inventory,
    Phone,
    hangul_pieces,
    hangul_to_phones,
    load_vocabulary,
    phones_to_hangul,
)
from soritune.korean.pronounced_text import PlacedPhone, PronouncedText, written_words

__all__ = [
    "ARPABET",
    "KOREAN",
    "PHONES",
    "WORD_BOUNDARY",
    "Change",
    "Inventory",
    "Phone",
    "PlacedPhone",
    "PronouncedText",
    "Pronouncer",
    "Unread",
    "explain",
    "hangul_pieces",
    "hangul_to_phones",
    "load_vocabulary",
    "normalize",
    "phonemize",
    "phones_to_hangul",
    "pronounce",
    "pronounced_readings",
    "unread",
    "variants",
    "written_words",
]
