"""A relative audio path that leads out of a corpus is read only with a setting: a report embeds what it leads to."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import soundfile

from soritune.corpus.checks import check_manifest
from soritune.corpus.manifest import load_manifest, write_manifest
from soritune.corpus.prepare import prepare
from soritune.corpus.utterance import Utterance
from soritune.errors import AudioError, ManifestError
from soritune.inference.clips import clips_of_rows
from soritune.reports.players import Players


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """A corpus folder beside a recording that is not part of it."""
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, 16000)
    (tmp_path / "corpus").mkdir()
    soundfile.write(tmp_path / "secret.wav", noise, 16000)
    soundfile.write(tmp_path / "corpus" / "own.wav", noise, 16000)
    return tmp_path / "corpus"


def rows(*paths: str) -> str:
    row = {"duration_s": 1.0, "sample_rate_hz": 16000, "speaker": "s", "text": "가", "source": "x"}
    return "".join(json.dumps({"id": f"u{n}", "audio": path, **row}) + "\n" for n, path in enumerate(paths))


def test_prepare_leaves_out_rows_that_lead_outside(secret: Path, tmp_path: Path) -> None:
    (secret / "manifest.jsonl").write_text(
        rows("own.wav", "../secret.wav", "a/../../secret.wav", str(tmp_path / "secret.wav"))
    )
    prepared = prepare("manifest", secret, {}, tmp_path / "out")
    assert [row.id for row in prepared.manifest] == ["u0", "u3"]
    assert {row.kind for row in prepared.quarantined} == {"audio-outside-root"}
    assert "--set outside_root=true" in prepared.quarantined[0].reason


@pytest.mark.parametrize("source", ["manifest", "csv"])
def test_setting_allows_rows_that_lead_outside(source: str, secret: Path, tmp_path: Path) -> None:
    if source == "csv":
        (secret / "list.csv").write_text("id,path,text\nu0,own.wav,가\nu1,../secret.wav,나\n")
        config = {"fields": {"id": "id", "audio": "path", "text": "text"}}
    else:
        (secret / "manifest.jsonl").write_text(rows("own.wav", "../secret.wav"))
        config = {}
    refused = prepare(source, secret, config, tmp_path / "refused")
    assert [row.kind for row in refused.quarantined] == ["audio-outside-root"]
    allowed = prepare(source, secret, {**config, "outside_root": True}, tmp_path / "allowed")
    assert [row.audio for row in allowed.manifest] == ["own.wav", str(tmp_path / "secret.wav")]
    assert not check_manifest(allowed.manifest).quarantined  # later stages need no setting


def test_csv_below_the_corpus_may_name_folders_beside_it(secret: Path, tmp_path: Path) -> None:
    (secret / "lists").mkdir()
    (secret / "lists" / "list.csv").write_text("id,path,text\nu0,../own.wav,가\n")
    config = {
        "files": ["lists/list.csv"],
        "fields": {"id": "id", "audio": "path", "text": "text"},
        "audio_root": "lists",
    }
    prepared = prepare("csv", secret, config, tmp_path / "out")
    assert [row.audio for row in prepared.manifest] == [str(secret / "own.wav")]


def test_manifest_used_directly_reads_nothing_outside(secret: Path) -> None:
    (secret / "m.jsonl").write_text(rows("own.wav", "../secret.wav"))
    manifest = load_manifest(secret / "m.jsonl")
    assert [row.kind for row in check_manifest(manifest).quarantined] == ["audio-outside-root"]
    assert [clip.fault is None for clip in clips_of_rows(manifest)] == [True, False]
    with pytest.raises(AudioError, match="leads out of"):
        manifest.audio_path(manifest.utterance(1))


def test_report_has_no_player_for_a_path_outside(secret: Path) -> None:
    players = Players(secret)
    assert players.player({"audio": "own.wav", "duration_s": 1.0}) is not None
    assert players.player({"audio": "../secret.wav", "duration_s": 1.0}) is None


def test_stored_root_that_climbs_is_refused(secret: Path) -> None:
    utterance = Utterance(id="a", audio="secret.wav", duration_s=1.0, sample_rate_hz=16000)
    path = write_manifest(secret / "m.parquet", [utterance], root=secret).path
    assert path is not None
    table = pq.read_table(path)
    pq.write_table(table.replace_schema_metadata({**table.schema.metadata, b"soritune.root": b"../"}), path)
    with pytest.raises(ManifestError, match=r"root '\.\./', which leads out of its folder"):
        load_manifest(path)
    assert len(load_manifest(path, root=secret.parent)) == 1


@pytest.mark.skipif(os.sep == "\\", reason="a folder cannot have such a name on Windows")
def test_folder_named_like_a_drive_does_not_lead_outside(secret: Path) -> None:
    (secret / "x:").mkdir()
    hidden = "x:/../../secret.wav"
    (secret / "m.jsonl").write_text(rows("own.wav", hidden))
    manifest = load_manifest(secret / "m.jsonl")
    assert [row.kind for row in check_manifest(manifest).quarantined] == ["audio-outside-root"]
    assert Players(secret).player({"audio": hidden, "duration_s": 1.0}) is None
    utterance = Utterance(id="a", audio="secret.wav", duration_s=1.0, sample_rate_hz=16000)
    path = write_manifest(secret / "m.parquet", [utterance], root=secret).path
    assert path is not None
    table = pq.read_table(path)
    metadata = {**table.schema.metadata, b"soritune.root": b"x:/../.."}
    pq.write_table(table.replace_schema_metadata(metadata), path)
    with pytest.raises(ManifestError, match="leads out of its folder"):
        load_manifest(path)


def test_extra_that_is_nested_too_deep_is_a_fault(secret: Path) -> None:
    utterance = Utterance(id="a", audio="own.wav", duration_s=1.0, sample_rate_hz=16000, extra={"x": 1})
    path = write_manifest(secret / "m.parquet", [utterance], root=secret).path
    assert path is not None
    table = pq.read_table(path)
    deep = '{"x":' * 100_000 + "1" + "}" * 100_000
    column = table.schema.get_field_index("extra")
    pq.write_table(table.set_column(column, table.schema.field(column), [[deep]]), path)
    with pytest.raises(ManifestError, match="nested too deep"):
        load_manifest(path).utterance(0)
