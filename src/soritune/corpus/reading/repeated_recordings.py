"""Recordings that the files of a corpus list more than once: repeated rows, several splits, contradictions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from operator import attrgetter
from typing import Any

from soritune.corpus.reading.field_mapping import canonical_extra
from soritune.corpus.reading.outcomes import STRETCHES_UNMAPPED, Note, Outcome, Rejected, Skipped, shortened
from soritune.corpus.utterance import FIELDS, Utterance

_NAMED = 3
"""Places and values that the reason of a contradiction names."""
_FIELDS = tuple(name for name in FIELDS if name != "extra")
_LENGTH = _FIELDS.index("duration_s")
_stored = attrgetter(*_FIELDS)


@dataclass
class ListedRecordings:
    """The recordings listed so far.

    `row` is what the source calls an item of its lists: "row" or "entry".
    """

    row: str
    _listed: dict[str, list[tuple[str | None, int]]] = field(default_factory=dict)
    """Id → split and content of each of its rows."""

    def outcomes(
        self, utterance: Utterance, content: int, *, location: str, example: str
    ) -> Iterator[Outcome]:
        """The utterance, or why it is not read.

        In a further split a recording is read again, under another id, and noted. In the same split, a row of equal
        content is skipped, and one of other content is rejected.

        Args:
            utterance: The row; its split is in `extra`.
            content: Equal for rows of equal content.
            location: The file, or file and line.
            example: The row, for a list of skipped ones.
        """
        earlier = self._listed.setdefault(utterance.id, [])
        split = utterance.extra.get("split")
        if (split, content) in earlier:
            yield Skipped(f"{self.row} repeated", 1, example, kind="row-repeated")
            return
        if any(split == known for known, _ in earlier):
            reason = f"{location}: the recording has another {self.row} with other values"
            yield Rejected(utterance.audio, reason, utterance.id, kind="values-differ")
            return
        earlier.append((split, content))
        if len(earlier) > 1:
            splits = ", ".join(str(known) for known, _ in earlier)
            reason = f"recording in several splits (kept in each: {splits})"
            yield Note(reason, 1, utterance.audio, kind=f"several-splits:{splits}")
            utterance = replace(utterance, id=f"{utterance.id}#{split or len(earlier)}")
        yield utterance


@dataclass
class Contradiction:
    """Rows of one recording with different values. Of very many rows and values, only a few are named."""

    rows: list[tuple[str, str]] = field(default_factory=list)
    """(audio, id) of each."""
    locations: list[str] = field(default_factory=list)
    values: dict[tuple[bool, str], dict[str, None]] = field(default_factory=dict)
    """(whether it is in `extra`, name) → its different values."""
    filled: Counter[tuple[bool, str]] = field(default_factory=Counter)
    """The same → how many rows have a value."""

    def add(self, location: str, utterance: Utterance) -> None:
        """Adds a row; `location` is its file and line."""
        self.rows.append((utterance.audio, utterance.id))
        if len(self.locations) < _NAMED:
            self.locations.append(location)
        in_fields = (((False, name), value) for name, value in zip(_FIELDS, _values(utterance), strict=True))
        in_extra = (((True, name), value) for name, value in utterance.extra.items() if name != "split")
        for key, value in (*in_fields, *in_extra):
            self.filled[key] += 1
            different = self.values.setdefault(key, {})
            if len(different) <= _NAMED:
                different[shortened(str(value), 30)] = None

    def rejections(self) -> Iterator[Rejected]:
        """Every row, with the locations and the values that differ."""
        differing = {
            key: [*values, *(["nothing"] if self.filled[key] < len(self.rows) else [])]
            for key, values in self.values.items()
            if len(values) > 1 or self.filled[key] < len(self.rows)
        }
        shown = ", ".join(
            f"{_quoted(key)} {' and '.join(values[:_NAMED])}{' …' if len(values) > _NAMED else ''}"
            for key, values in differing.items()
        )
        more = f" and {len(self.rows) - _NAMED} more" if len(self.rows) > _NAMED else ""
        reason = f"{', '.join(self.locations)}{more}: listed with different values: {shown}"
        kind = "values-differ"
        if all(in_extra for in_extra, _ in differing):
            reason += "; if they are stretches of one recording, map start_s and end_s"
            kind = STRETCHES_UNMAPPED
        for audio, name in self.rows:
            yield Rejected(audio, reason, name, kind=kind)


def content_of(utterance: Utterance) -> int:
    """Equal for rows with equal values in all fields and in `extra`, except for the split."""
    extra = {name: value for name, value in utterance.extra.items() if name != "split"}
    try:
        return hash((_values(utterance), frozenset(extra.items())))
    except TypeError:  # lists and objects in `extra`
        return hash((_values(utterance), canonical_extra(extra)))


def _values(utterance: Utterance) -> tuple[Any, ...]:
    """The values of all fields. The stated length of a whole file does not count, because it is not used."""
    values: tuple[Any, ...] = _stored(utterance)
    return values if utterance.start_s is not None else (*values[:_LENGTH], 0.0, *values[_LENGTH + 1 :])


def _quoted(key: tuple[bool, str]) -> str:
    in_extra, name = key
    return f"'{name}'" if in_extra else name
