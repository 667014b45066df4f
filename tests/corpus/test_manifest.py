"""Manifests: round trips, what a hash depends on, reading by column, and every way a file can be wrong."""

from __future__ import annotations

import json
import os
import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from soritune.corpus.manifest import Manifest, load_manifest, write_manifest
from soritune.corpus.utterance import Utterance
from soritune.errors import ManifestError, OutputError
from soritune.korean.hangul import composed


def some(count: int = 5) -> list[Utterance]:
    return [
        Utterance(
            id=f"u{i}",
            audio=f"소리/{i}.wav",
            duration_s=1.0 + i / 7,
            speaker=f"s{i % 2}" if i else None,
            text=f"문장 {i}",
            phones=("G", "A") if i % 2 else None,
            canonical=(),
            age=7.5,
            channel=i or None,
            extra={"age_group": "10s", "score": i} if i else {},
        )
        for i in range(count)
    ]


def lines(path: Path, *rows: Any) -> Path:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.mark.parametrize("name", ["m.parquet", "m.jsonl", "M 하나.PARQUET"])
def test_rows_are_written_and_read_back(tmp_path: Path, name: str) -> None:
    manifest = write_manifest(tmp_path / name, iter(some()), root=tmp_path)
    assert list(load_manifest(tmp_path / name)) == some() == list(manifest)
    assert manifest.ids == ["u0", "u1", "u2", "u3", "u4"]
    assert manifest.durations_s.tolist() == [u.duration_s for u in some()]
    assert manifest.hours == pytest.approx(sum(u.duration_s for u in some()) / 3600)
    assert [manifest.utterance(i) for i in range(5)] == some()
    assert manifest.utterance(-1) == some()[-1]
    assert os.listdir(tmp_path) == [name]


def test_hash_depends_only_on_the_content(tmp_path: Path) -> None:
    manifest = write_manifest(tmp_path / "a.parquet", some(), root=tmp_path)
    as_jsonl = write_manifest(tmp_path / "b" / "b.jsonl", some(), root="/elsewhere")
    small_groups = pq.read_table(tmp_path / "a.parquet")
    pq.write_table(small_groups, tmp_path / "c.parquet", row_group_size=2)
    regrouped = load_manifest(tmp_path / "c.parquet")
    assert manifest.hash == as_jsonl.hash == regrouped.hash == manifest.select([0, 1, 2, 3, 4]).hash
    assert len(manifest.hash) == 64
    for change in (
        {"text": "다른 말"},
        {"speaker": None},
        {"canonical": None},
        {"extra": {"a": 1}},
        {"duration_s": 1.1},
    ):
        changed = (
            [replace(some()[0], **change), *some()[1:]]
            if change != {"speaker": None}
            else [*some()[:1], replace(some()[1], speaker=None), *some()[2:]]
        )
        assert write_manifest(tmp_path / "d.parquet", changed, root=tmp_path).hash != manifest.hash, change
    assert manifest.select([1, 0, 2, 3, 4]).hash != manifest.hash


def test_hash_distinguishes_texts_divided_differently(tmp_path: Path) -> None:
    rows = [
        Utterance(id="a", audio="x", duration_s=1, text="가나"),
        Utterance(id="b", audio="x", duration_s=1, text="다"),
    ]
    moved = [replace(rows[0], text="가"), replace(rows[1], text="나다")]
    assert (
        write_manifest(tmp_path / "a.parquet", rows, root=".").hash
        != write_manifest(tmp_path / "b.parquet", moved, root=".").hash
    )


def test_columns_are_fields_or_values_of_extra(tmp_path: Path) -> None:
    manifest = write_manifest(tmp_path / "a.parquet", some(), root=tmp_path)
    assert manifest.column("speaker").to_pylist() == [None, "s1", "s0", "s1", "s0"]
    assert manifest.column("emotion").null_count == 5
    assert manifest.column("age_group").to_pylist() == [None, "10s", "10s", "10s", "10s"]
    assert manifest.column("score").to_pylist() == [None, 1.0, 2.0, 3.0, 4.0]
    assert manifest.column("no such thing").null_count == 5


def test_only_used_columns_are_read(tmp_path: Path) -> None:
    write_manifest(tmp_path / "a.parquet", some(), root=tmp_path)
    table = pq.read_table(tmp_path / "a.parquet", columns=["id", "audio", "duration_s"])
    manifest = load_manifest(tmp_path / "a.parquet")
    assert set(manifest._columns) <= {"id", "audio", "duration_s"}
    assert manifest.column("id").to_pylist() == table.column("id").to_pylist()


def test_selected_rows_are_a_manifest(tmp_path: Path) -> None:
    manifest = write_manifest(tmp_path / "a.parquet", some(), root=tmp_path)
    part = manifest.select([4, 1]).select(np.array([True, True])).select([-1, 0])
    assert part.ids == ["u1", "u4"]
    assert part.utterance(1) == some()[4]
    assert list(manifest.utterances([3, 0])) == [some()[3], some()[0]]
    assert part.column("score").to_pylist() == [1.0, 4.0]
    assert len(manifest.select([])) == 0
    assert list(manifest.select([])) == []
    for wrong in ([5], [-6], np.array([True])):
        with pytest.raises(IndexError):
            manifest.select(wrong)
    with pytest.raises(IndexError):
        part.utterance(2)


