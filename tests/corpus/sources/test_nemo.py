"""NeMo manifests written from the description in its ASR documentation."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from tests.corpus.layouts.prepared import read, tone

from soritune.corpus.preview import preview
from soritune.errors import ManifestError


def manifest(path: Path, *rows: Any) -> None:
    lines = [row if isinstance(row, str) else json.dumps(row, ensure_ascii=False) for row in rows]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def test_rows_are_files_and_stretches_of_files(tmp_path: Path) -> None:
    tone(tmp_path / "wav" / "a.wav", 2.0)
    manifest(
        tmp_path / "train_manifest.json",
        {
            "audio_filepath": "wav/a.wav",
            "duration": 2.0,
            "text": "네",
            "speaker": "s1",
            "lang": "ko",
            "snr": 12,
        },
        {"audio_filepath": "wav/a.wav", "offset": 0.5, "duration": 1.0, "text": "아니요", "speaker": 2},
    )
    result = read("nemo", tmp_path / "train_manifest.json", tmp_path / "out")
    whole, stretch = result.rows["wav/a"], result.rows["wav/a#0.500-1.500"]
    assert (whole.start_s, whole.duration_s, whole.text, whole.language) == (None, 2.0, "네", "ko")
    assert whole.extra == {"snr": 12, "split": "train"}
    assert (stretch.start_s, stretch.duration_s, stretch.speaker) == (0.5, 1.0, "2")


def test_faulty_rows_are_rejected_with_their_line(tmp_path: Path) -> None:
    tone(tmp_path / "a.wav")
    tone(tmp_path / "b.wav")
    manifest(
        tmp_path / "m.jsonl",
        {"audio_filepath": "a.wav", "duration": 1.0, "text": "네"},
        '{"audio_filepath": "a.wav", ',
        "[1, 2]",
        {"text": "no file"},
        {"audio_filepath": ["a.wav", "b.wav"]},
        {"audio_filepath": "b.wav", "offset": "soon", "duration": 1.0},
        {"audio_filepath": "audio_0001.tar/c.wav", "duration": 1.0},
        {"audio_filepath": "a.wav", "duration": 1.0, "text": "네"},
    )
    result = read("nemo", tmp_path, tmp_path / "out")
    assert set(result.rows) == {"a"}
    reasons = [reason for _, reason in result.rejected.values()]
    assert result.rejected["b"] == (
        "field-type:start_s",
        "m.jsonl line 6: field 'start_s' must be a number, got 'soon'",
    )
    assert result.rejected["audio_0001.tar/c"][0] == "audio-missing"
    assert any(
        "m.jsonl line 5: 'audio_filepath' must be the path of a recording" in reason for reason in reasons
    )
    assert result.skipped == {"row repeated": 1}


def test_every_faulty_line_is_in_quarantine(tmp_path: Path) -> None:
    tone(tmp_path / "a.wav")
    manifest(tmp_path / "m.jsonl", {"audio_filepath": "a.wav"}, "{", "[]", '{"text": "x"}')
    read("nemo", tmp_path, tmp_path / "out")
    lines = (tmp_path / "out" / "quarantine.jsonl").read_text(encoding="utf-8").splitlines()
    kinds = {json.loads(line)["kind"]: json.loads(line)["reason"] for line in lines}
    assert set(kinds) == {"line-not-json", "line-not-object", "audio-unnamed"}
    assert kinds["line-not-json"].startswith("m.jsonl line 2: is not JSON (")
    assert kinds["line-not-object"] == "m.jsonl line 3: must be a JSON object, got list"


def test_compressed_manifest_and_paths_of_another_machine(tmp_path: Path) -> None:
    tone(tmp_path / "audio" / "a.wav")
    row = json.dumps({"audio_filepath": "/home/them/corpus/a.wav", "duration": 1.0, "label": "기쁨"})
    (tmp_path / "val.jsonl.gz").write_bytes(gzip.compress(row.encode()))
    settings = {"drop_prefix": "/home/them/corpus", "audio_root": "audio", "fields": {"emotion": "label"}}
    result = read("nemo", tmp_path, tmp_path / "out", **settings)
    assert result.rows["a"].emotion == "기쁨" and result.rows["a"].extra["split"] == "val"
    assert result.root == (tmp_path / "audio").resolve()
    (tmp_path / "val.jsonl.gz").write_bytes(gzip.compress(row.encode())[:-10])
    with pytest.raises(ManifestError, match="is damaged: its compressed data cannot be read"):
        read("nemo", tmp_path, tmp_path / "out", **settings)


def test_preview_lists_the_keys_and_what_they_become(tmp_path: Path) -> None:
    tone(tmp_path / "a.wav")
    manifest(
        tmp_path / "m.jsonl", {"audio_filepath": "a.wav", "offset": 0.0, "duration": 1.0, "mood": "기쁨"}
    )
    survey = preview("nemo", tmp_path, {}).survey
    assert survey is not None
    assert survey.used == {
        "audio_filepath": "audio",
        "offset": "start_s",
        "duration": "duration_s",
        "mood": "extra",
    }


def test_folder_without_manifest_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=r"holds no \.json or \.jsonl manifest"):
        read("nemo", tmp_path, tmp_path / "out")
