"""Whether a row of a corpus is in the language that a task wants."""

from __future__ import annotations

import re

NAMES = {"ko": ("kor", "korean", "kr", "한국어"), "en": ("eng", "english", "영어")}
"""How corpora write the languages of the phone inventories, beside BCP 47."""
NOT_SAID = ("", "und", "unknown", "none", "null", "mul", "zxx")
_LANGUAGE = {name: tag for tag, names in NAMES.items() for name in names}


def in_language(given: str | None, wanted: str | None) -> bool:
    """Whether `given` (`ko`, `ko-KR`, `KOR`) is the language `wanted`; true where either is not said."""
    first, second = _primary(given), _primary(wanted)
    return first is None or second is None or first == second


def other_language(given: str | None, wanted: str | None) -> str | None:
    """Says that a row is in another language than the wanted one; None where it is not."""
    return None if in_language(given, wanted) else f"its language is '{given}', wanted is '{wanted}'"


def _primary(tag: str | None) -> str | None:
    """The first subtag, which alone names the language; None where the tag names none."""
    first = re.split(r"[-_/,;\s]", (tag or "").strip().casefold())[0]
    return None if first in NOT_SAID else _LANGUAGE.get(first, first)
