from __future__ import annotations

import pytest

from soritune.reports.phone_analysis import PhoneAnalysis
from soritune.tasks.results import Pair, Prediction


def pairs(rows: list[tuple[str, str, str]]) -> list[Pair]:
    return [
        Pair(
            f"{number}",
            {"phones": reference.split()},
            Prediction("phoneme", {"phones": hypothesis.split()}),
            {"speaker": speaker},
        )
        for number, (speaker, reference, hypothesis) in enumerate(rows)
    ]


def test_shares_and_what_was_recognised_instead() -> None:
    """Speaker a: G G → G K; speaker b: G G → K K, A missing once of three. G: 3 of 4 wrong, A: 1 of 3."""
    analysis = PhoneAnalysis.of(
        pairs([("a", "G A G A", "G A K A"), ("b", "G G A", "K K")]), ["A", "G", "K"], resamples=200
    )
    assert analysis is not None
    assert analysis.labels == ("A", "G", "K")
    by_symbol = {phone.symbol: phone for phone in analysis.phones}
    assert set(by_symbol) == {"A", "G"}  # K is never expected
    g, a = by_symbol["G"], by_symbol["A"]
    assert (g.total, g.errors, g.instead) == (4, 3, (("K", 3),))
    assert (a.total, a.errors, a.instead) == (3, 1, ((None, 1),))
    assert g.share.value == pytest.approx(0.75)
    # Draws of two speakers: a twice 1/2, both 3/4, b twice 1.
    assert (g.share.low, g.share.high) == (0.5, 1.0)
    assert g.share.num_speakers == 2
    assert not g.share.reliable


def test_rare_phone_with_one_error_is_behind_a_frequent_one_with_many() -> None:
    rows = [("a", "N", "M"), *[("a", "G", "K")] * 30, *[("b", "G", "G")] * 10]
    analysis = PhoneAnalysis.of(pairs(rows), ["G", "N"], resamples=10)
    assert analysis is not None
    assert [phone.symbol for phone in analysis.phones] == ["G", "N"]
    assert analysis.labels == ("G", "N", "K", "M")  # those outside the inventory come last


def test_insertions_and_json() -> None:
    analysis = PhoneAnalysis.of(pairs([("a", "G", "G A")]), ["G", "A"], resamples=10)
    assert analysis is not None
    content = analysis.to_json()
    assert content["confusion"] == {
        "expected": ["G", "A", "inserted"],
        "recognised": ["G", "A", "not recognised"],
        "counts": [[1, 0, 0], [0, 0, 0], [0, 1, 0]],
    }
    (phone,) = content["phones"]
    assert phone["share"]["value"] == 0
    assert phone["share"]["low"] is None  # a single speaker has no range


def test_pairs_without_phones_have_no_analysis() -> None:
    assert PhoneAnalysis.of([Pair("a", {"label": "x"}, Prediction("e", {"label": "x"}))], []) is None
