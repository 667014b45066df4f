"""JSON as other people write it: NaN is nothing, keys that stand twice are told. JSON lines, written whole or not."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from soritune.whole_file import whole_file


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


def write_json_lines(file: Path, records: Iterable[Mapping[str, Any]], *, errors: str = "strict") -> int:
    """Writes one JSON object a line, whole or not at all; gives their number.

    Args:
        file: is replaced; its folder is made.
        records: are written as they come.
        errors: what is done with text that UTF-8 cannot hold, as `open` takes it.

    Raises:
        OutputError: the place cannot be written to.
    """
    count = 0
    with whole_file(file) as part, part.open("w", encoding="utf-8", newline="\n", errors=errors) as stream:
        for record in records:
            stream.write(json.dumps(record, ensure_ascii=False) + "\n")
            count += 1
    return count
