"""The tables of docs/korean-numbers.md, made from the tables of the code: `python -m tests.korean.reading_tables`."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

from soritune.korean.normalization import normalize, unread
from soritune.korean.readings import readings, unit_bases

DOCUMENT = Path(__file__).parents[2] / "docs" / "korean-numbers.md"
START, END = "<!-- tables: start -->", "<!-- tables: end -->"
RULES = {
    "native": "native (한, 두, 세)",
    "count": "native for a count, Sino-Korean for the number of a thing",
    "number": "Sino-Korean for the number of a thing, native for a count",
    "rank": "native rank (첫, 두)",
    "digits": "digit by digit",
    "sino": "Sino-Korean (일, 이, 삼)",
}
BLOCKS = (
    ("Letter-like symbols", 0x2100, 0x214F),
    ("Number forms", 0x2150, 0x218F),
    ("Enclosed alphanumerics", 0x2460, 0x24FF),
    ("Dingbat circled digits", 0x2770, 0x279F),
    ("Enclosed CJK letters and months", 0x3200, 0x32FF),
    ("CJK compatibility (squared words and units)", 0x3300, 0x33FF),
    ("Enclosed alphanumeric supplement", 0x1F100, 0x1F18F),
)


def counters() -> Iterator[str]:
    """One line for each row of counters: the members, their numerals, and the reason with its source."""
    yield "| counters | numerals | reason and source |\n|---|---|---|"
    for kind, members, value, reason in _counter_rows():
        if kind == "counter":
            rule, _, limit = value.partition(":")
            yield f"| {members} | {RULES[rule]}{f', up to {limit}' if limit else ''} | {reason} |"


def contexts() -> Iterator[str]:
    """One line for each row of context words, forms and restrictions."""
    yield "| counter | kind | words or forms | reason and source |\n|---|---|---|---|"
    for kind, members, value, reason in _counter_rows():
        if kind != "counter":
            yield f"| {members.replace('*', 'every one')} | {kind} | {value.replace('_', ' ')} | {reason} |"


def units() -> Iterator[str]:
    """Units with their prefixes, and units without."""
    yield "| unit | reading | prefixes |\n|---|---|---|"
    for symbol, spoken, prefixes in unit_bases():
        yield f"| {symbol} | {spoken} | {prefixes} |"
    for symbol, spoken in readings("unit").items():
        yield f"| {symbol} | {spoken} | – |"
    prefixes = ", ".join(f"{symbol} {spoken}" for symbol, spoken in readings("prefix").items())
    yield f"| prefixes | {prefixes} | |"


def signs() -> Iterator[str]:
    """The reading of each sign of the blocks, one line for 16 code points; signs without a reading are `–`."""
    yield "| from | signs and readings |\n|---|---|"
    for name, first, last in BLOCKS:
        yield f"| **{name}** | |"
        for start in range(first, last + 1, 16):
            cells = [
                f"{sign} {_reading(sign)}"
                for sign in map(chr, range(start, min(start + 16, last + 1)))
                if unicodedata.name(sign, "")
            ]
            if cells:
                yield f"| U+{start:04X} | {', '.join(cells).replace('|', chr(92) + '|')} |"


def tables() -> str:
    """The whole part of the document that is made from tables."""
    parts = (
        ("Counters", counters()),
        ("Context words and forms", contexts()),
        ("Units", units()),
        ("Signs", signs()),
    )
    return "\n\n".join(f"## {title}\n\n" + "\n".join(lines) for title, lines in parts)


def _reading(sign: str) -> str:
    return "–" if unread(sign) or not normalize(sign) else normalize(sign).replace(", ", " ")


def _counter_rows() -> Iterator[list[str]]:
    text = (files("soritune.korean") / "counters.tsv").read_text(encoding="utf-8")
    return (line.split("\t") for line in text.splitlines() if line and not line.startswith("#"))


def document(text: str) -> str:
    """The document with the tables of today."""
    before, rest = text.split(START)
    return f"{before}{START}\n\n{tables()}\n\n{END}{rest.split(END)[1]}"


if __name__ == "__main__":
    DOCUMENT.write_text(document(DOCUMENT.read_text(encoding="utf-8")), encoding="utf-8")
