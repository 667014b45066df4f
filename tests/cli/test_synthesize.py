"""`soritune synthesize`: what it makes, and what it says of bad settings."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("espeakng_loader", reason="the extra 'speech' is not installed")


def soritune(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "soritune.cli.main", *map(str, arguments)], capture_output=True, text=True
    )


@pytest.mark.slow
def test_a_corpus_with_splits_is_made(tmp_path: Path) -> None:
    done = soritune(
        "synthesize", tmp_path / "out", "--hours", 0.002, "--test-hours", 0.002, "--seed", 7, "--json",
        "--set", "utterances_per_voice=2", "--set", "voices.children=1",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    content = json.loads(done.stdout)
    assert content["synthetic"] is True
    assert content["hours"] >= 0.004
    assert Path(content["manifest"]).exists()
    assert Path(content["splits"]).exists()
    rows = [
        json.loads(line)
        for file in (tmp_path / "out").rglob("*.jsonl")
        for line in file.read_text().splitlines()
    ]
    assert {row["extra"]["voice_kind"] for row in rows} == {"child"}
    assert len(rows) == content["utterances"]


@pytest.mark.slow
def test_a_faulty_setting_is_reported_and_leaves_no_file(tmp_path: Path) -> None:
    done = soritune("synthesize", tmp_path / "out", "--set", "recording.romm=1", "--set", "voices.children=3")
    assert done.returncode == 2
    assert "recording.romm: unknown key; did you mean 'room'?" in done.stderr
    assert "voices.children" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()
