"""Korean text, pronunciation and phones; standard library only (kiwipiepy is used if it is installed).

The public names load on first use: a program that needs the letters alone does not compile the rules.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from soritune.korean.g2p import Pronouncer, explain, phonemize, pronounce, pronounced_readings, variants
    from soritune.korean.layout import Change
    from soritune.korean.normalization import Unread, normalize, unread
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
_FILES = {
    **dict.fromkeys(
        ("Pronouncer", "explain", "phonemize", "pronounce", "pronounced_readings", "variants"), "g2p"
    ),
    "Change": "layout",
    **dict.fromkeys(("Unread", "normalize", "unread"), "normalization"),
    **dict.fromkeys(("PlacedPhone", "PronouncedText", "written_words"), "pronounced_text"),
}
"""Name → the file that has it, if that is not `phones.py`."""


def __getattr__(name: str) -> Any:
    if name in __all__:
        return getattr(import_module(f"soritune.korean.{_FILES.get(name, 'phones')}"), name)
    raise AttributeError(f"module 'soritune.korean' has no attribute '{name}'")
