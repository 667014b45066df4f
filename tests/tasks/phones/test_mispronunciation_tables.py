"""Two speakers worked by hand: s1 makes one error of three positions, s2 none of two."""

from __future__ import annotations

import pytest

from soritune.metrics.mispronunciation import MispronunciationCounts
from soritune.tasks.phones.mispronunciation_tables import (
    RATES,
    error_tables,
    protocol_table,
    speaker_tables,
    true_errors,
)
from soritune.tasks.results import Pair, Prediction


def pair(speaker: str, canonical: str, perceived: str, labels: str | None, decoded: str = "") -> Pair:
    reference = {
        "canonical": canonical.split(),
        "perceived": perceived.split(),
        "labels": None if labels is None else labels.split(),
    }
    prediction = Prediction("mispronunciation", {"labels": decoded.split()})
    return Pair("u", reference, prediction, {"speaker": speaker})


PAIRS = [
    pair("s1", "a b c", "a d c", "C S C", "C S S"),  # the error is found, c is a false alarm
    pair("s2", "a b", "a b", "C C", "C C"),
]


def test_errors_are_counted_by_labels_or_else_by_phones() -> None:
    assert true_errors(PAIRS[0]) == (1, 3)
    assert true_errors(pair("s", "a b", "a d", None)) == (1, 2)
    assert true_errors(pair("s", "a b", "a b", "C S")) == (1, 2)  # "mostly like b, but wrong"
    unknown = Pair("u", {"canonical": None, "perceived": None, "labels": None}, PAIRS[0].prediction)
    assert true_errors(unknown) == (0, 0)


def test_table_of_speakers() -> None:
    summary, by_speaker = speaker_tables(PAIRS)
    assert dict(summary.rows) == {
        "speakers": "2",
        "speakers with at least one error": "1",
        "errors": "1",
        "share of the 3 speakers with the most errors": "100.0 %",
    }
    assert by_speaker.rows == (("s1", 1, 3, pytest.approx(1 / 3)),)
    assert "all others only measure false alarms" in summary.note
    summary, by_speaker = speaker_tables(PAIRS[1:])
    assert dict(summary.rows)["share of the 3 speakers with the most errors"] == "–"
    assert by_speaker.rows == ()


def test_table_of_labels() -> None:
    """C: 4 in the references, 3 predicted, 3 equal. S: 1, 2, 1. Taken for an error: S once, C once."""
    table, _ = error_tables(PAIRS, ("C", "S", "D"))
    assert table.rows[0] == ("C", 4, 3, 3, 1, pytest.approx(3 / 3), pytest.approx(3 / 4))
    assert table.rows[1] == ("S", 1, 2, 1, 1, pytest.approx(1 / 2), pytest.approx(1 / 1))
    assert table.rows[2][:5] == ("D", 0, 0, 0, 0)


def test_table_of_expected_phones() -> None:
    """Columns: occurrences, errors, found, missed, false alarms. c has a false alarm, so it comes first."""
    _, table = error_tables(PAIRS, ("C", "S"))
    assert table.rows == (("c", 1, 0, 0, 0, 1), ("a", 2, 0, 0, 0, 0), ("b", 2, 1, 1, 0, 0))


def test_table_of_protocols() -> None:
    """Of 4 errors 3 are found, 2 of them with the right phone; 1 of 6 right phones is reported."""
    counts = MispronunciationCounts(
        true_accepts=5, false_rejects=1, false_accepts=1, correct_diagnoses=2, diagnosis_errors=1
    )
    halves = [counts, MispronunciationCounts()]
    (line,) = protocol_table({"kaldi": halves}).rows
    assert line[:7] == ("kaldi", 5, 1, 1, 2, 1, 0)
    assert line[7:] == pytest.approx((3 / 4, 3 / 4, 3 / 4, 1 / 6, 1 / 3))


def test_descriptions_have_distinct_titles() -> None:
    assert len({description.title for description in RATES.values()}) == len(RATES)
