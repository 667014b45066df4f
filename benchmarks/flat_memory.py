"""Memory over a long toy training: it must not grow with the steps.

    python benchmarks/flat_memory.py [--steps 10000] [--workers 1]

Trains a toy encoder on clips of 2–4 seconds with averaged weights, an evaluation every 500 steps, and the usual
checkpoints and logs. A hundred times it records the resident memory, the bytes allocated by the C allocator (glibc's
mallinfo2) and the number of Python objects. It prints their means over every tenth of the steps as JSON. Allocated
bytes must not grow by more than 3 % from the second tenth to the last. Resident memory also contains free space that
the allocator keeps between blocks; it must not grow by more than 5 %.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import soundfile
import torch

from soritune.corpus.manifest import Manifest, write_manifest
from soritune.corpus.splitting.splits import SplitSettings, make_splits
from soritune.corpus.utterance import Utterance
from soritune.recipe import check_recipe
from soritune.stages.train import train_recipe
from soritune.testing import tiny_config
from soritune.training.step import Stepper


def make_corpus(folder: Path, clips: int) -> Manifest:
    rows = []
    for n in range(clips):
        rng = np.random.default_rng(n)
        seconds = 2.0 + 2.0 * rng.random()
        wave = 0.1 * rng.standard_normal(int(16000 * seconds))
        soundfile.write(folder / f"{n}.flac", wave, 16000, subtype="PCM_16")
        rows.append(
            Utterance(
                id=f"u{n}", audio=f"{n}.flac", duration_s=len(wave) / 16000, sample_rate_hz=16000,
                speaker=f"s{n % 10}", text=("가나", "다라마", "사과", "바다")[n % 4],
            )
        )  # fmt: skip
    return write_manifest(folder / "manifest.parquet", rows, root=folder)


def resident_mib() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


FIELDS = (
    "arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks", "fordblks", "keepcost"
)  # fmt: skip


class _Mallinfo(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in FIELDS]


def handed_out_mib() -> float:
    mallinfo2 = ctypes.CDLL("libc.so.6").mallinfo2
    mallinfo2.restype = _Mallinfo
    info = mallinfo2()
    return (info.uordblks + info.hblkhd) / 2**20


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--steps", type=int, default=10_000)
    parser.add_argument("--workers", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(1)
    records: list[tuple[int, float, float, int]] = []
    original_step = Stepper.step

    def recording_step(self: Stepper, *args: Any, **named: Any) -> None:
        original_step(self, *args, **named)
        if named["done"] % max(options.steps // 100, 1) == 0:
            gc.collect()
            records.append((named["done"], resident_mib(), handed_out_mib(), len(gc.get_objects())))

    Stepper.step = recording_step  # type: ignore[method-assign]
    settings = {
        "name": "long",
        "data": {"root": ".", "synthetic": True},
        "tasks": {"phoneme": {}},
        "model": {
            "encoder": "none",
            "random_weights": True,
            "architecture": tiny_config(norm="layer", conv_stride=[10, 8, 8]),
        },
        "batches": {"padded_seconds": 8.0, "num_workers": options.workers},
        "augment": {"speed": {}, "spec_augment": {}},
        "train": {
            "device": "cpu", "epochs": options.steps, "max_steps": options.steps, "learning_rate": 1e-4,
            "ema": {}, "evaluate_every_steps": 500, "tensorboard": False,
        },
    }  # fmt: skip
    with tempfile.TemporaryDirectory() as name:
        base = Path(name)
        (base / "corpus").mkdir()
        corpus = make_corpus(base / "corpus", 400)
        splits = make_splits(corpus, SplitSettings(by=("speaker",), ratios={"train": 0.9, "val": 0.1}))
        started = time.perf_counter()
        result = train_recipe(check_recipe("long", settings), corpus, splits, base / "run")
    seconds = time.perf_counter() - started
    table = np.array(records)
    tenths = [
        table[
            (table[:, 0] >= n * options.steps / 10) & (table[:, 0] < (n + 1) * options.steps / 10), 1:
        ].mean(axis=0)
        for n in range(10)
    ]
    resident, handed_out, objects = np.array(tenths).T
    flat = handed_out[9] <= 1.03 * handed_out[1] and resident[9] <= 1.05 * resident[1]
    print(
        json.dumps(
            {
                "steps": result.steps,
                "stopped": result.stopped,
                "seconds": round(seconds),
                "resident_mib": np.round(resident, 1).tolist(),
                "handed_out_mib": np.round(handed_out, 1).tolist(),
                "python_objects": np.round(objects).astype(int).tolist(),
                "flat": bool(flat),
            }
        )
    )
    return 0 if flat else 1


if __name__ == "__main__":
    sys.exit(main())
