"""The ratings of an utterance by several people, as manifests hold them.

One column holds all ratings of a row, or every column holds those of one rater. JSONL and Parquet keep lists and
mappings; a cell of a CSV file is text, with `|` between labels, or JSON.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from soritune.corpus.reading.missing_values import is_missing
from soritune.corpus.utterance import Utterance
from soritune.errors import TaskError
from soritune.strict_json import parse_json

SEPARATOR = "|"
"""Between the labels of a text."""
Ratings = Counter[tuple[str, ...]]
"""The labels that one rater gave → the number of raters who gave them; a rater may give several labels at once."""


def ratings_of(utterance: Utterance, columns: Sequence[str], known: Collection[str] = ()) -> Ratings:
    """The ratings of a row; empty without any rating.

    Args:
        utterance: the row.
        columns: fields of the row, or keys of its `extra`. A single one holds all ratings: a list, a text with `|`
            between labels, or a mapping of label to count. Of several, each holds what one rater gave.
        known: labels that are never a word for a missing value, such as "none".

    Raises:
        TaskError: a value cannot be read as ratings.
    """
    ratings: Ratings = Counter()
    for column in columns:
        value = field_value(utterance, column)
        if isinstance(value, Mapping) and len(columns) == 1:
            ratings += _counted(value, column)
        elif len(columns) == 1:
            ratings.update(_given(_items(value), column, known))
        else:
            ratings.update(_given([value], column, known))
    return ratings


def labels_in(value: Any, column: str, known: Collection[str] = ()) -> tuple[str, ...] | None:
    """The labels that one value lists, each once: a text with `|` between them, or a list; None for a missing value.

    An empty list states that no label applies.

    Args:
        value: of the column.
        column: its name, for messages.
        known: labels that are never a word for a missing value.

    Raises:
        TaskError: the value is neither a label nor a list of labels.
    """
    items = _items(value)
    if isinstance(value, list | tuple) and not items:
        return ()
    labels = [label for item in items if (label := _label(item, column, known)) is not None]
    return tuple(dict.fromkeys(labels)) or None


def field_value(utterance: Utterance, column: str) -> Any:
    """A field of the row or a value of its `extra`, with JSON in a text as its value; None without one."""
    value = getattr(utterance, column, None) if column != "extra" else None
    value = utterance.extra.get(column) if value is None else value
    if isinstance(value, str) and value.strip()[:1] in ("[", "{"):
        try:
            return parse_json(value)
        except ValueError:
            return value
    return value


def _items(value: Any) -> list[Any]:
    if isinstance(value, str):
        return value.split(SEPARATOR)
    return list(value) if isinstance(value, list | tuple) else [value]


def _given(items: Iterable[Any], column: str, known: Collection[str]) -> list[tuple[str, ...]]:
    """What each rater gave, without the missing ones."""
    given = (labels_in(item, column, known) for item in items)
    return [labels for labels in given if labels is not None]


def _label(item: Any, column: str, known: Collection[str]) -> str | None:
    """A label as text; None for a missing rating: null, NaN, an empty text, or a word such as N/A."""
    if item is None or (isinstance(item, float) and math.isnan(item)):
        return None
    if isinstance(item, bool) or not isinstance(item, str | int | float):
        raise TaskError(f"'{column}' must hold labels, got {item!r}", "rating-invalid")
    text = str(item).strip()
    return None if not text or (text not in known and is_missing(text)) else text


def _counted(value: Mapping[Any, Any], column: str) -> Ratings:
    """A mapping of label to count."""
    counts: Ratings = Counter()
    for label, count in value.items():
        if count is None:  # Parquet and pandas fill the labels of other rows with null
            continue
        is_number = isinstance(count, int | float) and not isinstance(count, bool)
        if not is_number or not math.isfinite(count) or count < 0 or count != int(count):
            raise TaskError(
                f"'{column}' maps '{label}' to {count!r}; give the number of raters, a whole number from 0",
                "rating-invalid",
            )
        if count:
            counts[(str(label).strip(),)] += int(count)
    return counts
