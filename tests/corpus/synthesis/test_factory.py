"""The corpus follows from its settings alone, may be stopped anywhere, and its parts share nothing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from soritune.audio.waveform import read_audio, read_header
from soritune.corpus.manifest import Manifest
from soritune.corpus.splits import load_splits
from soritune.corpus.synthesis.factory import synthesize
from soritune.corpus.synthesis.settings import SynthesisSettings
from soritune.errors import OutputError

pytest.importorskip("espeakng_loader", reason="the extra 'speech' is not installed")
SMALL = {"utterances_per_voice": 3, "hours": 0.005, "seed": 4}


def made(root: Path, workers: int = 1, **settings: object) -> Manifest:
    return synthesize(root, SynthesisSettings(**{**SMALL, **settings}), workers=workers)  # type: ignore[arg-type]


def contents(root: Path) -> dict[str, bytes]:
    files = (path for path in root.rglob("*") if path.is_file() and path.name != "synthesis.json")
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in files}


def test_it_follows_from_the_seed_whatever_the_workers_and_interruptions(tmp_path: Path) -> None:
    alone = made(tmp_path / "a", test_hours=0.002)
    assert alone.hours >= 0.007
    made(tmp_path / "b", workers=2, test_hours=0.002)
    assert contents(tmp_path / "a") == contents(tmp_path / "b")
    made(tmp_path / "c", hours=0.002, test_hours=0.002)  # less at first, then the rest
    made(tmp_path / "c", test_hours=0.002)
    assert contents(tmp_path / "a") == contents(tmp_path / "c")
    other = made(tmp_path / "d", seed=5)
    assert not {u.text for u in alone} & {u.text for u in other}
    assert not set(alone.ids) & set(other.ids)


def test_parts_share_no_voice_no_variant_and_no_sentence(tmp_path: Path) -> None:
    manifest = made(tmp_path, hours=0.01, val_hours=0.01, test_hours=0.01)
    splits = load_splits(tmp_path / "splits.parquet")
    for field in (lambda u: u.speaker, lambda u: u.extra["variant"], lambda u: u.script):
        found = [
            {field(manifest.utterance(int(row))) for row in splits.indices(manifest, name)}
            for name in ("train", "val", "test")
        ]
        assert all(found)
        assert not (found[0] & found[1] or found[0] & found[2] or found[1] & found[2])


def test_rows_say_what_the_files_are(tmp_path: Path) -> None:
    manifest = made(tmp_path)
    for utterance in manifest:
        header = read_header(tmp_path / utterance.audio)
        assert (header.sample_rate_hz, header.num_channels) == (16000, 1)
        assert header.duration_s == pytest.approx(utterance.duration_s)
        assert utterance.source == "synthetic"
        assert utterance.extra["synthetic"] is True
        assert utterance.phones
        waveform = read_audio(tmp_path / utterance.audio)
        assert abs(waveform).max() == pytest.approx(10 ** (utterance.extra["peak_db"] / 20), rel=0.01)


def test_another_corpus_is_not_gone_on_with(tmp_path: Path) -> None:
    made(tmp_path / "a", hours=0.001)
    with pytest.raises(OutputError, match="made with another seed"):
        made(tmp_path / "a", seed=5)
    with pytest.raises(OutputError, match=r"recording\.telephone"):
        made(tmp_path / "a", recording={"telephone": 0.5})
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "mine.txt").write_text("mine")
    with pytest.raises(OutputError, match="holds no synthetic corpus"):
        made(tmp_path / "b")
    assert [path.name for path in (tmp_path / "b").iterdir()] == ["mine.txt"]


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="no SIGKILL on Windows")
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_stopped_run_is_taken_up(tmp_path: Path, how: signal.Signals) -> None:
    options = ["--hours", "0.05", "--seed", "4", "--workers", "2", "--set", "utterances_per_voice=3"]
    command = [sys.executable, "-m", "soritune.cli.main", "synthesize", str(tmp_path / "a"), *options]
    running = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
    )
    finished = tmp_path / "a" / "voices" / "train"
    while len(list(finished.glob("*.jsonl"))) < 2:
        assert running.poll() is None, running.communicate()
        time.sleep(0.05)
    os.killpg(running.pid, how)
    running.communicate()
    assert running.returncode == (130 if how == signal.SIGINT else -9)
    assert not (tmp_path / "a" / "manifest.parquet").exists()
    kept = {path: path.stat().st_mtime_ns for path in finished.glob("*.jsonl")}
    made(tmp_path / "a", hours=0.05)
    made(tmp_path / "b", hours=0.05)
    assert contents(tmp_path / "a") == contents(tmp_path / "b")
    assert all(path.stat().st_mtime_ns == stamp for path, stamp in kept.items())
    assert json.loads((tmp_path / "a" / "synthesis.json").read_text())["settings"]["seed"] == 4
