"""The contract of every export: the source of the same name reads the same rows again."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from tests.corpus.layouts.prepared import read, tone

from soritune.corpus.exports.export import Export
from soritune.corpus.manifest import Manifest, write_manifest
from soritune.corpus.utterance import FIELDS, Utterance
from soritune.errors import ManifestError
from soritune.registry import members

EXPORTS: dict[str, Export] = members("soritune.corpus.exports", "EXPORT")
HELD: dict[str, tuple[str, ...]] = {
    "kaldi": (
        "id", "duration_s", "start_s", "channel", "sample_rate_hz", "speaker", "text", "text_source",
        "language", "emotion", "age", "gender",
    ),
}  # fmt: skip
"""Layout → fields that it holds; any other layout holds all of them."""


@pytest.fixture(params=sorted(EXPORTS))
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def manifest(tmp_path: Path) -> Manifest:
    """Whole files, stretches and channels, with a value in every field."""
    root = tmp_path / "말뭉치 하나"
    tone(root / "소리" / "가 1.wav", 2.0)
    tone(root / "소리" / "call.wav", 3.0, 8000, channels=2)
    common: dict[str, Any] = {"text_source": "gold", "language": "ko", "source": "둘"}
    rows = [
        Utterance(
            id="s1-whole", audio="소리/가 1.wav", duration_s=2.0, sample_rate_hz=16000, speaker="s1",
            text="안녕 하세요", emotion="기쁨", phones=("A", "NN"), canonical=("a", "b"),
            perceived=("a", "sil"), error_labels=("C", "D"), age=7.5, gender="f", first_language="ko",
            script_id="7", snr_db=12.25, extra={"dialect": "서울", "n": 3}, **common,
        ),
        Utterance(
            id="s2-call-1", audio="소리/call.wav", duration_s=1.0, start_s=0.5, channel=0,
            sample_rate_hz=8000, speaker="s2", text="네 | 아니요", emotion="화남", age=8.0, gender="m",
            extra={"n": 4, "list": [1, 2]}, **common,
        ),
        Utterance(
            id="s2-call-2", audio="소리/call.wav", duration_s=1.25, start_s=1.75, channel=1,
            sample_rate_hz=8000, speaker="s2", gender="m", age=8.0, text="음", **common,
        ),
        Utterance(
            id="s3-call-3", audio="소리/call.wav", duration_s=3.0, sample_rate_hz=8000, speaker="s3",
            text="\"따옴표\"", **common,
        ),
    ]  # fmt: skip
    return write_manifest(root / "manifest.jsonl", rows, root=root)


def facts(row: Utterance, root: Path, layout: str) -> dict[str, Any]:
    """What a layout holds of a row; the path of the audio absolute."""
    values = dataclasses.asdict(row)
    held = HELD.get(layout, tuple(name for name in FIELDS if name != "audio"))
    return {**{name: values[name] for name in held}, "audio": (root / row.audio).resolve()}


def test_rows_are_the_same_after_export_and_reading(name: str, manifest: Manifest, tmp_path: Path) -> None:
    EXPORTS[name].write({None: manifest}, tmp_path / "export")
    result = read(name, tmp_path / "export", tmp_path / "out")
    assert result.rejected == {}
    expected = {row.id: facts(row, manifest.root, name) for row in manifest}
    assert {row.id: facts(row, result.root, name) for row in result.rows.values()} == expected


def test_whole_recordings_alone_are_the_same(name: str, manifest: Manifest, tmp_path: Path) -> None:
    whole = manifest.select([0, 3])
    EXPORTS[name].write({None: whole}, tmp_path / "export")
    result = read(name, tmp_path / "export", tmp_path / "out")
    expected = {row.id: facts(row, manifest.root, name) for row in whole}
    assert {row.id: facts(row, result.root, name) for row in result.rows.values()} == expected


def test_splits_are_kept(name: str, manifest: Manifest, tmp_path: Path) -> None:
    parts = {"train": manifest.select([0, 3]), "test": manifest.select([1]), "val": manifest.select([2])}
    EXPORTS[name].write(parts, tmp_path / "export")
    rows = read(name, tmp_path / "export", tmp_path / "out").rows
    splits = {row.id: row.extra["split"] for row in rows.values()}
    assert splits == {"s1-whole": "train", "s3-call-3": "train", "s2-call-1": "test", "s2-call-2": "val"}


def test_equal_manifests_give_equal_files(name: str, manifest: Manifest, tmp_path: Path) -> None:
    for folder in ("a", "b"):
        EXPORTS[name].write({None: manifest}, tmp_path / folder)
    files = sorted(file.relative_to(tmp_path / "a") for file in (tmp_path / "a").rglob("*") if file.is_file())
    assert files
    assert all((tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes() for file in files)


def test_recordings_without_a_header_are_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / "a.pcm").write_bytes(bytes(32000))
    row = Utterance(id="a", audio="a.pcm", duration_s=1.0, extra={"pcm": "s16le:16000"})
    manifest = write_manifest(tmp_path / "manifest.jsonl", [row], root=tmp_path)
    with pytest.raises(ManifestError, match=r"'a' is a recording without a header \(a\.pcm\)"):
        EXPORTS[name].write({None: manifest}, tmp_path / "export")


def test_every_export_has_a_source_and_a_description(name: str) -> None:
    assert name in members("soritune.corpus.sources", "SOURCE")
    assert len(EXPORTS[name].description) > 10
