"""Kills with SIGKILL and full disks, in separate processes."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.training.launching import kill_and_resume
from tests.training.parts import equal_states

from soritune.bundles.read import load_bundle
from soritune.corpus.manifest import Manifest
from soritune.run_folder import RunFolder
from soritune.testing import tiny_config
from soritune.training.checkpoint import checkpoints

pytestmark = pytest.mark.slow(seconds=30)

ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1"}


def test_killed_training_is_resumed_bit_for_bit() -> None:
    result = kill_and_resume("--moments", "3")
    assert result["kills"] == 3


@pytest.fixture
def run_cli(tones: Manifest, tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    recipe = {
        "name": "toy",
        "data": {"source": "manifest", "root": str(tones.path)},
        "split": {"by": ["speaker"], "ratios": {"train": 0.7, "val": 0.3}},
        "tasks": {"phoneme": {}},
        "model": {"encoder": "none", "random_weights": True, "architecture": tiny_config(norm="layer")},
        "batches": {"padded_seconds": 6.0, "num_workers": 0},
        "train": {
            "learning_rate": 1e-3,
            "device": "cpu",
            "keep_newest": 1,
            "phases": [{"epochs": 1}, {"epochs": 1}],
        },
    }
    (tmp_path / "toy.yaml").write_text(yaml.safe_dump(recipe), encoding="utf-8")

    def run(folder: str, *more: str, blocks: int | None = None) -> subprocess.CompletedProcess[str]:
        """`blocks` is the longest file that may be written, in units of 1,024 bytes."""
        words = [sys.executable, "-m", "soritune.cli.main", "run", "toy.yaml", "-o", folder, *more]
        limit = "" if blocks is None else f"ulimit -f {blocks}; "
        return subprocess.run(
            ["bash", "-c", limit + 'exec "$@"', "bash", *words],
            cwd=tmp_path,
            env=ENVIRONMENT,
            capture_output=True,
            text=True,
        )

    return run


def test_failed_write_is_one_message_and_the_run_resumes_from_the_last_checkpoint(
    run_cli: Callable[..., Any], tmp_path: Path
) -> None:
    done = run_cli("whole")
    assert done.returncode == 0, done.stderr
    store = tmp_path / "part" / "checkpoints"
    assert run_cli("part", "--phase", "1").returncode == 0
    (before,) = checkpoints(RunFolder(tmp_path / "part"))
    content = {file.name: file.read_bytes() for file in before.iterdir()}
    too_little = max((before / "trainable.safetensors").stat().st_size // 2048, 1)

    full = run_cli("part", "--phase", "2", blocks=too_little)
    assert full.returncode == 2
    assert re.search(
        rf"(could not|cannot) be written \(.*\); {before.name} is whole, make room and continue", full.stderr
    )
    assert "Traceback" not in full.stderr
    assert {file.name: file.read_bytes() for file in before.iterdir()} == content
    assert not list(store.glob(".*"))
    assert not list((tmp_path / "part" / "bundles").glob(".*"))

    assert run_cli("part", "--phase", "2").returncode == 0
    whole, part = (load_bundle(tmp_path / name / "bundles" / "last").weights() for name in ("whole", "part"))
    assert equal_states(whole, part)