@pytest.mark.parametrize("suffix", ["parquet", "jsonl"])
def test_manifest_is_pickled_for_workers(tmp_path: Path, suffix: str) -> None:
    part = write_manifest(tmp_path / f"a.{suffix}", some(), root=tmp_path).select([2, 3])
    copy: Manifest = pickle.loads(pickle.dumps(part))
    assert list(copy) == some()[2:4]
    assert copy.root == part.root


def test_root_follows_a_moved_folder(tmp_path: Path) -> None:
    write_manifest(tmp_path / "here" / "m.parquet", some(), root=tmp_path / "here" / "audio")
    (tmp_path / "here").rename(tmp_path / "there")
    moved = load_manifest(tmp_path / "there" / "m.parquet")
    assert moved.audio_path(moved.utterance(0)) == tmp_path / "there" / "audio" / "소리" / "0.wav"
    assert load_manifest(tmp_path / "there" / "m.parquet", root="/other").root == Path("/other")
    far = write_manifest(tmp_path / "m2.parquet", some(), root="/corpus/A")
    assert far.root == load_manifest(tmp_path / "m2.parquet").root == Path("/corpus/A")
    assert far.audio_path(replace(some()[0], audio="/abs/x.wav")) == Path("/abs/x.wav")


def test_file_that_changed_since_loading_is_refused(tmp_path: Path) -> None:
    manifest = write_manifest(tmp_path / "a.parquet", some(), root=tmp_path)
    write_manifest(tmp_path / "a.parquet", some(3), root=tmp_path)
    with pytest.raises(ManifestError, match="was changed while it was in use"):
        manifest.column("text")


def test_jsonl_of_another_origin_is_read_with_mapping_and_constants(tmp_path: Path) -> None:
    file = lines(tmp_path / "m.jsonl", {"utt": 1, "wav": "a.wav", "len": "2.5", "l1": "vi", "note": [1]})
    fields = {"id": "utt", "audio": "wav", "duration_s": "len", "first_language": "l1"}
    row = load_manifest(file, fields=fields, constants={"language": "ko"}).utterance(0)
    assert (row.id, row.audio, row.duration_s, row.first_language, row.language) == (
        "1",
        "a.wav",
        2.5,
        "vi",
        "ko",
    )
    assert row.extra == {"note": [1]}
    assert load_manifest(file, fields=fields).root == tmp_path


def test_parquet_of_another_origin_is_read(tmp_path: Path) -> None:
    table = pa.table(
        {
            "id": [1, 2],
            "audio": ["a", "b"],
            "seconds": [1.0, 2.0],
            "age": [7.0, float("nan")],
            "day": [pa.scalar(0, pa.date32()).as_py()] * 2,
        }
    )
    pq.write_table(table, tmp_path / "m.parquet")
    manifest = load_manifest(tmp_path / "m.parquet", fields={"duration_s": "seconds"})
    assert manifest.column("age").to_pylist() == [7.0, None]
    assert manifest.utterance(1).extra == {"day": "1970-01-01"}


def test_byte_order_mark_and_blank_lines_are_ignored(tmp_path: Path) -> None:
    row = json.dumps({"id": "a", "audio": "가.wav", "duration_s": 1}, ensure_ascii=False)
    (tmp_path / "m.jsonl").write_bytes(b"\xef\xbb\xbf" + row.encode() + b"\r\n\r\n  \n")
    assert load_manifest(tmp_path / "m.jsonl").utterance(0).audio == "가.wav"


GOOD = {"id": "a", "audio": "a.wav", "duration_s": 1.0}


