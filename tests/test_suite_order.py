"""The order in which the files of the suite are handed out."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tests.conftest import pytest_collection_modifyitems


def item(file: str, name: str, mark: pytest.MarkDecorator | None = None) -> Any:
    return SimpleNamespace(
        path=Path(file), name=name, get_closest_marker=lambda _: None if mark is None else mark.mark
    )


def test_long_files_start_first_and_keep_the_order_of_their_tests() -> None:
    slow = pytest.mark.slow
    items = [
        *(item("many_short.py", f"short {n}") for n in range(30)),  # 3 s
        item("two_slow.py", "first", slow),
        item("two_slow.py", "second", slow),  # 8 s
        item("minutes.py", "whole", slow(seconds=90)),
        item("minutes.py", "quick"),
    ]
    pytest_collection_modifyitems(items)
    files = list(dict.fromkeys(str(each.path) for each in items))
    assert files == ["minutes.py", "two_slow.py", "many_short.py"]
    assert [each.name for each in items[:4]] == ["whole", "quick", "first", "second"]
