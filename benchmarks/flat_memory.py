"""Resident memory over a long training of a toy: it must not grow with the steps.

    python benchmarks/flat_memory.py [--steps 10000] [--workers 1]

Clips of 2–4 seconds, a toy encoder, averaged weights, an evaluation every 500 steps, checkpoints and logs as always.
The process's resident memory is noted every 100 steps; printed are its means over the second and over the last
tenth, as JSON. Ends with 1 where the last is more than 3 % (and 8 MiB) above the second.
"""

from __future__ import annotations

import argparse
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

from soritune import pipeline
from soritune.corpus.manifest import Manifest, write_manifest
from soritune.corpus.splits import SplitSettings, make_splits
from soritune.corpus.utterance import Utterance
from soritune.recipe import check_recipe
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


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--steps", type=int, default=10_000)
    parser.add_argument("--workers", type=int, default=1)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    noted: list[tuple[int, float]] = []
    real = Stepper.step

    def noting(self: Stepper, *args: Any, **more: Any) -> None:
        real(self, *args, **more)
        if more["done"] % 100 == 0:
            noted.append((more["done"], resident_mib()))

    Stepper.step = noting  # type: ignore[method-assign]
    settings = {
        "name": "long",
        "data": {"root": ".", "synthetic": True},
        "tasks": {"phoneme": {}},
        "model": {
            "encoder": "none",
            "random_weights": True,
            "architecture": tiny_config(norm="layer", conv_stride=[10, 8, 8]),
        },
        "batches": {"padded_seconds": 8.0, "num_workers": asked.workers},
        "augment": {"speed": {}, "spec_augment": {}},
        "train": {
            "device": "cpu", "epochs": asked.steps, "max_steps": asked.steps, "learning_rate": 1e-4,
            "ema": {}, "evaluate_every_steps": 500, "tensorboard": False,
        },
    }  # fmt: skip
    with tempfile.TemporaryDirectory() as name:
        base = Path(name)
        (base / "corpus").mkdir()
        corpus = make_corpus(base / "corpus", 400)
        splits = make_splits(corpus, SplitSettings(by=("speaker",), ratios={"train": 0.9, "val": 0.1}))
        began = time.perf_counter()
        result = pipeline.train_recipe(
            check_recipe("long", settings), corpus, splits, base / "run", quiet=True
        )
    seconds = time.perf_counter() - began
    tenth = asked.steps // 10
    early = np.mean([mib for step, mib in noted if tenth <= step < 2 * tenth])
    late = np.mean([mib for step, mib in noted if step >= 9 * tenth])
    flat = late - early < max(0.03 * early, 8.0)
    print(
        json.dumps(
            {
                "steps": result.steps,
                "seconds": round(seconds),
                "resident_mib_second_tenth": round(float(early), 1),
                "resident_mib_last_tenth": round(float(late), 1),
                "highest_mib": round(max(mib for _, mib in noted), 1),
                "flat": bool(flat),
            }
        )
    )
    return 0 if flat else 1


if __name__ == "__main__":
    sys.exit(main())