@pytest.mark.parametrize(
    ("content", "words", "line"),
    [
        (b"", "holds no utterances", None),
        (b'{"id": "a"\n', "is not a JSON object", 1),
        (json.dumps(GOOD).encode() + b"\n[1]\n", "must be a JSON object, got list", 2),
        (json.dumps(GOOD).encode() + b"\n" + json.dumps(GOOD).encode(), "id 'a' is already on line 1", 2),
        (b'{"id": "a", "audio": "x"}\n', "column 'duration_s' .* is missing", None),
        (json.dumps({**GOOD, "duration_s": "x"}).encode(), "'duration_s' must be a finite number", 1),
        (json.dumps({**GOOD, "duration_s": 0}).encode(), "must be above 0", 1),
        (json.dumps({**GOOD, "id": None}).encode(), "'id' is missing", 1),
        (json.dumps({**GOOD, "text": "\ud800"}).encode(), "surrogate", 1),
        ('{"id": "가", "audio": "a", "duration_s": 1}'.encode("cp949"), "looks like CP949.*iconv", 1),
        (b'{"id": "\xff\xfe\xff"}', "is not UTF-8 text; save the file as UTF-8", 1),
        (b"[" * 100000, "is not a JSON object", 1),
    ],
)
def test_jsonl_faults_are_reported_with_their_line(
    tmp_path: Path, content: bytes, words: str, line: int | None
) -> None:
    (tmp_path / "m.jsonl").write_bytes(content)
    with pytest.raises(ManifestError, match=words) as caught:
        load_manifest(tmp_path / "m.jsonl")
    assert caught.value.line == line
    assert str(tmp_path / "m.jsonl") in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_and_unreadable_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="does not exist"):
        load_manifest(tmp_path / "gone.parquet")
    with pytest.raises(ManifestError, match="does not exist"):
        load_manifest(tmp_path / "gone.jsonl")
    (tmp_path / "bad.parquet").write_bytes(b"PAR1 is not enough")
    with pytest.raises(ManifestError, match="is not a Parquet file"):
        load_manifest(tmp_path / "bad.parquet")
    (tmp_path / "m.csv").touch()
    with pytest.raises(ManifestError, match="a manifest ends in .parquet or .jsonl.*data.source=csv"):
        load_manifest(tmp_path / "m.csv")
    write_manifest(tmp_path / "a.parquet", some(), root=".")
    table = pq.read_table(tmp_path / "a.parquet").replace_schema_metadata(
        {"soritune.schema": "soritune.manifest/99"}
    )
    pq.write_table(table, tmp_path / "new.parquet")
    with pytest.raises(ManifestError, match="this version reads 'soritune.manifest/1'"):
        load_manifest(tmp_path / "new.parquet")
    doubled = pa.concat_tables([pq.read_table(tmp_path / "a.parquet")] * 2)
    pq.write_table(doubled, tmp_path / "double.parquet")
    with pytest.raises(ManifestError, match=r"id 'u\d' occurs 2 times \(5 ids are repeated\)"):
        load_manifest(tmp_path / "double.parquet")


@pytest.mark.parametrize("name", ["m.parquet", "m.jsonl"])
def test_failed_write_keeps_the_earlier_file(tmp_path: Path, name: str) -> None:
    write_manifest(tmp_path / name, some(2), root=tmp_path)
    before = (tmp_path / name).read_bytes()
    with pytest.raises(ManifestError, match="id 'u1'") as caught:
        write_manifest(tmp_path / name, [*some(), some()[1]], root=tmp_path)
    assert str(caught.value).startswith(str(tmp_path / name) + ":") or str(caught.value).startswith(
        str(tmp_path / name)
    )
    with pytest.raises(ManifestError, match="utterance 'u0'"):
        write_manifest(tmp_path / name, [replace(some()[0], extra={"a": float("inf")})], root=tmp_path)
    with pytest.raises(RuntimeError):
        write_manifest(
            tmp_path / name, (u for u in [some()[0], *(1 / 0 for _ in ())] if fail(u)), root=tmp_path
        )
    assert (tmp_path / name).read_bytes() == before
    assert os.listdir(tmp_path) == [name]


def fail(utterance: Utterance) -> bool:
    raise RuntimeError(utterance.id)


def test_unwritable_paths_are_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot be written"):
        write_manifest(tmp_path / "file" / "m.parquet", some(), root=tmp_path)
    with pytest.raises(ManifestError, match=r"not in '\.txt'"):
        write_manifest(tmp_path / "m.txt", some(), root=tmp_path)


words = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
stripped = words.map(lambda text: composed(text).strip())
"""Texts as manifests hold them, of the fields that are composed and stripped."""
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=5,
)
utterances = st.builds(
    Utterance,
    id=words.filter(bool),
    audio=words.filter(bool),
    duration_s=st.floats(1e-3, 1e6),
    start_s=st.none() | st.floats(0, 1e6),
    channel=st.none() | st.integers(0, 9),
    text=st.none() | stripped,
    speaker=st.none() | words.filter(bool),
    script_id=st.none() | words,
    text_source=st.sampled_from([None, "gold", "asr", "none"]),
    phones=st.none() | st.lists(stripped, max_size=4).map(tuple),
    error_labels=st.none() | st.lists(st.sampled_from("CSDA"), max_size=4).map(tuple),
    extra=st.dictionaries(words, values, max_size=3),
)


@pytest.mark.slow
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(utterances, min_size=1, max_size=6, unique_by=lambda u: u.id))
def test_any_utterances_are_read_back_in_both_formats(
    tmp_path_factory: pytest.TempPathFactory, rows: list[Utterance]
) -> None:
    folder = tmp_path_factory.mktemp("any")
    table = write_manifest(folder / "m.parquet", rows, root=folder)
    text = write_manifest(folder / "m.jsonl", rows, root=folder)
    assert list(table) == rows
    assert list(text) == rows
    assert table.hash == text.hash


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.dictionaries(st.sampled_from(["id", "audio", "duration_s", "text", "age", "extra", "x"]), values),
        max_size=4,
    )
)
def test_any_json_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, Any]]
) -> None:
    file = tmp_path_factory.mktemp("json") / "m.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    try:
        result = f"{len(load_manifest(file))} rows"
    except ManifestError as error:
        result = str(error)
    else:
        assert result == f"{len(rows)} rows"
    assert "\n" not in result
