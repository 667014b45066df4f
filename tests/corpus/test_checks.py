"""Every kind of bad utterance goes to quarantine with its reason; the good ones are kept."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
import soundfile

from soritune.corpus.checks import (
    Quarantined,
    check_manifest,
    count_tables,
    read_quarantine,
    write_quarantine,
)
from soritune.corpus.manifest import Manifest, write_manifest
from soritune.corpus.row_check import RowFault
from soritune.corpus.utterance import Utterance
from soritune.errors import ManifestError, OutputError


def noise(seconds: float, rate: int = 16000) -> np.ndarray:
    return (0.1 * np.random.default_rng(0).standard_normal(round(seconds * rate))).astype(np.float32)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A corpus with one file of every kind."""
    audio = tmp_path / "소리 files"
    audio.mkdir()
    soundfile.write(audio / "good.wav", noise(1.0), 16000)
    soundfile.write(audio / "좋은 소리.WAV", noise(1.0, 48000), 48000, format="WAV", subtype="PCM_24")
    soundfile.write(audio / "six.wav", np.stack([noise(1.0, 8000)] * 6, axis=1), 8000, subtype="FLOAT")
    soundfile.write(audio / "x.mp3", noise(1.0), 16000, format="MP3")
    (audio / "x.mp3").rename(audio / "mp3.wav")
    soundfile.write(audio / "short.wav", noise(0.05), 16000)
    soundfile.write(audio / "silent.wav", np.zeros(16000, np.float32), 16000)
    nan = noise(1.0)
    nan[5] = np.nan
    soundfile.write(audio / "nan.wav", nan, 16000, subtype="FLOAT")
    (audio / "empty.wav").touch()
    soundfile.write(audio / "cut.flac", noise(3.0), 16000)
    (audio / "cut.flac").write_bytes((audio / "cut.flac").read_bytes()[:20000])
    return tmp_path


def manifest_of(folder: Path, *rows: tuple[str, dict[str, object]]) -> Manifest:
    utterances = [
        Utterance(
            **{"id": f"u{i}", "audio": f"소리 files/{name}", "duration_s": 1.0, "speaker": "s", **known}
        )  # type: ignore[arg-type]
        for i, (name, known) in enumerate(rows)
    ]
    return write_manifest(folder / "manifest.parquet", utterances, root=folder)


def test_bad_utterances_are_quarantined_by_kind_and_good_ones_kept(folder: Path) -> None:
    manifest = manifest_of(
        folder,
        ("good.wav", {}),
        ("좋은 소리.WAV", {}),
        ("six.wav", {"channel": 5}),
        ("mp3.wav", {}),
        ("gone.wav", {}),
        ("empty.wav", {}),
        ("cut.flac", {"duration_s": 3.0}),
        ("nan.wav", {}),
        ("short.wav", {"duration_s": 0.05}),
        ("short.wav", {"duration_s": 1.0}),
        ("silent.wav", {}),
        ("good.wav", {"duration_s": 7.0}),
        ("good.wav", {"start_s": 0.5, "duration_s": 2.0}),
        ("good.wav", {"start_s": 0.25, "duration_s": 0.5}),
        ("six.wav", {"channel": 6}),
    )
    seen: list[tuple[int, int]] = []
    result = check_manifest(manifest, workers=3, progress=lambda done, total: seen.append((done, total)))
    assert result.clean.ids == ["u0", "u1", "u2", "u3", "u13"]
    assert [(row.id, row.stage) for row in result.quarantined] == [
        ("u4", "decode"), ("u5", "decode"), ("u6", "decode"), ("u7", "decode"), ("u8", "check"),
        ("u9", "decode"), ("u10", "decode"), ("u11", "decode"), ("u12", "decode"), ("u14", "decode"),
    ]  # fmt: skip
    assert {row.id: row.kind for row in result.quarantined} == {
        "u4": "audio-missing",
        "u5": "audio-empty",
        "u6": "audio-damaged",
        "u7": "audio-not-finite",
        "u8": "too-short",
        "u9": "too-short",
        "u10": "silent",
        "u11": "length-differs",
        "u12": "stretch-ends-late",
        "u14": "channel-missing",
    }
    reasons = {row.id: row.reason for row in result.quarantined}
    assert result.quarantined[-1].id == "u14"
    assert [row.id for row in result.quarantined[1:8:3]] == ["u5", "u8", "u11"]
    assert result.quarantined[:0] == []
    assert result.quarantined == list(result.quarantined) != []
    assert result.quarantined.by_kind[0][:2] == ("too-short", 2)
    with pytest.raises(IndexError):
        result.quarantined[10]
    assert reasons["u8"] == reasons["u9"] == "lasts 0.050 s; at least 0.1 s are needed"
    assert reasons["u11"] == "lasts 1.000 s, but the manifest says 7.000 s"
    assert all(reasons.values())
    assert seen[-1] == (15, 15)
    assert result.levels["level_dbfs"] == pytest.approx(-20, abs=1)  # noise of 0.1


