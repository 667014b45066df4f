"""Recordings that lists contain more than once."""

from __future__ import annotations

from typing import Any

from soritune.corpus.reading.outcomes import STRETCHES_UNMAPPED, Note, Outcome, Rejected, Skipped
from soritune.corpus.reading.repeated_recordings import Contradiction, ListedRecordings, content_of
from soritune.corpus.utterance import Utterance


def row(
    name: str = "a", split: str | None = None, extra: dict[str, Any] | None = None, **known: Any
) -> Utterance:
    values = dict(extra or {}) if split is None else {**(extra or {}), "split": split}
    return Utterance(id=name, audio=f"{name}.wav", duration_s=0.0, extra=values, **known)


def add(listed: ListedRecordings, utterance: Utterance, content: int = 0) -> list[Outcome]:
    return list(listed.outcomes(utterance, content, location="l.csv line 2", example="the row"))


def test_first_row_of_a_recording_is_unchanged() -> None:
    listed = ListedRecordings("row")
    assert add(listed, row("a")) == [row("a")]
    assert add(listed, row("b")) == [row("b")]


def test_equal_row_of_a_split_is_skipped() -> None:
    listed = ListedRecordings("entry")
    add(listed, row("a", "train"))
    assert add(listed, row("a", "train")) == [Skipped("entry repeated", 1, "the row", kind="row-repeated")]


def test_other_row_of_a_split_is_rejected() -> None:
    listed = ListedRecordings("entry")
    add(listed, row("a", "train"))
    (rejection,) = add(listed, row("a", "train"), content=1)
    assert isinstance(rejection, Rejected)
    assert (rejection.audio, rejection.id, rejection.kind) == ("a.wav", "a", "values-differ")
    assert rejection.reason == "l.csv line 2: the recording has another entry with other values"


def test_row_of_another_split_is_read_under_another_id_and_noted() -> None:
    listed = ListedRecordings("row")
    add(listed, row("a", "train"))
    note, second = add(listed, row("a", "test"), content=1)
    assert isinstance(note, Note) and note.kind == "several-splits:train, test"
    assert isinstance(second, Utterance) and (second.id, second.audio) == ("a#test", "a.wav")
    _, third = add(listed, row("a"))
    assert isinstance(third, Utterance) and third.id == "a#3"  # without a split: its number


def rejections(*rows: Utterance) -> list[Rejected]:
    contradiction = Contradiction()
    for number, utterance in enumerate(rows, start=2):
        contradiction.add(f"l.csv line {number}", utterance)
    return list(contradiction.rejections())


def test_every_contradicting_row_is_rejected_with_the_values_that_differ() -> None:
    first, second = rejections(row(emotion="x", speaker="s"), row(emotion="y", speaker="s"))
    assert first == second and first.kind == "values-differ"
    assert first.reason == "l.csv line 2, l.csv line 3: listed with different values: emotion x and y"


def test_rows_that_differ_only_in_other_columns_seem_to_be_stretches() -> None:
    (rejection, *_) = rejections(row(extra={"시작": "0"}), row(extra={"시작": "1"}))
    assert rejection.kind == STRETCHES_UNMAPPED
    assert "'시작' 0 and 1; if they are stretches" in rejection.reason
    (rejection, *_) = rejections(row(text="x", extra={"시작": "0"}), row(text="y", extra={"시작": "1"}))
    assert rejection.kind == "values-differ"


def test_missing_value_differs_and_the_split_does_not() -> None:
    (rejection, *_) = rejections(row(split="train", extra={"memo": "x"}), row(split="test"))
    assert "'memo' x and nothing" in rejection.reason and "split" not in rejection.reason


def test_only_a_few_of_many_rows_are_named() -> None:
    many = rejections(*(row(text=f"{'가' * 100}{n}") for n in range(1000)))
    assert len(many) == 1000 and "and 997 more" in many[0].reason and len(many[0].reason) < 300


def test_content_depends_on_all_values_but_the_split() -> None:
    assert content_of(row(split="train", text="x")) == content_of(row(split="test", text="x"))
    assert content_of(row(text="x")) != content_of(row(text="y"))
    assert content_of(row(extra={"memo": "x"})) != content_of(row(extra={"memo": "y"}))
