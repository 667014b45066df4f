"""Which JSON a specification of an input or an output is read from: types are checked before an object is made."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


class FieldType(NamedTuple):
    """The values that a field may have in JSON."""

    expected: str
    """What they are, as part of a sentence: "a list of names"."""
    accepts: Callable[[Any], bool]


def checked_fields(
    spec: type[DataclassInstance], data: Any, types: Mapping[str, FieldType]
) -> dict[str, Any]:
    """The fields of `spec` that `data` holds.

    Args:
        spec: the class that is made of them.
        data: parsed JSON.
        types: what each field may hold.

    Raises:
        KeyError: a field without a default is missing.
        ValueError: not a mapping, an unknown key, or a value of another type.
    """
    if not isinstance(data, Mapping):
        raise ValueError(f"must be a mapping, got {data!r}")
    for field in fields(spec):
        if field.name not in data and field.default is MISSING and field.default_factory is MISSING:
            raise KeyError(field.name)
    for key, value in data.items():
        if key not in types:
            raise ValueError(f"unknown key '{key}'; known: {', '.join(types)}")
        if not types[key].accepts(value):
            raise ValueError(f"{key} of '{data['name']}' must be {types[key].expected}, got {value!r}")
    return dict(data)


def _is_names(value: Any) -> bool:
    return isinstance(value, list | tuple) and all(isinstance(name, str) for name in value)


def _is_labels(value: Any) -> bool:
    return _is_names(value) and 0 < len(value) == len(set(value))


def _is_finite(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and -math.inf < value < math.inf


def _is_layer(value: Any) -> bool:
    if isinstance(value, str):
        return value in ("last", "weighted") or value.isdecimal()
    return isinstance(value, int) and not isinstance(value, bool)


_TEXT = FieldType("a text", lambda value: isinstance(value, str))
_SETTINGS = FieldType("a mapping of settings", lambda value: isinstance(value, Mapping))
INPUT_FIELDS = {
    **dict.fromkeys(("name", "column", "request_field", "encoding"), _TEXT),
    "optional": FieldType("true or false", lambda value: isinstance(value, bool)),
    "options": _SETTINGS,
}
"""Of an `InputSpec`."""
OUTPUT_FIELDS = {
    "name": _TEXT,
    "labels": FieldType("a list of distinct names", _is_labels),
    "resolution": FieldType("frame or utterance", lambda value: value in ("frame", "utterance")),
    "objective": _TEXT,
    "weight": FieldType("a finite number", _is_finite),
    "layer": FieldType("last, weighted or the number of a layer", _is_layer),
    "reads": FieldType(
        "the name of an output, or null", lambda value: value is None or isinstance(value, str)
    ),
    "inputs": FieldType("a list of names", _is_names),
    "options": _SETTINGS,
}
"""Of an `OutputSpec`."""
