"""Fixtures of the Korean tests: the two converters and the folder of shared data."""

import csv
import os
from pathlib import Path

import pytest

from soritune.korean.g2p import Pronouncer
from soritune.korean.tagger import kiwi_installed

Rows = list[tuple[str, list[str], str]]


def read_rows(path: Path) -> Rows:
    """Read text, accepted pronunciations (spaces dropped) and rule from a table with a header row."""
    with path.open(encoding="utf-8") as lines:
        rows = list(csv.reader(lines, delimiter="\t"))[1:]
    return [(row[0], [form.replace(" ", "") for form in row[1].split("/")], row[2]) for row in rows]


def misses(pronouncer: Pronouncer, rows: Rows) -> list[tuple[str, str]]:
    """Return each text with a wrong pronunciation, and that pronunciation."""
    results = [(text, pronouncer.pronounce(text).replace(" ", ""), forms) for text, forms, _ in rows]
    return [(text, spoken) for text, spoken, forms in results if spoken not in forms]


@pytest.fixture(scope="session")
def core() -> Pronouncer:
    return Pronouncer("none")


@pytest.fixture(scope="session")
def kiwi() -> Pronouncer:
    if not kiwi_installed():
        pytest.skip("kiwipiepy is not installed")
    return Pronouncer("kiwi")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    return _shared_folder("SORITUNE_DATA", "data")


@pytest.fixture(scope="session")
def shared_cases() -> Path:
    return _shared_folder("SORITUNE_CASES", "cases")


def _shared_folder(variable: str, name: str) -> Path:
    default = Path(__file__).resolve().parents[2].parent / "shared" / name
    for folder in (os.environ.get(variable), default):
        if folder and Path(folder).is_dir():
            return Path(folder)
    pytest.skip(f"no shared {name}: {variable} is not set to a folder and {default} does not exist")
