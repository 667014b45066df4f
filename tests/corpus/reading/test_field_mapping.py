"""From rows with other names to typed utterances, and errors for values that do not fit."""

from __future__ import annotations

import unicodedata

import pytest

from soritune.corpus.reading.field_mapping import FieldMapping, FieldValueError, canonical_extra, convert
from soritune.errors import ManifestError

ROW = {"id": "a", "audio": "a.wav", "duration": 1.5, "l1": "zh", "age_group": "10s", "gender": ""}


def test_fields_constants_and_other_names() -> None:
    mapping = FieldMapping(
        {"duration_s": "duration", "first_language": "l1"}, {"language": "ko", "gender": "f"}, prefix="x-"
    )
    utterance = mapping.utterance(ROW)
    assert (utterance.id, utterance.duration_s, utterance.first_language) == ("x-a", 1.5, "zh")
    assert (utterance.language, utterance.gender) == ("ko", "f")  # an empty string is not a value
    assert utterance.extra == {"age_group": "10s"}


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("id", 17, "17"),
        ("age", "7", 7.0),
        ("age", "", None),
        ("age", float("nan"), None),
        ("channel", 1.0, 1),
        ("phones", "G A | N A", ("G", "A", "|", "N", "A")),
        ("phones", ["G", "A"], ("G", "A")),
        ("emotion", ["joy", "anger"], "joy|anger"),
        ("emotion", [], None),
        ("text", "", ""),
        ("speaker", "", None),
        ("snr_db", None, None),
    ],
)
def test_values_are_converted(field: str, value: object, expected: object) -> None:
    assert convert(field, value) == expected


@pytest.mark.parametrize(
    ("field", "value", "kind", "words"),
    [
        ("duration_s", "long", "field-type", "a finite number, got 'long'"),
        ("duration_s", True, "field-type", "a finite number"),
        ("duration_s", float("inf"), "field-type", "a finite number"),
        ("channel", 0.5, "field-type", "a whole number"),
        ("channel", -1, "field-type", "a whole number"),
        ("sample_rate_hz", 2**40, "field-type", "a whole number"),
        ("speaker", ["a"], "field-type", "must be text"),
        ("gender", False, "field-type", "must be text"),
        ("phones", [1, 2], "field-type", "list of strings"),
        ("text", "\ud800", "field-encoding", "surrogate"),
    ],
)
def test_value_that_does_not_fit_is_refused(field: str, value: object, kind: str, words: str) -> None:
    with pytest.raises(FieldValueError, match=words) as caught:
        convert(field, value)
    assert (caught.value.field, caught.value.kind) == (field, f"{kind}:{field}")


def test_row_with_a_missing_or_wrong_value_is_refused() -> None:
    mapping = FieldMapping()
    with pytest.raises(FieldValueError, match="'audio' is missing") as caught:
        mapping.utterance({"id": "a", "audio": None, "duration_s": 1})
    assert (caught.value.kind, caught.value.problem) == ("field-missing:audio", "is missing")
    with pytest.raises(FieldValueError, match="must be above 0, got -1"):
        mapping.utterance({"id": "a", "audio": "a", "duration_s": -1})
    with pytest.raises(FieldValueError, match="must be one of gold, asr, none"):
        mapping.utterance({"id": "a", "audio": "a", "duration_s": 1, "text_source": "people"})
    with pytest.raises(FieldValueError, match="must be an object"):
        mapping.utterance({"id": "a", "audio": "a", "duration_s": 1, "extra": [1]})


def test_unknown_names_are_refused_with_the_nearest() -> None:
    with pytest.raises(ManifestError, match="'speeker' is not an utterance field, did you mean 'speaker'"):
        FieldMapping({"speeker": "spk"})
    with pytest.raises(ManifestError, match="--field duration_s=duration"):
        FieldMapping().check_columns(["id", "audio", "duration"], "m.jsonl")
    with pytest.raises(ManifestError, match=r"'l1' \(for 'first_language'\) is missing"):
        FieldMapping({"first_language": "l1"}).check_columns(["id", "audio", "duration_s"], "m.jsonl")
    FieldMapping(constants={"duration_s": 1.0}).check_columns(["id", "audio"], "m.jsonl")


def test_extra_has_one_spelling() -> None:
    assert canonical_extra({"b": [1, 2.5], "a": "가"}) == '{"a":"가","b":[1,2.5]}'
    assert canonical_extra({}) is None
    for bad in ({"a": float("inf")}, {"a": "\udc00"}):
        with pytest.raises(FieldValueError, match="cannot be written as JSON"):
            canonical_extra(bad)


def test_texts_are_stripped_and_composed_but_not_ids_and_paths() -> None:
    decomposed = unicodedata.normalize("NFD", "기쁨")
    row = FieldMapping().utterance(
        {
            "id": " a ",
            "audio": "a .wav",
            "duration_s": 1,
            "emotion": f"{decomposed} ",
            "phones": ["ㄱ ", " ㅏ"],
        }
    )
    assert (row.id, row.audio, row.emotion, row.phones) == (" a ", "a .wav", "기쁨", ("ㄱ", "ㅏ"))


def test_phones_and_error_labels_keep_their_spelling() -> None:
    for name in ("phones", "canonical", "perceived", "error_labels"):
        assert (
            convert(name, "a\u0303 \u00e3") == convert(name, ["a\u0303 ", "\u00e3"]) == ("a\u0303", "\u00e3")
        )


def test_whole_numbers_are_the_same_text_with_and_without_a_fraction() -> None:
    names = ("id", "speaker", "script_id", "emotion")
    for value in (2, 2.0, "2"):
        assert [convert(name, value) for name in names] == ["2"] * 4
    assert [convert(name, "2.0") for name in names] == ["2", "2", "2", "2.0"]  # a task reads labels
    assert convert("text", "2.0") == "2.0"
    assert convert("speaker", 2.5) == "2.5"
