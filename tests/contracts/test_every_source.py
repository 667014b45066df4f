"""The contract of every corpus source. A new file in `corpus/sources/` needs a builder of a small corpus here."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from tests.conftest import write_tones

from soritune.corpus.manifest import write_manifest
from soritune.corpus.prepare import prepare
from soritune.corpus.reading.folder_walk import is_audio
from soritune.corpus.sources.source import Source
from soritune.errors import ManifestError
from soritune.registry import members

SOURCES: dict[str, Source] = members("soritune.corpus.sources", "SOURCE")


def build_speaker_folders(root: Path) -> tuple[Path, dict[str, Any], int]:
    folder = root / "F2001" / "wav_48000"
    folder.mkdir(parents=True)
    for number in (21, 22, 31):
        soundfile.write(folder / f"F2001_{number:06d}.wav", 0.1 * np.sin(np.arange(24000) / 20), 48000)
    return root, {"labels": {"Anxious": [[21, 30]], "Kind": [[31, 40]]}}, 3


def build_manifest_file(root: Path) -> tuple[Path, dict[str, Any], int]:
    rows = write_tones(root, speakers=1, per_style=1)
    write_manifest(root / "rows.jsonl", rows, root=root)
    return root / "rows.jsonl", {}, 3


def build_synthetic(root: Path) -> tuple[Path, dict[str, Any], int]:
    pytest.importorskip("espeakng_loader", reason="the extra 'speech' is not installed")
    return root, {"utterances": 3, "speakers": 3, "workers": 1}, 3


def build_csv(root: Path) -> tuple[Path, dict[str, Any], int]:
    rows = write_tones(root, speakers=1, per_style=1)
    lines = ["file_path,emotion", *(f"{row.audio},{row.emotion}" for row in rows)]
    (root / "list.csv").write_text("\n".join(lines), encoding="utf-8")
    return root, {"speaker_pattern": "^(?P<speaker>[^_]+)"}, 3


def build_json_pairs(root: Path) -> tuple[Path, dict[str, Any], int]:
    for row in write_tones(root, speakers=1, per_style=1):
        label = {"발화정보": {"stt": row.text}, "녹음자정보": {"id": row.speaker}}
        (root / row.audio).with_suffix(".json").write_text(json.dumps(label), encoding="utf-8")
    return root, {"fields": {"text": "발화정보.stt", "speaker": "녹음자정보.id"}}, 3


def build_l2_json(root: Path) -> tuple[Path, dict[str, Any], int]:
    entry = {"spk_id": "s0", "canonical_aligned": "k ae t", "perceived_aligned": "k ah t"}
    entry |= {"perceived_train_target": "k ah t", "wrd": "cat", "error_labels": "C S C"}
    rows = write_tones(root, speakers=1, per_style=1)
    for row, name in zip(rows, ("train_data.json", "val_data.json", "eval.json"), strict=True):
        (root / name).write_text(json.dumps({row.audio: {**entry, "wav": row.audio}}), encoding="utf-8")
    return root, {}, 3


BUILDERS: dict[str, Callable[[Path], tuple[Path, dict[str, Any], int]]] = {
    "csv": build_csv,
    "json-pairs": build_json_pairs,
    "l2-json": build_l2_json,
    "manifest": build_manifest_file,
    "speaker-folders": build_speaker_folders,
    "synthetic": build_synthetic,
}


def test_every_source_has_a_builder() -> None:
    assert set(BUILDERS) == set(SOURCES)


@pytest.fixture(params=sorted(BUILDERS))
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_small_corpus_becomes_a_manifest(name: str, tmp_path: Path) -> None:
    (tmp_path / "corpus").mkdir()
    root, config, count = BUILDERS[name](tmp_path / "corpus")
    prepared = prepare(name, root, config, tmp_path / "out")
    assert len(prepared.manifest) == count and prepared.quarantined == []
    for utterance in prepared.manifest:
        assert prepared.manifest.audio_path(utterance).is_file()
        assert utterance.duration_s > 0 and utterance.speaker
    again = prepare(name, root, config, tmp_path / "again")
    assert again.manifest.hash == prepared.manifest.hash


def test_empty_recording_is_quarantined_by_its_kind(name: str, tmp_path: Path) -> None:
    if name == "synthetic":
        pytest.skip("makes its recordings itself")
    (tmp_path / "corpus").mkdir()
    root, config, count = BUILDERS[name](tmp_path / "corpus")
    recording = next(file for file in sorted((tmp_path / "corpus").rglob("*")) if is_audio(file.name))
    recording.write_bytes(b"")
    prepared = prepare(name, root, config, tmp_path / "out")
    assert len(prepared.manifest) == count - 1
    assert [(row.kind, row.stage) for row in prepared.quarantined] == [("audio-empty", "prepare")]


def test_unknown_settings_are_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="colour"):
        prepare(name, tmp_path, {"colour": 1}, tmp_path / "out")


def test_source_describes_what_it_reads(name: str) -> None:
    assert len(SOURCES[name].description) > 10
