"""Outcomes are counted by their kind; the wording of a reason changes no count."""

from __future__ import annotations

import pytest

from soritune.corpus.checks import Quarantined
from soritune.corpus.reasons import Tally, add_to, commonest

ROWS = [
    Quarantined("", "a.wav", "l.csv line 2: has 1 cell, the header has 2", "prepare", "row-length"),
    Quarantined("b", "b.wav", "does not exist", "prepare", "audio-missing"),
    Quarantined("", "c.wav", "l.csv line 4: has 3 cells, the header has 2", "prepare", "row-length"),
]


def test_first_row_of_the_commonest_kind_is_shown() -> None:
    assert commonest(ROWS) == (
        "3 rejected; 2 of them such as a.wav: l.csv line 2: has 1 cell, the header has 2"
    )


def test_sentence_for_one_row_and_for_one_kind() -> None:
    assert commonest(ROWS[1:2]) == "1 rejected; b.wav: does not exist"
    assert commonest([ROWS[0], ROWS[2]]).startswith("2 rejected; such as a.wav: l.csv line 2")


def test_row_without_audio_is_shown_by_its_id() -> None:
    assert commonest([Quarantined("x", "", "is odd", "prepare", "odd")]) == "1 rejected; x: is odd"


def test_first_of_equally_common_kinds_is_shown() -> None:
    assert commonest(ROWS[:2]).startswith("2 rejected; 1 of them such as a.wav")


@pytest.mark.parametrize("wording", ["cannot be found", "was moved (line 7)", "'x' is missing: y.wav"])
def test_wording_of_a_reason_does_not_change_the_groups(wording: str) -> None:
    reworded = [ROWS[0], ROWS[1], Quarantined("", "c.wav", wording, "prepare", "row-length")]
    assert commonest(reworded) == commonest(ROWS)
    equal_texts = [Quarantined("", row.audio, wording, "prepare", row.kind) for row in ROWS]
    assert commonest(equal_texts) == f"3 rejected; 2 of them such as a.wav: {wording}"


def test_tally_keeps_reason_and_example_of_the_first_outcome() -> None:
    tallies: dict[str, Tally] = {}
    add_to(tallies, "row-repeated", "row repeated", "l.csv line 4", 2)
    add_to(tallies, "row-repeated", "repeated row", "l.csv line 9")
    assert tallies == {"row-repeated": Tally("row-repeated", "row repeated", "l.csv line 4", 3)}
