from __future__ import annotations

import re
import unicodedata
from importlib.resources import files

import pytest
from tests.korean import reading_tables

from soritune.korean.readings import readings, unit_bases


def test_every_row_of_the_table_is_read() -> None:
    table = (files("soritune.korean") / "readings.tsv").read_text(encoding="utf-8").splitlines()
    rows = [line.split("\t") for line in table if line and not line.startswith("#")]
    for kind in {row[0] for row in rows}:
        written = [
            chr(int(row[1][2:], 16)) if row[1].startswith("U+") else row[1] for row in rows if row[0] == kind
        ]
        assert list(readings(kind)) == list(dict.fromkeys(written))


def test_units_with_prefixes_have_a_reading() -> None:
    by_symbol = {symbol: reading for symbol, reading, _ in unit_bases()}
    assert by_symbol["m"] == "미터"
    assert all(by_symbol.values())


def test_unknown_kind_is_a_defect_of_the_caller() -> None:
    with pytest.raises(KeyError):
        readings("no such kind")


def test_document_has_the_tables_of_the_code() -> None:
    """After a change of a table: `python -m tests.korean.reading_tables`."""
    text = reading_tables.DOCUMENT.read_text(encoding="utf-8")
    assert text == reading_tables.document(text)


def test_document_lists_every_counter_and_every_unit() -> None:
    text = reading_tables.DOCUMENT.read_text(encoding="utf-8")
    assert {symbol for symbol in readings("unit") if f"| {symbol} | " not in text} == set()
    assert {symbol for symbol, *_ in unit_bases() if f"| {symbol} | " not in text} == set()


def test_every_sign_that_stands_for_letters_or_numbers_has_a_reading_in_the_document() -> None:
    rows = "\n".join(reading_tables.signs())
    for name, first, last in reading_tables.BLOCKS:
        signs = [sign for sign in map(chr, range(first, last + 1)) if stands_for_text(sign)]
        assert signs, name
        assert [sign for sign in signs if f"{sign} –" in rows and sign not in "℠™"] == [], name


STANDS_FOR_TEXT = re.compile("[A-Za-z0-9가-힣\u1100-\u11ff\u4e00-\u9fff]")


def stands_for_text(sign: str) -> bool:
    plain = unicodedata.normalize("NFKC", sign) if unicodedata.decomposition(sign) else ""
    return bool(STANDS_FOR_TEXT.search(plain)) or unicodedata.numeric(sign, None) is not None
