"""Outcomes of reading: cut texts, and kinds that must be given."""

from __future__ import annotations

import pytest

from soritune.corpus.reading.field_mapping import FieldValueError
from soritune.corpus.reading.outcomes import Note, ReadingError, Rejected, Skipped, shortened
from soritune.corpus.reading.text_encoding import EncodingError


@pytest.mark.parametrize(("text", "cut"), [("가나다라", "가나다라"), ("가나다라마", "가나다…"), ("", "")])
def test_text_is_cut_to_the_given_length(text: str, cut: str) -> None:
    assert shortened(text, 4) == cut


def test_rejection_cuts_its_texts_and_not_its_kind() -> None:
    long = "가" * 600
    rejection = Rejected(long, long, long, kind="k" * 600)
    for text in (rejection.audio, rejection.reason, rejection.id):
        assert len(text) == 500 and text == "가" * 499 + "…"
    assert rejection.kind == "k" * 600
    assert Rejected("가" * 500, "", kind="").audio == "가" * 500


@pytest.mark.parametrize("outcome", [Rejected, Skipped, Note])
def test_outcome_without_a_kind_is_refused(outcome: type) -> None:
    with pytest.raises(TypeError, match="kind"):
        outcome("a.wav", "reason") if outcome is Rejected else outcome("reason")


def test_errors_of_a_value_and_of_bytes_are_reading_errors_with_their_kind() -> None:
    value = FieldValueError("age", "must be a number", "field-type")
    assert isinstance(value, ReadingError)
    assert (value.kind, str(value)) == ("field-type:age", "field 'age' must be a number")
    encoding = EncodingError("is not UTF-8")
    assert isinstance(encoding, ReadingError) and (encoding.kind, str(encoding)) == (
        "text-encoding",
        "is not UTF-8",
    )
