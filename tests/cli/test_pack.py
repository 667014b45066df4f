"""`soritune pack` as typed, and other verbs on what it wrote."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
import typer
from typer.testing import CliRunner

from soritune.cli import check, pack
from soritune.corpus.manifest import load_manifest, write_manifest
from soritune.corpus.utterance import Utterance
from soritune.errors import ManifestError, OutputError

app = typer.Typer(pretty_exceptions_enable=False)
app.command("pack")(pack.pack)
app.command("check")(check.check)


def soritune(*arguments: object, code: int = 0) -> str:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == code, result.output
    return result.stdout


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    for number in range(6):
        soundfile.write(tmp_path / f"{number}.wav", rng.normal(0, 0.05, 8000), 16000)
    rows = [Utterance(id=str(n), audio=f"{n}.wav", duration_s=0.5, speaker=f"s{n % 2}") for n in range(6)]
    write_manifest(tmp_path / "manifest.jsonl", rows, root=tmp_path)
    return tmp_path / "manifest.jsonl"


def test_it_prints_what_was_packed_and_what_was_done_before(manifest: Path, tmp_path: Path) -> None:
    out = tmp_path / "packed"
    first = soritune("pack", manifest, "-o", out, "--rows-per-shard", 4, "--workers", 1)
    assert "6 utterances, 0.00 h, 0.00 GB in 2 shards → " in first
    assert "2 shards, 2 of them done before" in soritune("pack", manifest, "-o", out, "--rows-per-shard", 4)
    facts = json.loads(soritune("pack", manifest, "-o", out, "--rows-per-shard", 4, "--json"))
    assert (facts["rows"], facts["shards"], facts["new_shards"], facts["left_out"]) == (6, 2, 0, 0)
    assert facts["hours"] == pytest.approx(3.0 / 3600)


def test_left_out_rows_are_counted_and_fail_a_strict_call(manifest: Path, tmp_path: Path) -> None:
    (tmp_path / "2.wav").unlink()
    printed = soritune("pack", manifest, "-o", tmp_path / "packed", "--strict", code=1)
    assert "1 left out → " in printed
    assert "quarantine.jsonl" in printed


def test_check_of_the_packed_corpus_finds_what_that_of_the_loose_one_does(
    manifest: Path, tmp_path: Path
) -> None:
    soritune("pack", manifest, "-o", tmp_path / "packed")
    loose, packed = (
        json.loads(soritune("check", file, "--json"))
        for file in (manifest, tmp_path / "packed" / "manifest.parquet")
    )
    for facts in (loose, packed):  # the packed manifest states the rate, too
        del facts["root"], facts["tables"]
    assert packed == loose


def test_root_of_the_recordings(manifest: Path, tmp_path: Path) -> None:
    (tmp_path / "lists").mkdir()
    moved = manifest.rename(tmp_path / "lists" / "manifest.jsonl")
    with pytest.raises(ManifestError, match="none of its 6 rows could be packed"):
        soritune("pack", moved, "-o", tmp_path / "packed")
    soritune("pack", moved, "-o", tmp_path / "packed", "--root", tmp_path)
    assert len(load_manifest(tmp_path / "packed" / "manifest.parquet")) == 6


def test_folder_that_cannot_be_made_is_one_sentence(manifest: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot be"):
        soritune("pack", manifest, "-o", tmp_path / "file")
