"""A JSON label for every recording: fields by expression, stretches, splits by folder."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from soritune.corpus.manifest import write_manifest
from soritune.corpus.preview import preview
from soritune.corpus.reading.outcomes import Note, Outcome, ReadingError, Rejected
from soritune.corpus.sources.json_pairs import SOURCE, JsonPairsConfig, load_label, read_corpus, survey
from soritune.corpus.utterance import Utterance
from soritune.errors import ManifestError

FIELDS = {"text": "발화정보.stt", "speaker": "녹음자정보.recorderId", "age": "녹음자정보.age"}
LABEL = {
    "발화정보": {"stt": "나는 학교에 가요", "scriptId": "K1", "recrdTime": "99"},
    "녹음자정보": {"recorderId": "A1", "age": "만 7세", "gender": "여", "city": "서울"},
}


def pair(root: Path, name: str, label: Any) -> None:
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / f"{name}.wav").touch()
    raw = label if isinstance(label, bytes) else json.dumps(label, ensure_ascii=False).encode()
    (root / f"{name}.json").write_bytes(raw)


def read(root: Path, **config: Any) -> list[Outcome]:
    return list(read_corpus(root, JsonPairsConfig(**config)))


def rows(outcomes: list[Outcome]) -> list[Utterance]:
    return [item for item in outcomes if isinstance(item, Utterance)]


def test_nested_korean_keys_are_read(tmp_path: Path) -> None:
    pair(tmp_path, "1.Training/서울/A1/0001", LABEL)
    fields = {**FIELDS, "gender": "녹음자정보.gender || 성별", "script_id": "발화정보.scriptId"}
    (row,) = read(tmp_path, fields=fields, extra={"city": "녹음자정보.city"}, keep=["발화정보.recrdTime"])
    assert row == Utterance(
        id="1.Training/서울/A1/0001", audio="1.Training/서울/A1/0001.wav", duration_s=0, speaker="A1",
        text="나는 학교에 가요", text_source="gold", language="ko", age=7, gender="f", script_id="K1",
        source=tmp_path.name, extra={"city": "서울", "발화정보.recrdTime": "99", "split": "train"},
    )  # fmt: skip


def test_top_level_keys_with_field_names_need_no_mapping(tmp_path: Path) -> None:
    pair(tmp_path, "a", {"text": "글", "speaker": 3, "age": [1], "other": "x"})
    (row,) = rows(read(tmp_path))
    assert (row.text, row.speaker, row.age, dict(row.extra)) == ("글", "3", None, {})


def test_empty_text_is_rejected_unless_allowed(tmp_path: Path) -> None:
    pair(tmp_path, "a", {**LABEL, "발화정보": {"stt": " "}})
    pair(tmp_path, "b", LABEL)
    (rejection,) = [item for item in read(tmp_path, fields=FIELDS) if isinstance(item, Rejected)]
    assert (rejection.audio, rejection.id, rejection.kind) == ("a.wav", "a", "field-missing:text")
    assert rejection.reason == "a.json: field 'text' is empty or missing (read from '발화정보.stt')"
    assert len(rows(read(tmp_path, fields=FIELDS, allow_empty_text=True))) == 2
    only = {"speaker": FIELDS["speaker"]}
    assert len(rows(read(tmp_path, fields=only))) == 2


def test_stretches_of_a_label_become_utterances(tmp_path: Path) -> None:
    label = {"who": {"id": "S1"}, "utterances": [
        {"start": 0.5, "end": "2.0 s", "form": "하나"}, {"start": 3, "end": 2, "form": "둘"},
        {"start": 4, "end": 5}]}  # fmt: skip
    pair(tmp_path, "a", label)
    pair(tmp_path, "b", {"utterances": []})
    fields = {"text": "form", "start_s": "start", "end_s": "end", "speaker": "who.id"}
    outcomes = read(tmp_path, fields=fields, utterances="utterances")
    (row,) = rows(outcomes)
    assert (row.id, row.start_s, row.duration_s, row.text, row.speaker) == ("a#1", 0.5, 1.5, "하나", "S1")
    assert [(item.id, item.kind) for item in outcomes if isinstance(item, Rejected)] == [
        ("a#2", "field-value:duration_s"),
        ("a#3", "field-missing:text"),
        ("b", "stretches-missing"),
    ]


def test_text_and_times_of_the_whole_label_are_not_those_of_a_stretch(tmp_path: Path) -> None:
    parts = [{"s": 0, "e": 1, "text": "하나"}, {"s": 1, "e": 2, "text": None}, {"s": 2, "e": 3}]
    pair(tmp_path, "a", {"text": "전체 전사", "speaker": "S", "phones": "a b", "s": 0, "e": 9, "u": parts})
    fields = {"text": "text", "start_s": "s", "end_s": "e", "phones": "phones"}
    outcomes = read(tmp_path, fields=fields, utterances="u")
    (row,) = rows(outcomes)
    assert (row.text, row.speaker, row.phones, row.start_s) == ("하나", "S", None, 0)
    assert [item.id for item in outcomes if isinstance(item, Rejected)] == ["a#2", "a#3"]
    plain = rows(read(tmp_path, fields={"start_s": "s", "end_s": "e"}, utterances="u"))
    assert [(row.text, row.speaker) for row in plain] == [("하나", "S"), (None, "S"), (None, "S")]
    used = survey(tmp_path, JsonPairsConfig(fields=fields, utterances="u"), 10).used
    assert (used["u.s"], used["u.e"], used["u.text"]) == ("start_s", "end_s", "text")


def test_label_that_is_a_list_of_stretches_needs_a_setting(tmp_path: Path) -> None:
    pair(tmp_path / "lists", "a", [{"text": "하나", "s": 0, "e": 1}])
    pair(tmp_path / "objects", "b", {"text": "둘"})
    (rejection,) = (item for item in read(tmp_path, fields={"text": "text"}) if isinstance(item, Rejected))
    assert rejection.kind == "label-not-object" and "set utterances=[]" in rejection.reason
    config: dict[str, Any] = {"fields": {"start_s": "s", "end_s": "e"}, "utterances": []}
    assert [row.text for row in rows(read(tmp_path / "lists", **config))] == ["하나"]


def test_corpus_without_a_readable_label_is_refused(tmp_path: Path) -> None:
    pair(tmp_path, "a", b'{"text": "x",}')
    with pytest.raises(ManifestError, match="none of its 1 labels can be read"):
        read(tmp_path)


def test_repeated_key_is_noted(tmp_path: Path) -> None:
    pair(tmp_path, "a", b'{"text": "1", "d": {"x": 1, "x": 2}, "text": "2"}')
    note, row = read(tmp_path)
    assert isinstance(note, Note) and note.example == "a.json: x, text"
    assert isinstance(row, Utterance) and row.text == "2"


def test_failing_expression_rejects_its_row(tmp_path: Path) -> None:
    pair(tmp_path, "a", {"stt": "글", "n": [1, "a"]})
    pair(tmp_path, "b", {"stt": "글", "n": "x"})
    outcomes = read(tmp_path, fields={"text": "contains(n, `1`) && stt"})
    assert [item.id for item in rows(outcomes)] == ["a"]
    (rejection,) = [item for item in outcomes if isinstance(item, Rejected)]
    assert (rejection.id, rejection.kind) == ("b", "expression:text")
    assert rejection.reason.count("contains(n, `1`) && stt") == 1  # not repeated as the origin of the field


def test_origin_of_a_field_is_shown_unless_it_is_the_field_s_name(tmp_path: Path) -> None:
    pair(tmp_path, "a", {"text": "", "age": "7", "a": ["x"]})
    for expression, shown in (("text", ""), ("a", " (read from 'a')")):
        (rejection,) = [
            item for item in read(tmp_path, fields={"text": expression}) if isinstance(item, Rejected)
        ]
        assert rejection.reason.startswith("a.json: field 'text' ")
        assert rejection.reason.endswith(shown) and ("read from" in rejection.reason) == bool(shown)


def test_split_follows_from_the_folder(tmp_path: Path) -> None:
    for name in ("x/1.Training/a", "x/2.Validation/b", "x/2.Validation_split/c", "x/3.Test/d", "e"):
        pair(tmp_path, name, LABEL)

    def splits(**config: Any) -> dict[str, str | None]:
        return {row.id[-1]: row.extra.get("split") for row in rows(read(tmp_path, fields=FIELDS, **config))}

    assert splits() == {"a": "train", "c": "val", "d": "test", "e": None}
    assert splits(split_folders={"2.Validation_split": None}) == {
        "a": "train",
        "b": "val",
        "d": "test",
        "e": None,
    }
    assert splits(split_folders=None) == dict.fromkeys("abcde")
    assert splits(split_folders={"x": "train"})["d"] == "train"


def test_mapping_without_any_value_is_refused(tmp_path: Path) -> None:
    pair(tmp_path, "a", LABEL)
    with pytest.raises(ManifestError, match=r"no label gives a value.*발화정보\.stt"):
        read(tmp_path, fields={"speaker": "화자"})
    (tmp_path / "x").mkdir()
    with pytest.raises(ManifestError, match="holds no JSON labels"):
        read(tmp_path / "x")
    (tmp_path / "x" / "1.wav").touch()
    with pytest.raises(ManifestError, match="no recording with a JSON of its name"):
        read(tmp_path / "x")


def test_name_that_is_not_utf8_is_rejected(tmp_path: Path) -> None:
    """As left by an archive of a Korean Windows unpacked elsewhere."""
    pair(tmp_path, "a", LABEL)
    for name in ("소리", "홀로"):
        raw = os.fsdecode(name.encode("cp949"))
        (tmp_path / f"{raw}.wav").touch()
    (tmp_path / f"{os.fsdecode('소리'.encode('cp949'))}.json").write_text(json.dumps(LABEL), encoding="utf-8")
    outcomes = read(tmp_path, fields=FIELDS)
    assert [row.id for row in rows(outcomes)] == ["a"]
    rejected = {item.audio: item for item in outcomes if isinstance(item, Rejected)}
    assert set(rejected) == {"소리.wav", "홀로.wav"}
    for rejection in rejected.values():
        assert rejection.kind == "name-not-utf8" and "convmv" in rejection.reason
        rejection.reason.encode("utf-8")


def test_faulty_settings_are_refused() -> None:
    for bad, reason in (
        ({"fields": {"text": "a..b"}}, "text: 'a..b' is not a JMESPath"),
        ({"fields": {"mood": "a"}}, "'mood' is not an utterance field"),
        ({"fields": {"audio": "a"}}, "'audio' is not an utterance field"),
        ({"extra": {"x": "a b c"}}, "x: 'a b c' is not a JMESPath"),
        ({"keep": ["a["]}, "is not a JMESPath"),
        ({"utterances": "a["}, "is not a JMESPath"),
    ):
        with pytest.raises(ValidationError) as caught:
            JsonPairsConfig(**bad)  # type: ignore[arg-type]
        assert reason in str(caught.value)


def test_survey_lists_keys_and_their_use(tmp_path: Path) -> None:
    pair(tmp_path, "a", {**LABEL, "발화정보": {"stt": ""}})
    pair(tmp_path, "b", {**LABEL, "gender": "여"})
    seen = survey(tmp_path, JsonPairsConfig(fields=FIELDS, keep=("녹음자정보.city",)), 10)
    assert seen.looked_at == 2 and seen.examples["발화정보.stt"] == "나는 학교에 가요"
    assert seen.used == {
        "발화정보.stt": "text", "녹음자정보.recorderId": "speaker", "녹음자정보.age": "age", "녹음자정보.city": "extra",
        "gender": "gender",
    }  # fmt: skip


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.slow
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(JSON | st.fixed_dictionaries({"t": JSON, "s": JSON, "a": JSON, "x": JSON}))
def test_any_label_gives_a_valid_row_or_a_rejection(tmp_path: Path, document: Any) -> None:
    pair(tmp_path, "a", json.dumps(document).encode())
    pair(tmp_path, "b", {"s": "S"})
    config = {
        "fields": {"text": "t", "speaker": "s", "age": "a"},
        "extra": {"x": "x"},
        "allow_empty_text": True,
    }
    outcomes = read(tmp_path, **config)
    assert len(outcomes) == 2
    timed = [dataclasses.replace(row, duration_s=1.0) for row in rows(outcomes)]
    write_manifest(tmp_path / "m.parquet", timed, root=tmp_path)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(tmp_path: Path, raw: bytes) -> None:
    (tmp_path / "a.json").write_bytes(raw)
    with contextlib.suppress(ReadingError):  # no other error
        load_label(tmp_path / "a.json")


@pytest.mark.slow
def test_memory_does_not_grow_with_the_corpus(tmp_path: Path) -> None:
    def peak(folders: range) -> int:
        for folder in folders:
            for number in range(50):
                pair(tmp_path, f"{folder:04d}/{number}", LABEL)
        tracemalloc.start()
        count = sum(1 for _ in read_corpus(tmp_path, JsonPairsConfig(fields=FIELDS)))
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert count == 50 * (folders.stop)
        return most

    few, many = peak(range(20)), peak(range(20, 100))
    assert many < few + 500_000  # five times the files


DIALOGUE = {
    "speaker": [{"id": 1, "age": "20대", "sex": "여성"}, {"id": "B", "age": 33, "sex": "남성"}],
    "utterance": [
        {"who": "1", "form": "안녕", "start": 0, "end": 1},
        {"who": "B", "form": "그래", "start": 1, "end": 2},
        {"who": "C", "form": "응", "start": 2, "end": 3},
    ],
}
LOOKED_UP = {
    "utterances": "utterance",
    "fields": {
        "text": "form", "speaker": "who", "start_s": "start", "end_s": "end", "age": "of.age", "gender": "of.sex"
    },
    "lookups": {"of": {"table": "speaker", "value": "who"}},
}  # fmt: skip


@pytest.mark.parametrize("keyed", [False, True])
def test_entry_of_a_speaker_table_is_looked_up_by_its_id(tmp_path: Path, keyed: bool) -> None:
    label = dict(DIALOGUE)
    if keyed:
        label["speaker"] = {str(entry["id"]): entry for entry in DIALOGUE["speaker"]}  # type: ignore[assignment]
    (tmp_path / "a.json").write_text(json.dumps(label), encoding="utf-8")
    (tmp_path / "a.wav").touch()
    outcomes = list(SOURCE.read(tmp_path, SOURCE.Config.model_validate(LOOKED_UP)))
    rows = [row for row in outcomes if isinstance(row, Utterance)]
    assert [(row.gender, row.age, row.extra.get("age")) for row in rows] == [
        ("f", None, "20대"), ("m", 33.0, None), (None, None, None)
    ]  # fmt: skip
    (note,) = [outcome for outcome in outcomes if isinstance(outcome, Note)]
    assert note.kind == "lookup-missing:of" and "'C'" in note.example


def test_case_of_a_speaker_table(shared_cases: Path) -> None:
    fields = {**LOOKED_UP["fields"], "speaker": "speaker_id"}  # type: ignore[dict-item]
    lookups = {"of": {"table": "speaker", "value": "speaker_id"}}
    config = SOURCE.Config.model_validate({**LOOKED_UP, "fields": fields, "lookups": lookups})
    folder = shared_cases / "B07_dialog_speaker_table"
    rows = [row for row in SOURCE.read(folder, config) if isinstance(row, Utterance)]
    assert [(row.speaker, row.gender, row.extra) for row in rows] == [
        ("A", "f", {"age": "20대"}), ("B", "m", {"age": "30대"})
    ]  # fmt: skip
    result = preview("json-pairs", folder, config)
    assert "'20대' is not a number of this field and is kept as extra.age" in result.never_filled["age"]
