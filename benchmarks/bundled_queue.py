"""Part of `bundled_encoder.py`: parallel runs, their records, and timed trainings."""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from bundled_runs import ADAPTED, METHODS, Run, recipe_of

from soritune.whole_file import write_text

DONE = "record.json"
"""Written when a run is finished, evaluated and cleaned up."""
HEAVY = ("checkpoints", "bundles", "report.html", "manifest.parquet")
LOADS = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
TRAINED = re.compile(r"^\S+ \S+   (.+): ([\d,]+) of ([\d,]+) trained$", re.MULTILINE)


class Queue:
    """Starts runs until the deadline, at most `jobs` in parallel."""

    def __init__(self, work: Path, options: argparse.Namespace, started_s: float) -> None:
        self.work, self.options, self.started_s = work, options, started_s
        self.lock = threading.Lock()
        self.left = 0
        self.failed: dict[str, str] = {}
        """Name of a run → the last lines of its log."""
        self.skipped: list[str] = []
        """Runs that were skipped or stopped by a deadline."""

    def seconds(self) -> float:
        """Seconds since the script started."""
        return time.monotonic() - self.started_s

    def report(self, text: str) -> None:
        """Prints a line of progress."""
        with self.lock:
            print(f"{self.seconds():6.0f} s  {text}", flush=True)

    def all(self, runs: list[Run]) -> None:
        """Runs those that are not finished."""
        pending = [run for run in runs if not (self.work / "runs" / run.name / DONE).exists()]
        self.left = len(pending)
        self.report(
            f"{len(runs)} runs, {len(runs) - len(pending)} of them already finished; {self.options.jobs} in parallel"
        )
        with ThreadPoolExecutor(self.options.jobs) as pool:
            list(pool.map(self._one, pending))

    def _one(self, run: Run) -> None:
        folder = self.work / "runs" / run.name
        if self.options.deadline_s and self.seconds() > self.options.deadline_s:
            self.skipped.append(run.name)
            return
        if folder.exists() and not run.resumes:
            shutil.rmtree(folder)
        started = time.monotonic()
        code = self.call(run.command, self.work / "logs" / f"{run.name}.log")
        seconds = time.monotonic() - started
        with self.lock:
            self.left -= 1
        if code is None:
            self.skipped.append(run.name)
            self.report(f"{run.name}: stopped at --stop-s")
        elif code:
            self.failed[run.name] = tail(self.work / "logs" / f"{run.name}.log")
            self.report(f"{run.name}: FAILED ({code}): {self.failed[run.name]}")
        else:
            record = {"name": run.name, "what": run.what, "start": run.start, "seed": run.seed}
            record |= {
                "command": ["soritune", *run.command],
                "wall_s": round(seconds, 1),
                "jobs": self.options.jobs,
            }
            record |= trained(folder)
            if not self.options.keep_weights:
                clean_up(folder)
            write_json(folder / DONE, record)
            self.report(f"{run.name}: done in {seconds:.0f} s; {primary_metric(folder)}; {self.left} left")

    def call(self, command: tuple[str, ...], log: Path) -> int | None:
        """Exit code of a soritune command; None if it was stopped at the time limit."""
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("a", encoding="utf-8") as out:
            process = subprocess.Popen(
                [sys.executable, "-m", "soritune", *command],
                stdout=out,
                stderr=subprocess.STDOUT,
                env=os.environ | LOADS,
            )
            try:
                left = None if not self.options.stop_s else max(1.0, self.options.stop_s - self.seconds())
                return process.wait(timeout=left)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                return None

    def timing(self) -> None:
        """Trains the first fold of each way of adaptation, alone on the machine, one after the other."""
        for method, start in METHODS.items():
            name = f"timing-{method}"
            folder, given = (
                self.work / "runs" / name,
                self.work / "runs" / (f"phones-{ADAPTED}-{start}-s{self.options.seeds[0]}"),
            )
            if (folder / DONE).exists():
                continue
            over = self.options.deadline_s and self.seconds() > self.options.deadline_s
            if over or not (given / "checked.parquet").exists():
                self.skipped.append(name)
                continue
            if folder.exists():
                shutil.rmtree(folder)
            recipe = recipe_of("phones", ADAPTED, start, self.options, self.work)
            command = ["train", str(recipe), "--manifest", str(given / "checked.parquet")]
            command += ["--splits", str(given / "fold-01" / "splits.parquet"), "-o", str(folder), "--json"]
            command += ["train.log_every_steps=1"]
            if self.options.timed_steps:
                command.append(f"train.max_steps={self.options.timed_steps}")
            if code := self.call(tuple(command), self.work / "logs" / f"{name}.log"):
                self.failed[name] = tail(self.work / "logs" / f"{name}.log")
                self.report(f"{name}: FAILED ({code}): {self.failed[name]}")
                continue
            if not (folder / "bundles" / "last").exists():
                self.skipped.append(name)
                continue
            record: dict[str, Any] = {"name": name, "method": method, "command": ["soritune", *command]}
            record |= trained(folder) | {"s_per_step": pace(folder / "train.jsonl")}
            if not self.options.keep_weights:
                clean_up(folder)
            write_json(folder / DONE, record)
            self.report(f"{name}: {1000 * record['s_per_step']:.0f} ms per step alone")


