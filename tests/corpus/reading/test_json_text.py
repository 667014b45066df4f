"""JSON of other publishers, and JSON lines."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from soritune.corpus.reading.json_text import parse_noting_repeats, write_json_lines


@pytest.mark.parametrize(
    ("text", "value", "repeated"),
    [
        ('{"a": 1}', {"a": 1}, []),
        ('{"a": 1, "b": 2, "a": 3}', {"a": 3, "b": 2}, ["a"]),
        ('[{"x": {"k": 1, "k": 2}}, {"x": 1}]', [{"x": {"k": 2}}, {"x": 1}], ["k"]),
        ('{"a": {"a": 1}}', {"a": {"a": 1}}, []),  # the same key in two objects
        ('{"a": NaN, "b": -Infinity}', {"a": None, "b": None}, []),
    ],
)
def test_value_and_repeated_keys_are_read(text: str, value: object, repeated: list[str]) -> None:
    assert parse_noting_repeats(text) == (value, repeated)


def test_text_that_is_not_json_is_refused() -> None:
    with pytest.raises(ValueError, match="Expecting"):
        parse_noting_repeats('{"a": 1,}')
    with pytest.raises(ValueError, match="nested too deep"):
        parse_noting_repeats("[" * 100_000)


def test_lines_are_written_in_the_order_of_the_records(tmp_path: Path) -> None:
    file = tmp_path / "new" / "rows.jsonl"
    assert write_json_lines(file, ({"n": n, "글": "가\n나"} for n in range(2))) == 2
    assert file.read_bytes() == '{"n": 0, "글": "가\\n나"}\n{"n": 1, "글": "가\\n나"}\n'.encode()
    assert write_json_lines(file, []) == 0 and file.read_bytes() == b""


def test_file_is_kept_if_a_record_cannot_be_written(tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    write_json_lines(file, [{"a": 1}])
    with pytest.raises(UnicodeEncodeError):
        write_json_lines(file, [{"a": 2}, {"a": "\ud800"}])
    assert json.loads(file.read_text()) == {"a": 1} and list(tmp_path.iterdir()) == [file]
    assert write_json_lines(file, [{"a": "\ud800"}], errors="backslashreplace") == 1
    assert file.read_text() == '{"a": "\\ud800"}\n'
