"""Words that tables write for a missing value, such as `nan` and `N/A`: they are removed and counted.

Without this, all rows whose speaker is written "nan" would be one person, and a text "None" would be spelt aloud.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

from soritune.corpus.reading.outcomes import Note, shortened

MISSING = ("nan", "n/a", "#n/a", "#na", "<na>", "null", "none", "NA", "-", "–", "—", "?")
"""Case matters only in words of one or two characters: "Na" is a Korean surname."""
MISSING_FIELDS = ("speaker", "script_id", "gender", "age", "text")
"""Utterance fields in which these words count as no value. Elsewhere they may be labels."""
OLDEST = 120
_QUOTED = 5
_LOCK = Lock()
"""Of all counts; settings of a source, which hold them, are sent to other processes."""


def is_missing(value: Any, words: tuple[str, ...] = MISSING) -> bool:
    """Whether a value is one of the words for a missing value.

    >>> is_missing(" NaN "), is_missing("NA"), is_missing("Na"), is_missing("네")
    (True, True, False, False)
    """
    if not isinstance(value, str):
        return False
    text = value.strip()
    return any(text == word or (len(word) > 2 and text.casefold() == word.casefold()) for word in words)


@dataclass
class MissingValues:
    """Recognises words for missing values, and counts them and impossible ages; safe to use from threads."""

    words: tuple[str, ...] = MISSING
    _written: dict[str, Counter[str]] = field(default_factory=dict)
    _ages: Counter[str] = field(default_factory=Counter)

    def drops(self, name: str, value: Any) -> bool:
        """Whether a value of the field `name` is a word for a missing one; it is then counted."""
        if name not in MISSING_FIELDS or not is_missing(value, self.words):
            return False
        with _LOCK:
            self._written.setdefault(name, Counter())[value.strip()] += 1
        return True

    def add_age(self, value: Any) -> None:
        """Counts an age that cannot be one."""
        with _LOCK:
            self._ages[shortened(str(value), 30)] += 1

    def clear(self) -> None:
        """Forgets what was counted, for a source that reads its rows again."""
        self._written.clear()
        self._ages.clear()

    def notes(self, meaning: str = "which counts as no value") -> Iterator[Note]:
        """One note per field with such values; `meaning` ends those about words."""
        for name, counts in sorted(self._written.items()):
            count = counts.total()
            reason = f"{name} is {_quoted(counts)} in {count:,} rows, {meaning}"
            yield Note(reason, count, kind=f"value-missing:{name}")
        if self._ages:
            reason = f"age is {_quoted(self._ages)}, which is not a number of years from 0 to {OLDEST}"
            yield Note(f"{reason}; kept in extra alone", self._ages.total(), kind="age-outside")


def _quoted(counts: Counter[str]) -> str:
    commonest = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    return ", ".join(f"'{text}'" for text, _ in commonest[:_QUOTED]) + (" …" if len(counts) > _QUOTED else "")
