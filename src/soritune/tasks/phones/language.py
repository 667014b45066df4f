"""Comparison of the language of a row with the language of a task."""

from __future__ import annotations

import re

NAMES = {"ko": ("kor", "korean", "kr", "한국어"), "en": ("eng", "english", "영어")}
"""Other spellings of a language in corpora, by its BCP 47 tag; for the languages of the phone inventories."""
UNSPECIFIED = ("", "und", "unknown", "none", "null", "mul", "zxx")
_TAGS = {name: tag for tag, names in NAMES.items() for name in names}


def in_language(language: str | None, expected: str | None) -> bool:
    """Whether `language` (`ko`, `ko-KR`, `KOR`) is the language `expected`; True if either is unspecified."""
    first, second = _primary(language), _primary(expected)
    return first is None or second is None or first == second


def language_mismatch(language: str | None, expected: str | None) -> str | None:
    """A sentence on a row that is not in the expected language; None if it is."""
    return (
        None if in_language(language, expected) else f"its language is '{language}', wanted is '{expected}'"
    )


def _primary(tag: str | None) -> str | None:
    """The language of a tag, which is its first subtag; None if it is unspecified."""
    first = re.split(r"[-_/,;\s]", (tag or "").strip().casefold())[0]
    return None if first in UNSPECIFIED else _TAGS.get(first, first)
