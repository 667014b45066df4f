"""`pack` and `check` in a process whose files may not grow, as on a full disk, and the same commands afterwards."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from soritune.corpus.checks import read_quarantine
from soritune.corpus.manifest import load_manifest, write_manifest
from soritune.corpus.utterance import Utterance

pytestmark = [
    pytest.mark.slow(seconds=30),
    pytest.mark.skipif(sys.platform != "linux", reason="limits the size of files"),
]


def soritune(*words: object, blocks: int | None = None) -> subprocess.CompletedProcess[str]:
    """`blocks` is the longest file that may be written, in units of 1,024 bytes."""
    limit = "" if blocks is None else f"ulimit -f {blocks}; "
    command = ["bash", "-c", limit + 'exec "$@"', "bash", sys.executable, "-m", "soritune", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True)


def content(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def corpus(folder: Path, seconds: list[float]) -> Path:
    folder.mkdir()
    rng = np.random.default_rng(1)
    rows = []
    for number, lasts in enumerate(seconds):
        samples = rng.integers(-9000, 9000, round(lasts * 16000), dtype=np.int16)
        soundfile.write(folder / f"{number}.wav", samples, 16000)
        rows.append(
            Utterance(id=str(number), audio=f"{number}.wav", duration_s=lasts, speaker="s", text="가")
        )
    write_manifest(folder / "manifest.parquet", rows, root=folder)
    return folder / "manifest.parquet"


@pytest.mark.parametrize("workers", [1, 2])
def test_pack_keeps_its_finished_shards(workers: int, tmp_path: Path) -> None:
    """The shard of long clips does not fit; those of short ones do."""
    manifest = corpus(tmp_path / "in", [0.1] * 4 + [4.0] * 4)
    words = ("pack", manifest, "--rows-per-shard", 4, "--workers", workers, "-o")
    full = soritune(*words, tmp_path / "out", blocks=200)
    assert full.returncode == 2
    assert full.stderr.count("error: ") == 1 and "Traceback" not in full.stderr
    assert "shard-00001.arrow cannot be written (the file would be larger than is allowed)" in full.stderr
    assert not (tmp_path / "out" / "manifest.parquet").exists()
    kept = tmp_path / "out" / "shards" / "shard-00000.arrow"
    written = kept.stat().st_mtime_ns
    assert soritune(*words, tmp_path / "out").returncode == 0
    assert kept.stat().st_mtime_ns == written
    assert soritune(*words, tmp_path / "whole").returncode == 0
    assert content(tmp_path / "out") == content(tmp_path / "whole")


def test_check_is_one_sentence_and_continues(tmp_path: Path) -> None:
    manifest = corpus(tmp_path / "in", [0.3] * 5)
    words = ("check", manifest, "--vad", "energy", "--workers", 1, "-o")
    full = soritune(*words, tmp_path / "out", blocks=1)
    assert full.returncode == 2
    assert full.stderr.count("error: ") == 1 and "Traceback" not in full.stderr
    assert "the file would be larger than is allowed); " in full.stderr
    assert "finished parts are kept; make room and run the same command again" in full.stderr
    assert soritune(*words, tmp_path / "out").returncode == 0
    assert soritune(*words, tmp_path / "whole").returncode == 0
    assert content(tmp_path / "out") == content(tmp_path / "whole")


def test_check_of_a_corpus_with_a_damaged_shard(tmp_path: Path) -> None:
    """One row in a hundred is damaged on the disk after packing; the others are as they were."""
    manifest = corpus(tmp_path / "in", [0.2] * 100)
    packed = tmp_path / "packed"
    assert soritune("pack", manifest, "--rows-per-shard", 50, "--workers", 1, "-o", packed).returncode == 0
    shard = packed / "shards" / "shard-00001.arrow"
    raw = bytearray(shard.read_bytes())
    raw[raw.index(b"fLaC") + 500] ^= 1
    shard.write_bytes(raw)
    words = ("check", packed / "manifest.parquet", "--vad", "energy", "--workers", 1, "-o", tmp_path / "out")
    assert soritune(*words).returncode == 0
    lost = read_quarantine(tmp_path / "out" / "quarantine.jsonl")
    assert [row.id for row in lost] == ["50"]
    assert "shard-00001.arrow" in lost[0].reason or "checksum" in lost[0].reason
    assert len(load_manifest(tmp_path / "out" / "checked.parquet")) == 99
