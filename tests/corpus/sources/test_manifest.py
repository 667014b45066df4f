"""Manifests of any origin as a corpus."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from soritune.corpus.manifest import write_manifest
from soritune.corpus.reading.outcomes import Note, Outcome, Rejected
from soritune.corpus.sources.manifest import SOURCE, ManifestFileConfig, read_corpus
from soritune.corpus.transcripts import read_outcomes
from soritune.corpus.utterance import Utterance
from soritune.errors import ManifestError


def write(file: Path, *rows: dict[str, Any]) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return file


def read(root: Path, **settings: Any) -> list[Outcome]:
    return list(read_corpus(root, ManifestFileConfig(**settings)))


def test_fields_are_renamed_and_others_kept(tmp_path: Path) -> None:
    file = write(tmp_path / "m.jsonl", {"id": 1, "audio": "a.wav", "spk": "s", "memo": "x"})
    (row,) = read(file, fields={"speaker": "spk"}, constants={"language": "ko"})
    assert row == Utterance(
        id="1",
        audio="a.wav",
        duration_s=0.0,
        speaker="s",
        language="ko",
        source=tmp_path.name,
        extra={"memo": "x"},
    )


def test_paths_of_several_files_start_from_the_folder_above_them(tmp_path: Path) -> None:
    for name in ("one", "two"):
        write(tmp_path / name / "m.jsonl", {"id": "x", "audio": "a.wav"}, {"id": "y", "audio": "/far/b.wav"})
    settings = {"files": ["one/m.jsonl", "two/m.jsonl"], "prefix": True}
    rows = [row for row in read(tmp_path, **settings) if isinstance(row, Utterance)]
    assert [(row.id, row.audio, row.source) for row in rows] == [
        ("one-x", "one/a.wav", "one"),
        ("one-y", "/far/b.wav", "one"),
        ("two-x", "two/a.wav", "two"),
        ("two-y", "/far/b.wav", "two"),
    ]
    assert SOURCE.base(tmp_path, ManifestFileConfig(**settings)) == tmp_path.resolve()


def test_bad_row_is_rejected_with_its_line_and_kind(tmp_path: Path) -> None:
    rows = ({"id": "a", "audio": "a.wav", "age": "old"}, {"id": "b"}, {"id": "c", "audio": "c.wav"})
    first, second, third = read(write(tmp_path / "m.jsonl", *rows), prefix=True)
    assert isinstance(first, Rejected) and isinstance(second, Rejected) and isinstance(third, Utterance)
    assert (first.id, first.audio, first.kind) == (f"{tmp_path.name}-a", "a.wav", "field-type:age")
    assert (second.audio, second.kind) == ("", "field-missing:audio")
    assert second.reason.startswith("m.jsonl line 2: ")


def test_parquet_of_a_folder_is_preferred_and_its_root_kept(tmp_path: Path) -> None:
    write(tmp_path / "manifest.jsonl", {"id": "text", "audio": "a.wav"})
    assert [row.id for row in read(tmp_path) if isinstance(row, Utterance)] == ["text"]
    rows = [Utterance(id="table", audio="a.wav", duration_s=1.0)]
    write_manifest(tmp_path / "manifest.parquet", rows, root=tmp_path / "sound")
    assert [row.id for row in read(tmp_path) if isinstance(row, Utterance)] == ["table"]
    assert SOURCE.base(tmp_path, ManifestFileConfig()) == (tmp_path / "sound").resolve()


def test_folder_without_a_manifest_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=r"holds no manifest\.parquet or manifest\.jsonl"):
        read(tmp_path)


def test_start_and_end_are_a_segment(tmp_path: Path) -> None:
    file = write(
        tmp_path / "m.jsonl",
        {"id": "a", "audio": "a.wav", "start_s": 0.5, "end_s": 1.25},
        {"id": "b", "audio": "a.wav", "end_s": 1.0},
        {"id": "c", "audio": "a.wav", "start_s": 2.0, "end_s": 1.0},
        {"id": "d", "audio": "a.wav", "start_s": 2.0, "end_s": "later"},
        {"id": "e", "audio": "a.wav"},
    )
    a, b, c, d, e = read(file)
    assert isinstance(a, Utterance) and (a.start_s, a.duration_s, a.extra) == (0.5, 0.75, {})
    assert isinstance(b, Utterance) and (b.start_s, b.duration_s) == (0.0, 1.0)
    assert isinstance(c, Rejected) and "must end after it begins" in c.reason
    assert isinstance(d, Rejected) and "'end_s' must be a finite number" in d.reason
    assert isinstance(e, Utterance) and (e.start_s, e.duration_s) == (None, 0.0)


def test_end_may_have_another_name(tmp_path: Path) -> None:
    file = write(tmp_path / "m.jsonl", {"id": "a", "audio": "a.wav", "from": 0.5, "to": 1.0})
    (row,) = read(file, fields={"start_s": "from", "end_s": "to"})
    assert isinstance(row, Utterance) and (row.start_s, row.duration_s) == (0.5, 0.5)


def test_words_for_missing_values_are_no_values(tmp_path: Path) -> None:
    file = write(
        tmp_path / "m.jsonl",
        {"id": "a", "audio": "a.wav", "speaker": "nan", "text": "N/A", "age": "None", "emotion": "none"},
        {"id": "b", "audio": "b.wav", "speaker": "Na", "text": "네", "age": 7},
        {"id": "c", "audio": "c.wav", "speaker": "NA", "age": 700},
    )
    config = ManifestFileConfig()
    a, b, c, *notes = read_outcomes(SOURCE, tmp_path / file.name, config)
    assert isinstance(a, Utterance) and isinstance(b, Utterance) and isinstance(c, Utterance)
    assert (a.speaker, a.text, a.age, a.emotion) == (None, None, None, "none")
    assert (b.speaker, b.text, b.age) == ("Na", "네", 7)
    assert (c.speaker, c.age, c.extra) == (None, None, {"age": 700})
    texts = {note.kind: note.reason for note in notes if isinstance(note, Note)}
    assert texts["value-missing:speaker"].startswith("speaker is 'NA', 'nan' in 2 rows")
    assert "'700'" in texts["age-outside"]
    kept, *_ = read_outcomes(SOURCE, tmp_path / file.name, ManifestFileConfig(missing=()))
    assert isinstance(kept, Rejected)  # the age
    again = read(write(file, {"id": "a", "audio": "a.wav", "speaker": "nan"}), missing=())
    assert isinstance(again[0], Utterance)


def test_key_twice_in_a_row_is_noted(tmp_path: Path) -> None:
    file = tmp_path / "m.jsonl"
    file.write_text('{"id": "a", "audio": "a.wav", "text": "하나", "text": "둘"}\n', encoding="utf-8")
    row, note = read(file)
    assert isinstance(row, Utterance) and row.text == "둘"
    assert isinstance(note, Note) and "key 'text' twice" in note.reason


def test_names_are_the_same_with_and_without_a_fraction(tmp_path: Path) -> None:
    rows = [
        {"id": f"{number}.0", "audio": "a.wav", "speaker": name}
        for number, name in enumerate(("2.0", "2", 2.0))
    ]
    file = write(tmp_path / "m.jsonl", *rows)
    read_rows = [row for row in read(file) if isinstance(row, Utterance)]
    assert [(row.id, row.speaker) for row in read_rows] == [("0", "2"), ("1", "2"), ("2", "2")]
