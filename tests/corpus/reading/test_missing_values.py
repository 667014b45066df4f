from __future__ import annotations

import pytest

from soritune.corpus.reading.missing_values import MissingValues, is_missing
from soritune.corpus.reading.value_reader import ValueReader


@pytest.mark.parametrize(
    "word", ["nan", "NaN", "N/A", "n/a", "#N/A", "NULL", "null", "None", "NA", "-", "?", " nan "]
)
def test_usual_words_are_missing_values(word: str) -> None:
    assert is_missing(word)


@pytest.mark.parametrize("word", ["네", "응", "Na", "na", "Nancy", "0", "--x", "none of them", 5, None])
def test_words_and_names_are_values(word: object) -> None:
    assert not is_missing(word)


def test_labels_are_values() -> None:
    missing = MissingValues()
    assert not missing.drops("emotion", "none")
    assert missing.drops("speaker", "none")
    (note,) = missing.notes()
    assert note.reason == "speaker is 'none' in 1 rows, which counts as no value" and note.count == 1


def test_word_that_a_table_of_values_lists_is_a_value() -> None:
    reader = ValueReader(values={"speaker": {"na": "Nadia"}})
    row = reader.utterance({"speaker": "NA", "text": "nan"}, name="a", audio="a.wav", extra={})
    assert (row.speaker, row.text, row.text_source) == ("Nadia", None, None)
