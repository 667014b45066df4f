"""Part files: whole, of one job, and read with every digit."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from soritune.errors import OutputError
from soritune.part_file import blocks_of, digest_of, is_part, part_name, read_part, write_part


def test_lines_come_back_with_every_digit_and_every_name(tmp_path: Path) -> None:
    lines = [{"x": 0.1 + 0.2, "name": "가\u2028\udcb0.wav"}, None, {"list": [1, "\\udcb0"]}]
    write_part(tmp_path / "parts" / "a", "d1", lines)
    assert read_part(tmp_path / "parts" / "a", "d1") == lines
    assert [file.name for file in (tmp_path / "parts").iterdir()] == ["a"]


def test_part_of_another_job_is_not_used(tmp_path: Path) -> None:
    write_part(tmp_path / "a", "d1", [{}])
    assert is_part(tmp_path / "a", "d1")
    assert not is_part(tmp_path / "a", "d2")
    assert read_part(tmp_path / "a", "d2") is None
    assert read_part(tmp_path / "b", "d1") is None


@pytest.mark.parametrize("content", [b"", b"x\n", b"\xff\xfe", b"[1]\n{}\n"])
def test_other_file_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a").write_bytes(content)
    assert not is_part(tmp_path / "a", "d1")


def test_damaged_part_is_refused(tmp_path: Path) -> None:
    write_part(tmp_path / "a", "d1", [{"x": 1}])
    (tmp_path / "a").write_bytes((tmp_path / "a").read_bytes()[:-3])
    assert read_part(tmp_path / "a", "d1") is None


def test_error_in_a_line_leaves_no_file(tmp_path: Path) -> None:
    def lines() -> object:
        yield {}
        raise OSError(28, "No space left on device")

    with pytest.raises(OutputError, match="the disk is full"):
        write_part(tmp_path / "a", "d1", lines())  # type: ignore[arg-type]
    assert not list(tmp_path.iterdir())


def test_digest_depends_on_every_value() -> None:
    digests = {digest_of(), digest_of(1), digest_of("1"), digest_of(1, 2), digest_of((1, 2)), digest_of(1.5)}
    assert len(digests) == 6
    assert digest_of({"a": [0.1]}) == digest_of({"a": [0.1]})
    assert re.fullmatch("[0-9a-f]{64}", digest_of("\udcb0"))


def test_blocks_have_their_size_but_the_last() -> None:
    assert list(blocks_of(iter("abcde"), 2)) == [["a", "b"], ["c", "d"], ["e"]]
    assert list(blocks_of([], 2)) == []
    assert part_name(12) == "part-000012.jsonl"