def trained(folder: Path) -> dict[str, Any]:
    """Facts from the logs of the trainings in a folder: seconds, steps, trained weights, size of a bundle."""
    parts = [part for part in sorted(folder.glob("fold-*")) or [folder] if (part / "train.jsonl").exists()]
    facts: dict[str, Any] = {"train_s": [], "steps": []}
    for part in parts:
        events = [json.loads(line) for line in (part / "train.jsonl").read_text("utf-8").splitlines()]
        ends = [event for event in events if event["event"] == "end"]
        facts["train_s"].append(ends[-1]["seconds"] if ends else None)
        facts["steps"].append(ends[-1]["step"] if ends else None)
        start = next(event for event in events if event["event"] == "start")
        facts |= {"device": start["device"], "precision": start["precision"]}
        rows = TRAINED.findall((part / "train.log").read_text("utf-8"))
        counts = {part_name: (int(a.replace(",", "")), int(b.replace(",", ""))) for part_name, a, b in rows}
        facts["trainable"] = sum(trainable for trainable, _ in counts.values())
        facts["parameters"] = sum(parameters for _, parameters in counts.values())
        bundle = part / "bundles" / "last"
        if bundle.is_dir():
            facts["bundle_bytes"] = sum(file.stat().st_size for file in bundle.iterdir())
    return facts if parts else {}


def pace(log: Path) -> float:
    """Seconds per step, from the log of a training that logs every step; the first fifth is warm-up."""
    times = [
        event["time"]
        for event in map(json.loads, log.read_text("utf-8").splitlines())
        if event["event"] == "step"
    ]
    first = len(times) // 5
    return float((times[-1] - times[first]) / max(len(times) - 1 - first, 1))


def clean_up(folder: Path) -> None:
    """Removes weights and reproducible files; keeps predictions, scores, splits and logs."""
    for part in (folder, *folder.glob("fold-*")):
        for name in HEAVY:
            path = part / name
            if path.is_dir():
                shutil.rmtree(path)
            elif path.exists():
                path.unlink()


def primary_metric(folder: Path) -> str:
    """The primary metric of each task of a run, as text."""
    file = next(iter(sorted(folder.glob("scores*.json"))), None)
    if file is None:
        return "no scores"
    tasks = json.loads(file.read_text("utf-8"))["tasks"]
    parts = []
    for task in tasks.values():
        metric = task["primary_metric"]["name"]
        value = task["rates"][metric]["value"]
        parts.append(f"{metric} {'–' if value is None else f'{100 * value:.1f} %'}")
    return ", ".join(parts)


def tail(log: Path) -> str:
    """The last lines of a log."""
    return " / ".join(log.read_text("utf-8", errors="replace").strip().splitlines()[-3:])[-600:]


def write_json(path: Path, content: Any) -> None:
    """Writes the file whole or not at all."""
    write_text(path, json.dumps(content, ensure_ascii=False, indent=1) + "\n")
