"""What a correct reader must make of a made corpus, and how to compare a reader's rows with it."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

Row = dict[str, Any]

GENDERS = {"여": "F", "여자": "F", "여성": "F", "f": "F", "female": "F"} | {
    "남": "M",
    "남자": "M",
    "남성": "M",
    "m": "M",
    "male": "M",
}
SPLITS = {"train": "train", "training": "train", "val": "val", "valid": "val", "dev": "val"} | {
    "validation": "val",
    "test": "test",
    "eval": "test",
}
TOKENS = ("phones", "canonical", "perceived", "error_labels")


@dataclass(frozen=True)
class Expected:
    """The right answer for one made corpus.

    Every path is relative to the corpus root, posix, NFC. A path may be in both ``rejected`` and
    ``either``: it must be reported, and may still give one of the rows named there.
    """

    rows: list[Row]
    """One row per usable utterance, with only the keys the layout defines; None: the corpus leaves it out."""
    rejected: dict[str, str] = field(default_factory=dict)
    """Path, or ``file:line`` where a line names no usable path -> short word of why it is refused."""
    unused: int = 0
    """Items that are fine but not expected_rows (numbers outside every range)."""
    notes: tuple[str, ...] = ()
    """What the description leaves open and how it was decided here."""
    either: dict[str, list[Row]] = field(default_factory=dict)
    """Path -> rows of which a reader may give at most one; giving none is right too."""
    ignored: tuple[str, ...] = ()
    """Litter: gives no row; naming it in a report is allowed, not needed."""
    unlearnable: dict[str, str] = field(default_factory=dict)
    """Key of a row that reads well but cannot be trained on -> why; ``*`` stands for the whole corpus."""
    mapping: dict[str, str] = field(default_factory=dict)
    """Field -> JMESPath expression that a user would write for this publisher."""
    index: str = ""
    """The list that names the audio, where the layout has one."""
    on_disk: dict[str, str] = field(default_factory=dict)
    """Path in NFC -> the path really on disk, where the two differ."""


def nfc(text: str) -> str:
    """The composed form."""
    return unicodedata.normalize("NFC", text)


def nfd(text: str) -> str:
    """The decomposed form, as macOS writes it."""
    return unicodedata.normalize("NFD", text)


def plain(key: str, value: Any) -> Any:
    """A value in the form used for comparison: spelling that the description leaves open does not count."""
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    if key in TOKENS:
        words = value.split() if isinstance(value, str) else [str(word) for word in value]
        return [re.sub(r"\d+$", "", word).casefold() for word in words] or None
    if key == "gender":
        return GENDERS.get(str(value).strip().casefold(), str(value))
    if key == "split":
        return SPLITS.get(str(value).strip().casefold(), str(value))
    if key == "age":
        digits = re.search(r"\d+(\.\d+)?", str(value))
        return float(digits.group()) if digits else None
    if isinstance(value, str):
        return " ".join(nfc(value).split())
    return value


def equal(key: str, got: Any, want: Any) -> bool:
    """Whether a reader's value is the expected one."""
    got, want = plain(key, got), plain(key, want)
    if key == "duration_s" and got is not None and want is not None:
        return abs(float(got) - float(want)) < 0.005
    return bool(got == want)


def faults(got: Mapping[str, Any], want: Row) -> list[str]:
    """The keys in which a row differs, with both values."""
    return [
        f"{want['audio']}: {key} is {got.get(key)!r}, not {value!r}"
        for key, value in want.items()
        if not equal(key, got.get(key), value)
    ]


def compare(expected: Expected, got: Iterable[Mapping[str, Any]]) -> list[str]:
    """Every difference between a reader's rows (audio relative to the root) and the right ones."""
    differences: list[str] = []
    expected_rows = {(row["audio"], plain("split", row.get("split"))): row for row in expected.rows}
    left = dict(expected_rows)
    taken: set[str] = set()
    for row in got:
        audio = str(row["audio"])
        if audio != nfc(audio):
            differences.append(f"{audio}: not composed")
            audio = nfc(audio)
        splits = [key for key in expected_rows if key[0] == audio]
        exact = (audio, plain("split", row.get("split")))
        name = exact if exact in expected_rows or len(splits) != 1 else splits[0]
        if name in left:
            differences += faults(row, left.pop(name))
        elif name in expected_rows:
            differences.append(f"{audio}: given twice")
        elif audio in expected.either and audio not in taken:
            taken.add(audio)
            tries: list[list[str]] = [faults(row, want) for want in expected.either[audio]]
            if all(tries):
                differences += sorted(tries, key=len)[0]
        else:
            differences.append(
                f"{audio}: should give no row" if audio not in taken else f"{audio}: given twice"
            )
    return differences + [f"{audio}: no row" for audio, _ in left]
