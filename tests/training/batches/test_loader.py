from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from soritune.corpus.manifest import Manifest

SCRIPT = """
import sys, threading
from functools import partial
import numpy as np
from soritune.audio.preprocessing import Preprocessing
from soritune.training.batches.collate import Collator
from soritune.training.batches.config import BatchSettings
from soritune.training.batches.loader import load_batches
from soritune.training.batches.plan import plan_epoch
from soritune.draws import Draws
from soritune.geometry import frames_of
from soritune.corpus.manifest import load_manifest
from soritune.recipe import make_task

if __name__ == "__main__":
    manifest = load_manifest(sys.argv[1])
    rows = np.arange(len(manifest))
    plan = plan_epoch(rows, manifest.durations_s, BatchSettings(batch_size=2), seed=0)
    frames = partial(frames_of, kernels=(10,), strides=(320,))
    collator = Collator(manifest, (make_task("phoneme", {}),), Preprocessing(), num_frames=frames, hidden_size=8)
    batches = load_batches(plan, collator, Draws(0, 0, 0), list(range(plan.num_micro_batches)), num_workers=1)
    print(len(next(batches).rows), flush=True)
    raise RuntimeError("in the middle of an epoch")
"""


SPAWNED = "import multiprocessing\nmultiprocessing.set_start_method('spawn', force=True)\n"
"""How macOS and Windows start processes: workers get everything by pickle."""


@pytest.mark.slow
@pytest.mark.parametrize("first", ["", "import multiprocessing.util\n", SPAWNED])
def test_error_inside_an_epoch_ends_the_process_and_its_workers(
    first: str, tones: Manifest, tmp_path: Path
) -> None:
    """The module's global keeps the batches alive to the end, as a traceback does.

    Whether torch or multiprocessing cleans up first depends on which was imported first.
    """
    script = tmp_path / "script.py"
    script.write_text(first + SCRIPT, encoding="utf-8")
    path = tones.root / "manifest.parquet"
    done = subprocess.run(
        [sys.executable, str(script), str(path)], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 1
    assert done.stdout == "2\n"
    assert done.stderr.rstrip().endswith("RuntimeError: in the middle of an epoch")
