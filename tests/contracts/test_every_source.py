"""The contract of every corpus source. A new file in `corpus/sources/` needs a builder of a small corpus here."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import soundfile
from tests.conftest import write_tones
from tests.corpus.layouts.text_grids import text_grid

from soritune.corpus.manifest import write_manifest
from soritune.corpus.prepare import prepare
from soritune.corpus.preview import preview
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


def build_kaldi(root: Path) -> tuple[Path, dict[str, Any], int]:
    rows = write_tones(root, speakers=1, per_style=1)
    for name, lines in {
        "wav.scp": [f"{row.id} {row.audio}" for row in rows],
        "text": [f"{row.id} {row.text}" for row in rows],
        "utt2spk": [f"{row.id} {row.speaker}" for row in rows],
    }.items():
        (root / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return root, {}, 3


def build_ksponspeech(root: Path) -> tuple[Path, dict[str, Any], int]:
    folder = root / "KsponSpeech_01" / "KsponSpeech_0001"
    folder.mkdir(parents=True)
    samples = (3000 * np.sin(np.arange(8000) / 20)).astype("<i2")
    names = [f"KsponSpeech_01/KsponSpeech_0001/KsponSpeech_{number:06d}.pcm" for number in (1, 2, 3)]
    for name in names:
        (root / name).write_bytes(samples.tobytes())
    (root / "KsponSpeech_scripts").mkdir()
    lines = "".join(f"{name} :: o/ 그래 {number}번\n" for number, name in enumerate(names))
    (root / "KsponSpeech_scripts" / "train.trn").write_text(lines, encoding="utf-8")
    return root, {"constants": {"speaker": "unknown"}}, 3  # the corpus does not name its speakers


def build_nemo(root: Path) -> tuple[Path, dict[str, Any], int]:
    rows = write_tones(root, speakers=1, per_style=1)
    lines = [
        json.dumps({"audio_filepath": row.audio, "duration": 0.5, "text": row.text, "speaker": row.speaker})
        for row in rows
    ]
    (root / "train_manifest.json").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return root, {}, 3


def build_lhotse(root: Path) -> tuple[Path, dict[str, Any], int]:
    cuts = []
    for row in write_tones(root, speakers=1, per_style=1):
        info = soundfile.info(root / row.audio)
        seconds = info.frames / info.samplerate
        source = {"type": "file", "channels": [0], "source": row.audio}
        recording = {"id": row.id, "sources": [source], "sampling_rate": info.samplerate, "duration": seconds}
        said = {"id": row.id, "recording_id": row.id, "start": 0, "duration": seconds, "speaker": row.speaker}
        cut = {"id": row.id, "start": 0, "duration": seconds, "channel": 0, "supervisions": [said]}
        cuts.append(
            json.dumps({**cut, "recording": {**recording, "num_samples": info.frames}, "type": "MonoCut"})
        )
    (root / "cuts_train.jsonl").write_text("\n".join(cuts) + "\n", encoding="utf-8")
    return root, {}, 3


def build_speechocean762(root: Path) -> tuple[Path, dict[str, Any], int]:
    rows = write_tones(root, speakers=1, per_style=1)
    (root / "train").mkdir()
    (root / "resource").mkdir()
    for name, lines in {
        "wav.scp": [f"{row.id}\t{row.audio}" for row in rows],
        "utt2spk": [f"{row.id}\t0001" for row in rows],
    }.items():
        (root / "train" / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    word = {"text": "WE", "accuracy": 10, "phones": ["W", "IY0"], "phones-accuracy": [2.0, 2.0]}
    scores = {row.id: {"text": "WE", "accuracy": 8, "words": [word]} for row in rows}
    (root / "resource" / "scores.json").write_text(json.dumps(scores), encoding="utf-8")
    return root, {}, 3


def build_l2_arctic(root: Path) -> tuple[Path, dict[str, Any], int]:
    for folder in ("wav", "annotation", "transcript"):
        (root / "HKK" / folder).mkdir(parents=True)
    for number in (1, 2, 3):
        stem = f"arctic_a{number:04d}"
        soundfile.write(root / "HKK" / "wav" / f"{stem}.wav", 0.1 * np.sin(np.arange(16000) / number), 16000)
        grid = text_grid({"phones": [(0, 0.4, "sil"), (0.4, 0.7, "AH0"), (0.7, 1, "V,B,s")]})
        (root / "HKK" / "annotation" / f"{stem}.TextGrid").write_text(grid, encoding="utf-8")
        (root / "HKK" / "transcript" / f"{stem}.txt").write_text("of", encoding="utf-8")
    return root, {}, 3


def build_seoul_corpus(root: Path) -> tuple[Path, dict[str, Any], int]:
    (root / "sound").mkdir()
    (root / "label").mkdir()
    for number in (1, 2, 3):
        soundfile.write(
            root / "sound" / f"s01m16m{number}.flac", 0.1 * np.sin(np.arange(22050) / number), 22050
        )
        grid = text_grid({"utt.ortho.": [(0, 0.4, "<SIL>"), (0.4, 1, f"그래 {number}")]})
        (root / "label" / f"s01m16m{number}.TextGrid").write_text(grid, encoding="utf-8")
    return root, {}, 3


def build_hf_datasets(root: Path) -> tuple[Path, dict[str, Any], int]:
    rows = write_tones(root, speakers=1, per_style=1)
    table = pa.table(
        {
            "audio": pa.array(
                [{"bytes": None, "path": row.audio} for row in rows],
                pa.struct([("bytes", pa.binary()), ("path", pa.string())]),
            ),
            "sentence": [row.text for row in rows],
            "speaker_id": [row.speaker for row in rows],
        }
    )
    (root / "data").mkdir()
    pq.write_table(table, root / "data" / "train-00000-of-00001.parquet")
    return root, {}, 3


BUILDERS: dict[str, Callable[[Path], tuple[Path, dict[str, Any], int]]] = {
    "csv": build_csv,
    "hf-datasets": build_hf_datasets,
    "json-pairs": build_json_pairs,
    "kaldi": build_kaldi,
    "ksponspeech": build_ksponspeech,
    "l2-arctic": build_l2_arctic,
    "l2-json": build_l2_json,
    "lhotse": build_lhotse,
    "manifest": build_manifest_file,
    "nemo": build_nemo,
    "seoul-corpus": build_seoul_corpus,
    "speaker-folders": build_speaker_folders,
    "speechocean762": build_speechocean762,
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


def test_preview_finds_the_rows_and_their_recordings(name: str, tmp_path: Path) -> None:
    if name == "synthetic":
        pytest.skip("makes its corpus itself")
    (tmp_path / "corpus").mkdir()
    root, config, count = BUILDERS[name](tmp_path / "corpus")
    before = sorted((tmp_path / "corpus").rglob("*"))
    seen = preview(name, root, config)
    assert (seen.fault, seen.utterances, seen.audio_checked, seen.audio_faults) == (None, count, count, {})
    assert sorted((tmp_path / "corpus").rglob("*")) == before


def test_unknown_settings_are_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="colour"):
        prepare(name, tmp_path, {"colour": 1}, tmp_path / "out")


def test_source_describes_what_it_reads(name: str) -> None:
    assert len(SOURCES[name].description) > 10
