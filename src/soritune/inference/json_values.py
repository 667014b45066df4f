"""JSON of result files: what the format cannot hold, and objects that are read key by key."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from soritune.errors import ManifestError


def without_nan(value: Any) -> Any:
    """JSON values with null instead of nan and infinities, which JSON does not have."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: without_nan(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [without_nan(item) for item in value]
    return value


class JsonObject:
    """An object of a JSON file. Every method returns the value of a key in the type that its name states.

    Args:
        values: the object as `json.loads` returns it.
        path: the file, for messages.
        remedy: what the user can do about a faulty file, as the end of a sentence.
        keys: the dotted keys that lead to the object; "" for the file's own.
        line: that of the object, in a file with an object per line.

    Raises:
        ManifestError: `values` is not an object; from every method: the key is missing, or its value has another type.
            The message names the file and the dotted keys.
    """

    __slots__ = ("keys", "line", "path", "remedy", "values")

    def __init__(
        self, values: Any, path: Path | str | None, remedy: str, keys: str = "", line: int | None = None
    ) -> None:
        self.path, self.keys, self.remedy, self.line = path, keys, remedy, line
        if not isinstance(values, Mapping):
            name = f"'{keys}'" if keys else "the content"
            raise self.fault(f"{name} is not a JSON object")
        self.values: Mapping[str, Any] = values

    def __iter__(self) -> Iterator[str]:
        return iter(self.values)

    def __contains__(self, key: str) -> bool:
        return key in self.values

    def fault(self, message: str) -> ManifestError:
        """An error for this file, to be raised."""
        return ManifestError(f"{message}; {self.remedy}", path=self.path, line=self.line)

    def where(self, key: str) -> str:
        """The dotted keys that lead to a value."""
        return f"{self.keys}.{key}" if self.keys else key

    def text(self, key: str) -> str:
        """A text."""
        return str(self._value(key, str, "a text"))

    def flag(self, key: str) -> bool:
        """True or false."""
        return bool(self._value(key, bool, "true or false"))

    def whole(self, key: str) -> int:
        """A whole number; other programs may write 3 as 3.0."""
        value = self.values.get(key)
        if isinstance(value, float) and value.is_integer():
            return int(value)
        return int(self._value(key, int, "a whole number"))

    def number(self, key: str) -> float:
        """A number as it was written; null is nan."""
        if self.values.get(key, 0) is None:
            return math.nan
        number: float = self._value(key, int | float, "a number or null")
        return number

    def share(self, key: str) -> float | None:
        """A number from 0 to 1; null, and a key that is missing, are None."""
        if self.values.get(key) is None:
            return None
        if not 0 <= (share := self.number(key)) <= 1:  # also nan
            raise self._wrong(key, "a number from 0 to 1")
        return share

    def texts(self, key: str) -> tuple[str, ...]:
        """A list of texts."""
        values = self._value(key, list, "a list of texts")
        if not all(isinstance(value, str) for value in values):
            raise self._wrong(key, "a list of texts")
        return tuple(values)

    def object(self, key: str) -> JsonObject:
        """An object."""
        values = self._value(key, Mapping, "an object")
        return JsonObject(values, self.path, self.remedy, self.where(key), self.line)

    def objects(self, key: str) -> dict[str, JsonObject]:
        """An object of objects."""
        inside = self.object(key)
        return {name: inside.object(name) for name in inside}

    def listed(self, key: str) -> list[JsonObject]:
        """A list of objects."""
        values = self._value(key, list, "a list of objects")
        return [
            JsonObject(value, self.path, self.remedy, self.where(f"{key}[{index}]"), self.line)
            for index, value in enumerate(values)
        ]

    def _value(self, key: str, kind: Any, expected: str) -> Any:
        if key not in self.values:
            raise self.fault(f"'{self.where(key)}' is missing")
        value = self.values[key]
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise self._wrong(key, expected)
        return value

    def _wrong(self, key: str, expected: str) -> ManifestError:
        shown = repr(self.values[key])
        return self.fault(f"'{self.where(key)}' must be {expected}, not {shown[:40]}")
