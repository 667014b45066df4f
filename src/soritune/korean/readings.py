"""The tables of readings (`readings.tsv`): kind, written form, reading, and for some kinds a fourth column."""

from __future__ import annotations

from functools import cache
from importlib.resources import files


@cache
def _rows() -> dict[str, list[tuple[str, str, str]]]:
    """Read the whole table once, by kind."""
    table = (files("soritune.korean") / "readings.tsv").read_text(encoding="utf-8")
    rows: dict[str, list[tuple[str, str, str]]] = {}
    for line in table.splitlines():
        if line and not line.startswith("#"):
            kind, written, spoken, *rest = line.split("\t")
            if written.startswith("U+"):
                written = chr(int(written[2:], 16))
            rows.setdefault(kind, []).append((written, spoken, rest[0] if rest else ""))
    return rows


def readings(kind: str) -> dict[str, str]:
    """Return written form to reading for one kind of the table.

    Args:
        kind: a kind of `readings.tsv`.

    Raises:
        KeyError: no such kind, which is a defect of the caller.
    """
    return {written: spoken for written, spoken, _ in _rows()[kind]}


def unit_bases() -> list[tuple[str, str, str]]:
    """Return the units that take prefixes: symbol, reading, and the prefixes they occur with."""
    return list(_rows()["base"])
