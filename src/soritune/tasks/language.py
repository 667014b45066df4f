"""Whether a row of a corpus is in the language that a task wants."""

from __future__ import annotations

THREE_LETTERS = {"kor": "ko", "eng": "en"}
"""ISO 639-2 codes that corpora use where BCP 47 has two letters."""


def in_language(given: str | None, wanted: str | None) -> bool:
    """Whether `given` (a row's tag, `ko`, `ko-KR`, `KOR`) is the language `wanted`; true where either is not said."""
    return given is None or wanted is None or _primary(given) == _primary(wanted)


def other_language(given: str | None, wanted: str | None) -> str | None:
    """Says that a row is in another language than the wanted one; None where it is not."""
    return None if in_language(given, wanted) else f"its language is '{given}', wanted is '{wanted}'"


def _primary(tag: str) -> str:
    """The first subtag, which alone names the language."""
    first = tag.strip().replace("_", "-").split("-")[0].lower()
    return THREE_LETTERS.get(first, first)
