from __future__ import annotations

from importlib.resources import files

import pytest

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
