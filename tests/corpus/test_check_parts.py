"""A check of many parts: by several processes, in shards, resumed after kills, full disks and files that vanish."""

from __future__ import annotations

import errno
import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from soritune.corpus import check_parts
from soritune.corpus.check_parts import CheckFolder, checked_parts, shard_of
from soritune.corpus.checks import check_settings, read_quarantine
from soritune.corpus.manifest import Manifest, load_manifest, write_manifest
from soritune.corpus.utterance import Utterance
from soritune.errors import OutputError, SorituneError
from soritune.stages.check import check_rows, check_shard


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check_parts, "ROWS_PER_PART", 10)


def corpus(folder: Path, count: int = 35, seconds: float = 0.2) -> Manifest:
    """Clips of noise; every seventh is corrupt."""
    rng = np.random.default_rng(3)
    rows = []
    for number in range(count):
        file = folder / "소리" / f"{number}.wav"
        file.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(file, rng.integers(-9000, 9000, round(seconds * 16000), dtype=np.int16), 16000)
        if number % 7 == 3:
            file.write_bytes(b"RIFF" + bytes(500))
        rows.append(
            Utterance(
                id=f"{number}", audio=f"소리/{number}.wav", duration_s=seconds, text="가나", speaker="s"
            )
        )
    return write_manifest(folder / "manifest.parquet", rows, root=folder)


