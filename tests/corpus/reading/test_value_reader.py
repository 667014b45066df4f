"""Values of other publishers, translated or kept unchanged."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from soritune.corpus.reading.field_mapping import FieldValueError
from soritune.corpus.reading.value_reader import ReaderConfig, ValueReader, number_in
from soritune.corpus.utterance import Utterance


def read(given: dict[str, Any], **settings: Any) -> Utterance:
    reader = ValueReader.of(ReaderConfig(**settings), "corpus", "ko")
    return reader.utterance(given, name="a/1", audio="a/1.wav", extra={"more": 1})


@pytest.mark.parametrize(
    ("name", "text", "number"),
    [("age", "만 7세", 7), ("age", "8", 8), ("age", "７세", 7), ("age", "7 살", 7), ("age", "9.5", 9.5),
     ("age", "7 years old", 7), ("snr_db", "12.5 dB", 12.5), ("snr_db", " -3.5dB", -3.5), ("start_s", "3초", 3),
     ("end_s", "4.5 s", 4.5), ("channel", "1", 1), ("snr_db", "1e1", 10), ("age", 7, 7),
     ("age", "7~8세", None), ("age", "7_8", None), ("age", "36개월", None), ("age", "초등 3학년", None),
     ("age", "2015", None), ("age", 2015, None), ("age", "20대", None), ("age", "10세 미만", None), ("age", "-7", None),
     ("age", "5세 3개월", None), ("age", True, None), ("age", [7], None), ("age", "7 dB", None),
     ("snr_db", "12 s", None), ("start_s", "14:03:22", None), ("channel", "1.5", None), ("age", "미상", None),
     ("age", "", None), ("age", "nan", None), ("snr_db", "inf", None), ("age", 1e999, None)],
)  # fmt: skip
def test_number_in_a_value(name: str, text: Any, number: float | None) -> None:
    assert number_in(text, name) == number


@given(st.integers(0, 120), st.sampled_from(["", "만 ", "만"]), st.sampled_from(["", "세", " 살"]))
def test_every_age_is_read(number: int, before: str, after: str) -> None:
    assert number_in(f"{before}{number}{after}", "age") == number


def test_unreadable_number_is_kept_in_extra() -> None:
    row = read({"age": "7~8세", "snr_db": "미상", "text": "글"})
    assert row.age is None and row.extra == {"more": 1, "age": "7~8세", "snr_db": "미상"}
    assert read({"age": [7, 8]}).extra == {"more": 1, "age": [7, 8]}
    assert read({"age": float("inf")}).extra == {"more": 1, "age": "inf"}
    assert read({"age": "?"}, values={"age": {"?": None}}).extra == {"more": 1}


@pytest.mark.parametrize(
    ("word", "gender"),
    [("여", "f"), ("Female", "f"), (" 남자 ", "m"), ("M", "m"), ("other", "other"), ("", None), (None, None)],
)
def test_usual_words_for_gender_are_known(word: str | None, gender: str | None) -> None:
    assert read({"gender": word}).gender == gender


def test_value_tables_translate_values() -> None:
    tables = {"emotion": {"Angry": "화남", 1: "기쁨", "?": None}, "gender": {"1": "f"}}
    assert read({"emotion": "angry"}, values=tables).emotion == "화남"
    assert read({"emotion": 1, "gender": 1}, values=tables).emotion == "기쁨"
    assert read({"emotion": "?", "gender": "남"}, values=tables).emotion is None
    assert read({"gender": 1}, values=tables).gender == "f"


def test_labels_that_look_like_missing_values_are_kept() -> None:
    for label in ("NA", "null", "None", "nan", "01", "1.0", "True"):
        assert read({"emotion": label}).emotion == label


def test_texts_are_composed_and_gold_by_default() -> None:
    row = read({"text": "  값을 "})
    assert (row.text, row.text_source) == ("값을", "gold")
    assert read({"text": "글"}, constants={"text_source": "asr"}).text_source == "asr"
    assert read({"text": ""}).text_source is None


def test_stretches_have_start_length_and_an_id_of_their_own() -> None:
    row = read({"start_s": "1.5", "end_s": "4"})
    assert (row.id, row.start_s, row.duration_s) == ("a/1#1.500-4.000", 1.5, 2.5)
    assert read({"start_s": 2, "duration_s": "3 s"}).duration_s == 3
    whole = read({"duration_s": 9})
    assert (whole.id, whole.start_s, whole.duration_s) == ("a/1", None, 9.0)  # as stated
    for bad in (
        {"start_s": 3, "end_s": 3},
        {"start_s": -1},
        {"start_s": "14:03:22"},
        {"start_s": 1, "end_s": "?"},
    ):
        with pytest.raises(FieldValueError):
            read(bad)


@pytest.mark.parametrize("bad", [{"text": ["a"]}, {"emotion": True}, {"speaker": {"id": 1}}, {"phones": 3}])
def test_value_of_a_wrong_type_is_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(FieldValueError) as caught:
        read(bad)
    assert caught.value.kind == f"field-type:{caught.value.field}" and caught.value.field in bad


def test_missing_required_field_is_refused() -> None:
    with pytest.raises(FieldValueError) as caught:
        read({"speaker": " "}, required=["speaker"])
    assert caught.value.kind == "field-missing:speaker"
    assert read({}, required=["speaker"], constants={"speaker": "one"}).speaker == "one"


def test_settings_with_unknown_fields_are_refused() -> None:
    for bad in ({"values": {"mood": {}}}, {"constants": {"mood": 1}}, {"required": ["emotions"]}):
        with pytest.raises(ValidationError, match="is not an utterance field"):
            ReaderConfig(**bad)