def test_rows_are_checked_before_their_audio_is_decoded(folder: Path) -> None:
    manifest = manifest_of(
        folder, ("good.wav", {"emotion": "화남"}), ("gone.wav", {"emotion": "신남"}), ("good.wav", {})
    )

    def outside(utterance: Utterance) -> RowFault | None:
        if utterance.emotion in (None, "화남"):
            return None
        return RowFault(f"emotion '{utterance.emotion}' is not in the label set (화남)", "label-unknown")

    def missing(utterance: Utterance) -> RowFault | None:
        return None if utterance.emotion else RowFault("has no emotion", "label-missing")

    result = check_manifest(manifest, [outside, missing])
    assert result.clean.ids == ["u0"]
    assert [(row.reason, row.stage, row.kind) for row in result.quarantined] == [
        ("emotion '신남' is not in the label set (화남)", "check", "label-unknown"),
        ("has no emotion", "check", "label-missing"),
    ]


def test_without_decoding_no_file_is_opened(folder: Path) -> None:
    manifest = manifest_of(folder, ("gone.wav", {}), ("gone.wav", {"duration_s": 0.01}))
    result = check_manifest(manifest, decode=False)
    assert result.clean.ids == ["u0"]
    assert result.levels == {}


def test_tables_count_utterances_hours_and_speakers(tmp_path: Path) -> None:
    rows = [
        Utterance(id=str(i), audio="a", duration_s=1800, speaker=s, emotion=e)
        for i, (s, e) in enumerate([("a", "x"), ("a", "x"), ("b", "x"), ("b", None)])
    ]
    manifest = write_manifest(tmp_path / "m.parquet", rows, root=".")
    assert count_tables(manifest) == {}
    tables = count_tables(manifest, ["emotion", "gender"])
    assert check_manifest(manifest, decode=False, label_fields=["emotion"]).tables == tables
    assert tables == {
        "emotion": {
            "x": {"utterances": 3, "hours": 1.5, "speakers": 2},
            "–": {"utterances": 1, "hours": 0.5, "speakers": 1},
        }
    }


def test_quarantine_file_is_written_and_read_back(tmp_path: Path) -> None:
    rows = [
        Quarantined("가", "a b.wav", "is empty", "decode", "audio-empty"),
        Quarantined("", "\udcff.wav", "bad name", "prepare", "name-not-utf8"),
    ]
    assert write_quarantine(tmp_path / "x" / "quarantine.jsonl", rows) == 2
    assert read_quarantine(tmp_path / "x" / "quarantine.jsonl")[0] == rows[0]
    first = json.loads((tmp_path / "x" / "quarantine.jsonl").read_text(encoding="utf-8").splitlines()[0])
    assert first == {
        "id": "가",
        "audio": "a b.wav",
        "reason": "is empty",
        "stage": "decode",
        "kind": "audio-empty",
    }
    assert os.listdir(tmp_path / "x") == ["quarantine.jsonl"]
    assert read_quarantine(tmp_path / "none.jsonl") == []
    (tmp_path / "odd.jsonl").write_text('{"id": 1}\n')
    with pytest.raises(ManifestError, match="is not a quarantine row"):
        read_quarantine(tmp_path / "odd.jsonl")
    with pytest.raises(OutputError, match="cannot be written"):
        write_quarantine(tmp_path / "odd.jsonl" / "q.jsonl", rows)


def test_quarantine_row_without_a_kind_is_read(tmp_path: Path) -> None:
    row = {"id": "a", "audio": "a.wav", "reason": "is empty (0 bytes)", "stage": "decode"}
    (tmp_path / "quarantine.jsonl").write_text(json.dumps(row) + "\n", encoding="utf-8")
    assert read_quarantine(tmp_path / "quarantine.jsonl") == [Quarantined(**row, kind="")]


def test_signals_that_do_not_vary_are_silent(tmp_path: Path) -> None:
    for name, samples in (
        ("offset.wav", np.full(44100, 0.25)),
        ("denormal.wav", noise(1.0, 44100) * 1e-40),
        ("quiet.wav", noise(1.0, 44100) * 1e-3),
    ):
        soundfile.write(tmp_path / name, samples.astype(np.float32), 44100, subtype="FLOAT")
    names = ("offset.wav", "denormal.wav", "quiet.wav")
    rows = [Utterance(id=name, audio=name, duration_s=1.0) for name in names]
    result = check_manifest(write_manifest(tmp_path / "m.parquet", rows, root=tmp_path))
    assert [(row.id, row.kind) for row in result.quarantined] == [
        ("offset.wav", "silent"),
        ("denormal.wav", "silent"),
    ]
    assert result.clean.ids == ["quiet.wav"]


def test_likeness_is_computed_only_if_it_is_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    soundfile.write(tmp_path / "a.wav", noise(1.0), 16000)
    rows = [Utterance(id="a", audio="a.wav", duration_s=1.0)]
    manifest = write_manifest(tmp_path / "m.parquet", rows, root=tmp_path)
    hashed = check_manifest(manifest).audio_hashes
    assert hashed is not None and hashed.likeness is not None and hashed.likeness.any()

    def refuse(_: np.ndarray) -> np.ndarray:
        raise AssertionError

    monkeypatch.setattr("soritune.corpus.row_check.likeness", refuse)
    monkeypatch.setattr("soritune.corpus.checks.MOST_ROWS", 0)
    hashed = check_manifest(manifest).audio_hashes
    assert hashed is not None and hashed.likeness is None and hashed.hashes.all()