def content(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def check(manifest: Manifest, folder: Path, **more: Any) -> None:
    check_rows(manifest, folder, [], resumes="", **{"workers": 1, "measures": True, **more})


def test_number_of_processes_and_machines_changes_no_byte(tmp_path: Path) -> None:
    manifest = corpus(tmp_path / "in")
    reported: list[tuple[int, int]] = []
    settings = check_settings(manifest)
    tables = list(checked_parts(manifest, settings, workers=2, progress=lambda *done: reported.append(done)))
    assert [len(table) for table in tables] == [10, 10, 10, 5]
    assert reported[-1] == (35, 35)
    check(manifest, tmp_path / "one")
    check(manifest, tmp_path / "two", workers=2)
    done = [
        check_shard(manifest, tmp_path / "shards", [], shard, resumes="", workers=1, measures=True)
        for shard in ("2/3", "1/3", "3/3")
    ]
    assert done == [(1, 4), (3, 4), (4, 4)]
    assert not (tmp_path / "shards" / "checked.parquet").exists()
    check(manifest, tmp_path / "shards")
    whole = content(tmp_path / "one")
    assert set(whole) == {"checked.parquet", "quarantine.jsonl", "audio_hashes.parquet"}
    assert content(tmp_path / "two") == whole
    assert content(tmp_path / "shards") == whole
    assert len(load_manifest(tmp_path / "one" / "checked.parquet")) == 30
    lost = read_quarantine(tmp_path / "one" / "quarantine.jsonl")
    assert [row.id for row in lost] == ["3", "10", "17", "24", "31"]


def test_finished_parts_are_not_checked_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    manifest = corpus(tmp_path / "in")
    check(manifest, tmp_path / "whole")
    check_shard(manifest, tmp_path / "out", [], "1/2", resumes="", workers=1, measures=True)
    checked: list[int] = []
    before = check_parts.check_part

    def counted(job: check_parts.PartJob, **more: Any) -> Any:
        checked.append(job.first)
        return before(job, **more)

    monkeypatch.setattr(check_parts, "check_part", counted)
    check(manifest, tmp_path / "out")
    assert checked == [10, 30]
    assert content(tmp_path / "out") == content(tmp_path / "whole")


def test_parts_with_other_settings_are_not_used(tmp_path: Path) -> None:
    manifest = corpus(tmp_path / "in")
    for more in ({"min_duration_s": 0.05}, {"resumes": "another task"}):
        folder = tmp_path / str(len(more) + len(str(more)))
        check_shard(manifest, folder, [], "1/1", resumes="", workers=1, measures=True)
        with pytest.raises(OutputError, match="has the parts of a check of another manifest or with other"):
            check_shard(
                manifest, folder, [], "1/1", **{"resumes": "", "workers": 1, "measures": True, **more}
            )
        check_rows(manifest, folder, [], **{"resumes": "", "workers": 1, "measures": True, **more})
        assert sorted(content(folder)) == ["audio_hashes.parquet", "checked.parquet", "quarantine.jsonl"]


def test_recording_that_came_back_is_checked_again(tmp_path: Path) -> None:
    """A file vanishes during a check, and another is repaired before the next one."""
    manifest = corpus(tmp_path / "in")
    vanished, corrupt = (tmp_path / "in" / "소리" / f"{number}.wav" for number in (12, 24))
    kept = vanished.read_bytes()
    vanished.unlink()
    check_shard(manifest, tmp_path / "out", [], "1/1", resumes="", workers=1, measures=True)
    folder = CheckFolder.of(tmp_path / "out", manifest, check_settings(manifest), "")
    assert folder.missing(range(4)) == []
    vanished.write_bytes(kept)
    later = time.time() + 60
    corrupt.write_bytes(kept)
    os.utime(corrupt, (later, later))
    assert folder.missing(range(4)) == [1, 2]
    check(manifest, tmp_path / "out")
    check(manifest, tmp_path / "anew")
    assert content(tmp_path / "out") == content(tmp_path / "anew")
    assert [row.id for row in read_quarantine(tmp_path / "out" / "quarantine.jsonl")] == [
        "3",
        "10",
        "17",
        "31",
    ]


def test_full_disk_keeps_the_finished_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    manifest = corpus(tmp_path / "in")
    before, written = check_parts.pq.write_table, []

    def full(table: Any, file: Path, **more: Any) -> None:
        if len(written) == 2:
            Path(file).write_bytes(b"PAR1")
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written.append(file)
        before(table, file, **more)

    monkeypatch.setattr(check_parts.pq, "write_table", full)
    with pytest.raises(OutputError, match=r"the disk is full.*; finished parts are kept; make room and"):
        check(manifest, tmp_path / "out")
    monkeypatch.undo()
    monkeypatch.setattr(check_parts, "ROWS_PER_PART", 10)
    parts = sorted(file.name for file in (tmp_path / "out" / "check_parts").iterdir())
    assert parts == ["part-00000.parquet", "part-00001.parquet", "plan.json"]
    check(manifest, tmp_path / "out")
    check(manifest, tmp_path / "whole")
    assert content(tmp_path / "out") == content(tmp_path / "whole")


def test_damaged_part_is_checked_again(tmp_path: Path) -> None:
    manifest = corpus(tmp_path / "in")
    check_shard(manifest, tmp_path / "out", [], "1/1", resumes="", workers=1, measures=True)
    part = tmp_path / "out" / "check_parts" / "part-00001.parquet"
    part.write_bytes(part.read_bytes()[:-20])
    check(manifest, tmp_path / "out")
    check(manifest, tmp_path / "whole")
    assert content(tmp_path / "out") == content(tmp_path / "whole")


@pytest.mark.parametrize("text", ["0/2", "3/2", "2", "a/b", "1/0", "-1/2", ""])
def test_faulty_shard_is_refused(text: str) -> None:
    with pytest.raises(SorituneError, match=r"--shard expects I/N with I from 1 to N, such as 1/8; got"):
        shard_of(text, 10)


def test_shards_take_turns() -> None:
    assert [shard_of(f"{number}/3", 7) for number in (1, 2, 3)] == [[0, 3, 6], [1, 4], [2, 5]]


def start(manifest: Path, folder: Path) -> subprocess.Popen[bytes]:
    code = (
        "import sys; from soritune.corpus import check_parts; check_parts.ROWS_PER_PART = 10; "
        "from soritune.cli.main import main; main()"
    )
    options = ["--workers", "2", "--vad", "energy", "--json"]
    return subprocess.Popen(
        [sys.executable, "-c", code, "check", str(manifest), "-o", str(folder), *options],
        stdout=subprocess.DEVNULL,
    )


@pytest.mark.slow(seconds=20)
@pytest.mark.parametrize("moments", [2, pytest.param(10, marks=pytest.mark.long)])
def test_killed_at_random_moments_it_resumes_to_the_same_bytes(tmp_path: Path, moments: int) -> None:
    corpus(tmp_path / "in", count=300, seconds=2.0)
    manifest = tmp_path / "in" / "manifest.parquet"
    began = time.monotonic()
    assert start(manifest, tmp_path / "whole").wait(timeout=300) == 0
    lasts_s = time.monotonic() - began
    whole = content(tmp_path / "whole")
    assert "check.html" in whole
    assert json.loads(whole["check.json"])["quarantined"] == 43
    rng = random.Random(5)
    kills, output = 0, tmp_path / "killed"
    while kills < moments:
        process = start(manifest, output)
        try:
            assert process.wait(timeout=rng.uniform(0.1, 0.95) * lasts_s) == 0
            assert content(output) == whole
            output = tmp_path / f"killed-{kills}"
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            kills += 1
            time.sleep(0.7)  # processes of a killed check end by themselves
    assert start(manifest, output).wait(timeout=300) == 0
    assert content(output) == whole
