"""Kills a training with SIGKILL at random moments, resumes it, and compares it with an uninterrupted training.

    python benchmarks/kill_resume.py [--moments 20] [--seed 0] [--chain] [--at 300 301 …]

A toy training of three phases (averaged weights, early stopping, unfreezing layers, sampled validation, speed
perturbation) first runs without interruption, and every step and every call that writes to disk is counted. Each moment
is a random one of those calls: the process is killed directly before it (or, for a write, sometimes during it), resumed
in a new process, and perhaps killed again. At the end the batch and the loss of every step, the weights of every
bundle, the values in their cards and the last checkpoints must equal those of the uninterrupted training, bit for bit.

--at sets the moments; with --chain all kills happen to the same training, one after the other. Prints one line per
moment and JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import safetensors.torch
import soundfile
import torch

import soritune.bundles.write
import soritune.training.checkpoint
from soritune.corpus.manifest import Manifest, write_manifest
from soritune.corpus.splitting.splits import SplitSettings, make_splits
from soritune.corpus.utterance import Utterance
from soritune.recipe import check_recipe
from soritune.stages.train import train_recipe
from soritune.testing import tiny_config
from soritune.training import loop, phase_start
from soritune.training.log import read_events
from soritune.training.step import Stepper

RECIPE: dict[str, Any] = {
    "name": "toy",
    "data": {"root": ".", "synthetic": True},
    "tasks": {"phoneme": {}, "emotion": {"labels": ["high", "low"], "class_weights": "balanced"}},
    "model": {
        "encoder": "none",
        "random_weights": True,
        "architecture": tiny_config(norm="layer", layers=3),
        "freeze": {"layers": 1},
    },
    "batches": {"padded_seconds": 4.0, "micro_batches_per_step": 2, "num_workers": 0, "label_smoothing": 0.1},
    "augment": {
        "speed": {"factors": [0.9, 1.0, 1.1], "probability": 0.5},
        "spec_augment": {"probability": 0.5, "time_width_frames": 8},
    },
    "train": {
        "device": "cpu",
        "learning_rate": 1e-3,
        "log_every_steps": 1,
        "keep_best": 2,
        "keep_epochs": 2,
        "validation_sample": 6,
        "ema": {"decay": 0.9},
        "early_stopping": {"monitor": "loss", "patience": 2},
        "phases": [
            {"data_share": 0.3, "epochs": 2, "freeze": {"layers": 2}, "augment": {"speed": None}},
            {"data_share": 0.6, "epochs": 2, "save_every_steps": 1, "evaluate_every_steps": 2},
            {"epochs": 1, "learning_rate": 5e-4, "freeze": {"layers": 0, "feature_encoder": False}},
        ],
    },
}


def make_corpus(folder: Path) -> Manifest:
    rows = []
    for n in range(40):
        rng = np.random.default_rng(n)
        time = np.arange(int(16000 * (0.5 + 0.7 * rng.random()))) / 16000
        style, pitch = ("high", 320.0) if n % 2 else ("low", 150.0)
        wave = 0.3 * np.sin(2 * np.pi * (pitch + n // 8) * time) + 0.02 * rng.standard_normal(len(time))
        soundfile.write(folder / f"{n}.flac", wave, 16000, subtype="PCM_16")
        text = ("가나", "다라마", "사과", "바다")[n % 4]
        rows.append(
            Utterance(
                id=f"u{n:02d}", audio=f"{n}.flac", duration_s=len(time) / 16000, sample_rate_hz=16000,
                speaker=f"s{n // 4}", age=6 + n // 8, text=text, emotion=style,
            )
        )  # fmt: skip
    # A row that cannot be read is skipped and recorded, and must be recorded only once.
    (folder / "7.flac").write_bytes(b"no sound")
    return write_manifest(folder / "manifest.parquet", rows, root=folder)


class Ticks:
    """Counts the calls where a kill is tested, and kills the process at one of them."""

    def __init__(self, kill_at: int | None, *, half: bool = False) -> None:
        self.kill_at, self.half, self.seen = kill_at, half, 0
        self.kinds: list[str] = []

    def _tick(self, kind: str, *args: Any) -> None:
        self.seen += 1
        self.kinds.append(kind)
        if self.seen == self.kill_at:
            if self.half and kind == "write weights":
                Path(args[1]).write_bytes(b"half")
            os.kill(os.getpid(), signal.SIGKILL)

    def before(self, owner: Any, name: str, kind: str) -> None:
        original: Callable[..., Any] = getattr(owner, name)

        def counted(*args: Any, **named: Any) -> Any:
            self._tick(kind, *args)
            return original(*args, **named)

        setattr(owner, name, counted)

    def install(self) -> None:
        self.before(Stepper, "step", "step")
        self.before(soritune.training.checkpoint, "save_file", "write weights")
        self.before(soritune.bundles.write, "save_file", "write weights")
        self.before(os, "fsync", "sync")
        self.before(os, "replace", "replace")
        self.before(Path, "rename", "rename")
        self.before(shutil, "rmtree", "remove")
        self.before(phase_start, "validate", "evaluate")
        self.before(loop, "begin_phase", "begin a phase")


def child(corpus: Manifest, folder: Path, ticks: Ticks, report: Path | None = None) -> int:
    """Trains in a new process; returns its exit code, or minus the signal that ended it."""
    pid = os.fork()
    if pid:
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    try:
        torch.set_num_threads(1)
        resume = any((folder / "checkpoints").glob("step-*/state.json"))
        recipe = check_recipe("toy", RECIPE)
        splits = make_splits(corpus, SplitSettings(by=("speaker",), ratios={"train": 0.75, "val": 0.25}))
        ticks.install()
        train_recipe(recipe, corpus, splits, folder, resume=resume)
        if report is not None:
            report.write_text(json.dumps(ticks.kinds))
        os._exit(0)
    except BaseException as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        os._exit(1)


def content_of(folder: Path) -> dict[str, Any]:
    """All values that must be equal."""
    events = read_events(folder)
    content: dict[str, Any] = {
        "steps": [(e["step"], e["phase"], e["batch"], e["loss"]) for e in events if e["event"] == "step"],
        "evaluations": [
            {k: str(v) for k, v in e.items() if k not in ("time",)}
            for e in events
            if e["event"].startswith("evaluate")
        ],
        "quarantine": (folder / "quarantine.jsonl").read_text(encoding="utf-8"),
    }
    for file in sorted(folder.rglob("*.safetensors")):
        for name, value in safetensors.torch.load_file(file).items():
            content[f"{file.relative_to(folder)}:{name}"] = value.numpy().tobytes()
    for card in sorted(folder.glob("bundles/*/soritune.json")):
        training = json.loads(card.read_text(encoding="utf-8"))["training"]
        content[str(card.relative_to(folder))] = json.dumps(training)
    for state in sorted(folder.glob("checkpoints/*/state.json")):
        content[str(state.relative_to(folder))] = json.dumps(json.loads(state.read_text())["progress"])
    return content


def differences(first: dict[str, Any], second: dict[str, Any]) -> list[str]:
    return sorted(key for key in first.keys() | second.keys() if first.get(key) != second.get(key))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--moments", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--chain", action="store_true")
    parser.add_argument(
        "--at", type=int, nargs="+", default=[], help="kill at these moments instead of random ones"
    )
    options = parser.parse_args()
    rng = np.random.default_rng(options.seed)
    with tempfile.TemporaryDirectory() as name:
        base = Path(name)
        (base / "corpus").mkdir()
        corpus = make_corpus(base / "corpus")
        if child(corpus, base / "whole", Ticks(None), base / "ticks.json"):
            return 1
        kinds = json.loads((base / "ticks.json").read_text())
        expected = content_of(base / "whole")
        print(f"uninterrupted: {len(expected['steps'])} steps, {len(kinds)} moments: {dict(Counter(kinds))}")
        killed: list[str] = []
        wrong: list[str] = []
        folder = base / "chain"
        while len(killed) < (len(options.at) or options.moments):
            if not options.chain:
                folder = base / f"killed-{len(killed)}"
            # In a chain each process lives shortly, so that all kills fit into one training.
            limit = max(len(kinds) // 8, 2) if options.chain else len(kinds)
            moment = options.at[len(killed)] if options.at else int(rng.integers(1, limit + 1))
            code = child(corpus, folder, Ticks(moment, half=bool(rng.integers(2))))
            if code != -signal.SIGKILL:
                if options.chain and code == 0:
                    wrong += differences(expected, content_of(folder))
                    shutil.rmtree(folder)
                    continue
                return 1
            killed.append(kinds[moment - 1] if not options.chain else "chained")
            if options.chain:
                continue
            if rng.random() < 0.3:
                child(corpus, folder, Ticks(int(rng.integers(1, len(kinds) // 2))))
            code = child(corpus, folder, Ticks(None))
            differing = ["did not finish"] if code else differences(expected, content_of(folder))
            wrong += differing
            print(
                f"{len(killed):3d} killed at {moment:4d} ({killed[-1]}): {'; '.join(differing[:3]) or 'the same'}"
            )
            shutil.rmtree(folder, ignore_errors=True)
        if options.chain:
            if child(corpus, folder, Ticks(None)):
                return 1
            wrong += differences(expected, content_of(folder))
        result = {
            "kills": len(killed),
            "at": dict(Counter(killed)),
            "steps": len(expected["steps"]),
            "compared": len(expected),
            "differences": len(wrong),
        }
        print(json.dumps(result))
        return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
