"""What a clone of the repository costs."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MOST_BYTES = 50 * 2**20


def test_tracked_files_take_at_most_50_mib() -> None:
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("not a checkout of git: which files are tracked is not known")
    done = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True)
    names = [name for name in done.stdout.decode().split("\0") if name]
    assert "tests/test_tracked_files.py" in names or len(names) > 500
    sizes = {name: (ROOT / name).lstat().st_size for name in names if (ROOT / name).exists()}
    largest = sorted(sizes, key=lambda name: -sizes[name])[:5]
    assert sum(sizes.values()) <= MOST_BYTES, {name: sizes[name] for name in largest}
