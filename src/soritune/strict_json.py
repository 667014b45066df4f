"""JSON from files that others may have written: every text that cannot be read ends in a ValueError."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any


def parse_json(text: str | bytes, **hooks: Any) -> Any:
    """The value of a JSON text; `hooks` are those of `json.loads`.

    Raises:
        ValueError: the text is not JSON, or is nested too deep.
    """
    try:
        return json.loads(text, **hooks)
    except RecursionError:
        raise ValueError("it is nested too deep") from None


def repeated_names(names: Iterable[str]) -> list[str]:
    """The names that occur more than once, such as keys of an object or columns of a table, in their order."""
    return [name for name, count in Counter(names).items() if count > 1]


def read_json(path: Path | str) -> Any:
    """The value of a JSON file in UTF-8.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is not UTF-8, not JSON, or nested too deep.
    """
    return parse_json(Path(path).read_text(encoding="utf-8-sig"))
