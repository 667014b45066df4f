from __future__ import annotations

from pathlib import Path

import pytest

from soritune.strict_json import parse_json, read_json, repeated_names

DEEP = "[" * 100_000 + "]" * 100_000


@pytest.mark.parametrize("text", [DEEP, '{"a":' * 100_000 + "1" + "}" * 100_000, "{", "", "\x00", "1" * 5000])
def test_unreadable_text_ends_in_a_value_error(text: str) -> None:
    with pytest.raises(ValueError, match="."):
        parse_json(text)


def test_file_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(b'\xef\xbb\xbf{"a": [1, "\xea\xb0\x80"]}')
    assert read_json(tmp_path / "a.json") == {"a": [1, "가"]}


def test_file_that_is_not_utf8_ends_in_a_value_error(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes("가".encode("cp949"))
    with pytest.raises(ValueError, match="."):
        read_json(tmp_path / "a.json")


def test_names_that_occur_again_are_listed_once_in_their_order() -> None:
    assert repeated_names(["b", "a", "b", "c", "a", "b"]) == ["b", "a"]
    assert repeated_names(iter(["a", "b"])) == []
