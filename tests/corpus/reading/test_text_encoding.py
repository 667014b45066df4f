"""Encodings of Korean text files: the right one, or a refusal."""

from __future__ import annotations

import codecs
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soritune.corpus.reading.text_encoding import EncodingError, decode_text, detect_encoding

# 똠, 펲 and 햏 are in CP949 but not in EUC-KR.
TEXT = "똠방각하 펲 햏\n둘째 줄"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp949"])
def test_usual_encodings_are_detected(encoding: str, tmp_path: Path) -> None:
    raw = TEXT.encode(encoding)
    (tmp_path / "a.txt").write_bytes(raw)
    assert decode_text(raw) == TEXT
    detected = detect_encoding(tmp_path / "a.txt")
    assert (tmp_path / "a.txt").read_text(encoding=detected) == TEXT


def test_both_byte_orders_of_utf16_are_read() -> None:
    assert decode_text(codecs.BOM_UTF16_BE + TEXT.encode("utf-16-be")) == TEXT


@pytest.mark.parametrize("raw", [b"\xff\xd8\xff\xe0JFIF", "가".encode() + "나".encode("cp949"), b"a\xff"])
def test_bytes_in_another_encoding_are_refused(raw: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(raw)
    for read in (lambda: decode_text(raw), lambda: detect_encoding(tmp_path / "a.txt")):
        with pytest.raises(EncodingError, match="neither UTF-8, UTF-16 with a byte order mark, nor CP949"):
            read()


def test_only_the_encoding_of_the_settings_is_tried() -> None:
    with pytest.raises(EncodingError, match="not cp949 text"):
        decode_text(b"\xff", "cp949")
    with pytest.raises(EncodingError, match="'klingon' is not a known encoding"):
        decode_text(b"a", "klingon")


def test_character_across_two_blocks_is_decoded(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"x" * ((1 << 20) - 1) + "가나".encode())
    assert detect_encoding(tmp_path / "a.txt") == "utf-8-sig"


@given(st.text())
def test_any_utf8_text_is_read_back(text: str) -> None:
    assert decode_text(text.encode("utf-8", "ignore")) == text.encode(
        "utf-8", "ignore"
    ).decode().removeprefix("\ufeff")


@pytest.mark.parametrize("raw", [b"PK\x03\x04\x14\x00", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"])
def test_workbook_is_named(raw: bytes, tmp_path: Path) -> None:
    file = tmp_path / "list.csv"
    file.write_bytes(raw + b"\x00\xff" * 20)
    for read in (lambda: detect_encoding(file), lambda: decode_text(file.read_bytes())):
        with pytest.raises(EncodingError, match=r"is a workbook .*export the sheet as CSV \(UTF-8\)"):
            read()
