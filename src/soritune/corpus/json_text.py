"""JSON as other people write it: NaN is nothing, keys that stand twice are told."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any


def read_json(text: str) -> tuple[Any, list[str]]:
    """The value of a JSON text, and the keys that stand twice in one of its objects; the last one is in the value.

    Raises:
        ValueError: it is no JSON.
        RecursionError: it is nested too deep.
    """
    repeated: list[str] = []

    def as_dict(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            repeated.extend(key for key, count in Counter(key for key, _ in pairs).items() if count > 1)
        return found

    return json.loads(text, object_pairs_hook=as_dict, parse_constant=lambda _: None), repeated
