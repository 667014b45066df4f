"""Ids of people and prompts as they are compared."""

from __future__ import annotations

import unicodedata

import pytest

from soritune.identities import FILLERS, identity, is_invisible, lookalike, whole_number
from soritune.korean.normalization import normalize
from soritune.korean.transcript import clean_transcript

NAME = "김 서연"


@pytest.mark.parametrize(
    "written",
    [
        NAME,
        unicodedata.normalize("NFD", NAME),
        f" {NAME}\t",
        "김  서연",
        "김\u00a0서연",
        "김\u3000서연",
        "김\u200b 서\u200d연",
        f"\ufeff{NAME}",
        "김 서\u00ad연",
        "김 서\ufe0f연",
        "김\u2060 서연\u200e",
        "\u3164김 서연",
    ],
)
def test_spellings_that_look_the_same_are_one_identity(written: str) -> None:
    assert identity(written) == NAME


@pytest.mark.parametrize("written", ["", " ", "\u200b", "\u200b \ufeff", "\u3164"])
def test_an_id_of_which_nothing_is_seen_is_missing(written: str) -> None:
    assert not identity(written)


@pytest.mark.parametrize("name", ["S01", "s01", "김서연", "김 서연 2", "a-b_c.d", "2.0", "007", "Å"])
def test_ids_with_visible_differences_stay_as_they_are(name: str) -> None:
    assert identity(name) == name


def test_a_missing_id_stays_missing() -> None:
    assert identity(None) is None


@pytest.mark.parametrize(
    ("first", "second"), [("S01", "s01"), ("1", "001"), ("2", "2.0"), ("F01", "f1.0"), ("\uff33１", "s1")]
)
def test_ids_that_are_probably_one_look_alike(first: str, second: str) -> None:
    assert lookalike(first) == lookalike(second)
    assert identity(first) != identity(second)


@pytest.mark.parametrize(
    ("first", "second"),
    [("s1", "s10"), ("1.5", "15"), ("2.05", "2.5"), ("0", "00a"), ("a1", "b1"), ("100", "1")],
)
def test_ids_of_different_people_do_not_look_alike(first: str, second: str) -> None:
    assert lookalike(first) != lookalike(second)


@pytest.mark.parametrize(
    "sign", [*FILLERS, "\u00ad", "\u061c", "\u200d", "\ufe0f", "\U000e0101", "\ufeff", "\x01"]
)
def test_invisible_sign_is_removed_from_ids_labels_and_transcripts(sign: str) -> None:
    assert is_invisible(sign)
    assert (
        identity(f"김{sign}서연")
        == clean_transcript(f"김{sign}서연")
        == normalize(f"김{sign}서연")
        == "김서연"
    )


@pytest.mark.parametrize("space", " \t\n\x1f\x85\u3000")
def test_space_is_not_invisible(space: str) -> None:
    assert not is_invisible(space)


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("2.0", "2"),
        ("-2.00", "-2"),
        ("2.5", "2.5"),
        ("v2.0", "v2.0"),
        ("1.0.0", "1.0.0"),
        (" 2.0", " 2.0"),
        ("2", "2"),
    ],
)
def test_only_whole_numbers_lose_their_fraction(written: str, name: str) -> None:
    assert whole_number(written) == name
