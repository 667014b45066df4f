"""JSON from other publishers, in which NaN means no value and keys may be repeated; JSON lines, written atomically."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from soritune.strict_json import parse_json, repeated_names
from soritune.whole_file import whole_file


def parse_noting_repeats(text: str, **hooks: Any) -> tuple[Any, list[str]]:
    """The value of a JSON text, and the keys that occur more than once in one of its objects; the last value counts.

    `hooks` are those of `json.loads`; by default, NaN and infinite numbers are None.

    Raises:
        ValueError: the text is not JSON, or is nested too deep.
    """
    repeated: list[str] = []

    def as_dict(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        values = dict(pairs)
        if len(values) < len(pairs):
            repeated.extend(repeated_names(key for key, _ in pairs))
        return values

    hooks = {"parse_constant": lambda _: None, **hooks}
    return parse_json(text, object_pairs_hook=as_dict, **hooks), repeated


def write_json_lines(file: Path, records: Iterable[Mapping[str, Any]], *, errors: str = "strict") -> int:
    """Writes one JSON object per line, the whole file or nothing; returns the number of lines.

    Args:
        file: is replaced; its folder is made.
        records: are written as they come.
        errors: how text that UTF-8 cannot encode is handled, as for `open`.

    Raises:
        OutputError: the file cannot be written.
    """
    count = 0
    with whole_file(file) as part, part.open("w", encoding="utf-8", newline="\n", errors=errors) as stream:
        for record in records:
            stream.write(json.dumps(record, ensure_ascii=False) + "\n")
            count += 1
    return count
