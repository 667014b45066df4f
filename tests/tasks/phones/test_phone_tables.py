"""Three utterances worked by hand. a b c | a b: b is replaced by d once, c deleted once, e inserted once."""

from __future__ import annotations

from soritune.tasks.phones.phone_tables import phone_tables, worst, worst_alignments
from soritune.tasks.results import Alignment

ROWS = [
    ("u1", ["a", "b", "c"], ["a", "d"]),  # b → d and c deleted: 2 of 3
    ("u2", ["a", "b"], ["a", "b", "e"]),  # e inserted: 1 of 2
    ("u3", ["a"], ["a"]),
]


def test_phones_are_ordered_by_the_lower_end_of_their_interval() -> None:
    (by_rate, _), _ = phone_tables(ROWS)
    # Wilson: 1 of 1 is 20.7 to 100 %, 1 of 2 is 9.5 to 90.5 %, 0 of 3 is 0 to 56.2 %.
    assert by_rate.rows == (
        ("c", 1, 1, 1.0, "21 – 100 %"),
        ("b", 2, 1, 0.5, "9 – 91 %"),
        ("a", 3, 0, 0.0, "0 – 56 %"),
    )


def test_rare_phone_with_one_error_does_not_come_first() -> None:
    rows = [("rare", ["x"], ["y"]), ("frequent", ["z"] * 20, ["z"] * 10 + ["y"] * 10)]
    (by_rate, _), _ = phone_tables(rows)
    assert [row[0] for row in by_rate.rows] == ["z", "x"]


def test_confusions_include_insertions_and_deletions() -> None:
    (_, confusions), _ = phone_tables([*ROWS, ("u4", ["b"], ["d"])])
    assert confusions.rows[0] == ("b", "d", 2)
    assert set(confusions.rows[1:]) == {("c", "(deleted)", 1), ("(inserted)", "e", 1)}


def test_alignments_are_ordered_by_error_rate() -> None:
    _, alignments = phone_tables(ROWS)
    assert [alignment.id for alignment in alignments] == ["u1", "u2", "u3"]
    assert alignments[1] == Alignment("u2", ("a", "b", None), ("a", "b", "e"))
    assert worst_alignments(ROWS, 1) == alignments[:1]


def test_equal_error_rates_are_ordered_by_id() -> None:
    aligned = [(0.5, Alignment(name, (), ())) for name in ("c", "a", "b")]
    assert [alignment.id for alignment in worst(aligned, 2)] == ["a", "b"]


def test_no_utterances_give_empty_tables() -> None:
    tables, alignments = phone_tables([])
    assert [table.rows for table in tables] == [(), ()]
    assert alignments == ()
    _, (empty,) = phone_tables([("u", [], ["a"])])  # an empty reference has length one for its rate
    assert empty.reference == (None,)
