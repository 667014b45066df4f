"""Real processes for tests of several processes: a toy recipe, the launchers, and the files they leave."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from safetensors.numpy import load_file
from tests.training.parts import equal_states

from soritune.corpus.manifest import Manifest
from soritune.run_folder import RunFolder
from soritune.testing import tiny_config
from soritune.training.checkpoint import checkpoints

BIN = Path(sys.executable).parent
OBSERVED = Path(__file__).with_name("observed.py")
TRAIN = ["train", "toy.yaml", "--manifest", "ready/checked.parquet", "--splits", "ready/splits.parquet"]
LIMIT_S = 240.0
"""A launch that takes longer hangs."""


def toy_recipe(data: Manifest, **train: Any) -> dict[str, Any]:
    """Two tasks on a toy encoder, with dropout, changes of speed and SpecAugment; 4 micro-batches a step."""
    return {
        "name": "toy",
        "data": {"source": "manifest", "root": str(data.path)},
        "split": {"by": ["speaker"], "ratios": {"train": 0.6, "val": 0.2, "test": 0.2}},
        "tasks": {"phoneme": {}, "emotion": {"labels": ["Anxious", "Kind", "Dry"]}},
        "model": {
            "encoder": "none",
            "random_weights": True,
            "architecture": tiny_config(
                norm="layer", hidden_dropout=0.1, attention_dropout=0.1, activation_dropout=0.1
            ),
        },
        "augment": {"speed": {"probability": 0.8}, "spec_augment": {}},
        "batches": {
            "padded_seconds": 2.5,
            "micro_batches_per_step": 4,
            "num_workers": 0,
            "label_smoothing": 0.1,
        },
        "evaluate": {"resamples": 100},
        "train": {
            "learning_rate": 1e-3,
            "device": "cpu",
            "threads": 1,
            "epochs": 30,
            "max_steps": 50,
            **train,
        },
    }


@dataclass
class Ended:
    """How a launch ended."""

    code: int
    out: str
    err: str

    @property
    def errors(self) -> list[str]:
        """The error messages of soritune."""
        return [line for line in self.err.splitlines() if line.startswith("error: ")]

    @property
    def traces(self) -> int:
        """Tracebacks of soritune's processes; the launcher prints another one for each that failed."""
        return self.err.count("Traceback") - self.err.count("ChildFailedError:")


class Toy:
    """A folder with toy.yaml, in which processes are started."""

    def __init__(self, folder: Path, recipe: dict[str, Any]) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.save(recipe)

    def save(self, recipe: dict[str, Any]) -> None:
        (self.folder / "toy.yaml").write_text(yaml.safe_dump(recipe), encoding="utf-8")

    def recipe(self) -> dict[str, Any]:
        return dict(yaml.safe_load((self.folder / "toy.yaml").read_text(encoding="utf-8")))

    def environment(self, seen: str | None, sabotage: dict[str, Any] | None, **more: str) -> dict[str, str]:
        """Environment of the processes."""
        environment = {
            name: value for name, value in os.environ.items() if name not in ("RANK", "WORLD_SIZE")
        }
        environment |= {"OMP_NUM_THREADS": "1", "COLUMNS": "400", "HF_HUB_OFFLINE": "1", **more}
        if seen is not None:
            (self.folder / seen).mkdir(exist_ok=True)
            environment["OBSERVE"] = str(self.folder / seen)
        if sabotage is not None:
            environment["SABOTAGE"] = json.dumps(sabotage)
        return environment

    def start(
        self,
        words: list[str],
        processes: int = 2,
        *,
        seen: str | None = None,
        sabotage: dict[str, Any] | None = None,
        **environment: str,
    ) -> subprocess.Popen[str]:
        """Starts `soritune WORDS` in several processes by torchrun, or in one by Python."""
        launcher = [str(BIN / "torchrun"), "--standalone", "--nproc-per-node", str(processes)]
        return self.start_raw(
            [*(launcher if processes > 1 else [sys.executable]), str(OBSERVED), *words],
            self.environment(seen, sabotage, **environment),
        )

    def start_raw(self, command: list[str], environment: dict[str, str]) -> subprocess.Popen[str]:
        """Starts a separate process group, so that no process outlives the test."""
        return subprocess.Popen(
            command,
            cwd=self.folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(self, words: list[str], processes: int = 2, **more: Any) -> Ended:
        return wait(self.start(words, processes, **more))


def prepared_toy(data: Manifest, folder: Path) -> Toy:
    """A toy whose folder `ready` has checked and split rows; `TRAIN` trains on them."""
    toy = Toy(folder, toy_recipe(data, max_steps=12, save_every_steps=4))
    done = toy.run(["run", "toy.yaml", "-o", "ready", "train.max_steps=1"], 1)
    assert done.code == 0, done.err
    return toy


def wait(process: subprocess.Popen[str], limit_s: float = LIMIT_S) -> Ended:
    """Waits for a launch; one that hangs is ended, and fails the test.

    Raises:
        AssertionError: it hangs.
    """
    try:
        out, err = process.communicate(timeout=limit_s)
    except subprocess.TimeoutExpired:
        for pid in [*below(process.pid), process.pid]:
            kill(pid, signal.SIGKILL)
        out, err = process.communicate()
        raise AssertionError(f"still running after {limit_s} s:\n{out[-2000:]}\n{err[-4000:]}") from None
    return Ended(process.returncode, out, err)


def kill(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def below(pid: int) -> list[int]:
    """Processes that a process started, and those that they started."""
    listed = subprocess.run(["ps", "-e", "-o", "pid=,ppid="], capture_output=True, text=True, check=True)
    pairs = [tuple(map(int, line.split())) for line in listed.stdout.splitlines()]
    family = [pid]
    for parent in family:
        family += [child for child, its_parent in pairs if its_parent == parent]
    return family[1:]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def rows_seen(folder: Path, ranks: int) -> dict[tuple[int, int], list[list[int]]]:
    """(phase, step) to the rows of its micro-batches, of all ranks, in the plan's order."""
    parts = []
    for rank in range(ranks):
        lines = (folder / f"rows-{rank}.jsonl").read_text(encoding="utf-8").splitlines()
        parts.append({(phase, step): rows for phase, step, rows in map(json.loads, lines)})
    assert len({tuple(part) for part in parts}) == 1, "the ranks took different steps"
    return {
        key: [rows for together in zip(*(part[key] for part in parts), strict=True) for rows in together]
        for key in parts[0]
    }


def weights_of(folder: Path, rank: int = 0) -> dict[str, np.ndarray]:
    return load_file(folder / f"weights-{rank}.safetensors")


def events(run: Path, kind: str) -> list[dict[str, Any]]:
    lines = (run / "train.jsonl").read_text(encoding="utf-8").splitlines()
    return [event for event in map(json.loads, lines) if event["event"] == kind]


def are_alike(folder: Path) -> bool:
    """Whether both processes of a recorded launch end with the same weights."""
    return equal_states(*(weights_of(folder, rank) for rank in (0, 1)))


def state_of(run: Path) -> dict[str, Any]:
    """The progress in a run's newest checkpoint."""
    newest = checkpoints(RunFolder(run))[-1]
    return dict(json.loads((newest / "state.json").read_text(encoding="utf-8"))["progress"])


def largest_difference(first: dict[str, np.ndarray], second: dict[str, np.ndarray]) -> tuple[float, str]:
    """Largest |a − b| / max|b| over the tensors, and its name."""
    assert first.keys() == second.keys()
    return max(
        (float(np.abs(first[name] - second[name]).max() / max(np.abs(second[name]).max(), 1e-30)), name)
        for name in first
    )
