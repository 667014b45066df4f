"""Part of `bundled_encoder.py`: runs as processes side by side, what is kept of them, trainings that are timed."""

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
"""Written when a run is finished, judged and tidied."""
HEAVY = ("checkpoints", "bundles", "report.html", "manifest.parquet")
LOADS = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
TRAINED = re.compile(r"^\S+ \S+   (.+): ([\d,]+) of ([\d,]+) trained$", re.MULTILINE)


class Queue:
    """Starts runs as long as there is time, at most `jobs` at once."""

    def __init__(self, work: Path, asked: argparse.Namespace, began: float) -> None:
        self.work, self.asked, self.began = work, asked, began
        self.lock = threading.Lock()
        self.left = 0
        self.failed: dict[str, str] = {}
        """Name of a run → the end of what it said."""
        self.skipped: list[str] = []
        """Runs that a deadline left out or cut off."""

    def seconds(self) -> float:
        """Since the script began."""
        return time.monotonic() - self.began

    def say(self, text: str) -> None:
        """A line of progress."""
        with self.lock:
            print(f"{self.seconds():6.0f} s  {text}", flush=True)

    def all(self, runs: list[Run]) -> None:
        """Does what is not done yet."""
        due = [run for run in runs if not (self.work / "runs" / run.name / DONE).exists()]
        self.left = len(due)
        self.say(
            f"{len(runs)} runs, {len(runs) - len(due)} of them finished before; {self.asked.jobs} at once"
        )
        with ThreadPoolExecutor(self.asked.jobs) as pool:
            list(pool.map(self._one, due))

    def _one(self, run: Run) -> None:
        folder = self.work / "runs" / run.name
        if self.asked.deadline_s and self.seconds() > self.asked.deadline_s:
            self.skipped.append(run.name)
            return
        if folder.exists() and not run.goes_on:
            shutil.rmtree(folder)
        began = time.monotonic()
        code = self.call(run.command, self.work / "logs" / f"{run.name}.log")
        took = time.monotonic() - began
        with self.lock:
            self.left -= 1
        if code is None:
            self.skipped.append(run.name)
            self.say(f"{run.name}: stopped at --stop-s")
        elif code:
            self.failed[run.name] = tail(self.work / "logs" / f"{run.name}.log")
            self.say(f"{run.name}: FAILED ({code}): {self.failed[run.name]}")
        else:
            record = {"name": run.name, "what": run.what, "start": run.start, "seed": run.seed}
            record |= {
                "command": ["soritune", *run.command],
                "wall_s": round(took, 1),
                "jobs": self.asked.jobs,
            }
            record |= trained(folder)
            if not self.asked.keep_weights:
                tidy(folder)
            write_json(folder / DONE, record)
            self.say(f"{run.name}: done in {took:.0f} s; {said(folder)}; {self.left} left")

    def call(self, command: tuple[str, ...], log: Path) -> int | None:
        """Exit code of a command of soritune; None where it was stopped because the time was over."""
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("a", encoding="utf-8") as out:
            process = subprocess.Popen(
                [sys.executable, "-m", "soritune", *command],
                stdout=out,
                stderr=subprocess.STDOUT,
                env=os.environ | LOADS,
            )
            try:
                left = None if not self.asked.stop_s else max(1.0, self.asked.stop_s - self.seconds())
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
                self.work / "runs" / (f"phones-{ADAPTED}-{start}-s{self.asked.seeds[0]}"),
            )
            if (folder / DONE).exists():
                continue
            over = self.asked.deadline_s and self.seconds() > self.asked.deadline_s
            if over or not (given / "checked.parquet").exists():
                self.skipped.append(name)
                continue
            if folder.exists():
                shutil.rmtree(folder)
            recipe = recipe_of("phones", ADAPTED, start, self.asked, self.work)
            command = ["train", str(recipe), "--manifest", str(given / "checked.parquet")]
            command += ["--splits", str(given / "fold-01" / "splits.parquet"), "-o", str(folder), "--json"]
            command += ["train.log_every_steps=1"]
            if self.asked.timed_steps:
                command.append(f"train.max_steps={self.asked.timed_steps}")
            if code := self.call(tuple(command), self.work / "logs" / f"{name}.log"):
                self.failed[name] = tail(self.work / "logs" / f"{name}.log")
                self.say(f"{name}: FAILED ({code}): {self.failed[name]}")
                continue
            if not (folder / "bundles" / "last").exists():
                self.skipped.append(name)
                continue
            record: dict[str, Any] = {"name": name, "method": method, "command": ["soritune", *command]}
            record |= trained(folder) | {"s_per_step": pace(folder / "train.jsonl")}
            if not self.asked.keep_weights:
                tidy(folder)
            write_json(folder / DONE, record)
            self.say(f"{name}: {1000 * record['s_per_step']:.0f} ms a step alone")


def trained(folder: Path) -> dict[str, Any]:
    """What the trainings in a folder say of themselves: seconds, steps, weights trained, size of a bundle."""
    parts = [part for part in sorted(folder.glob("fold-*")) or [folder] if (part / "train.jsonl").exists()]
    found: dict[str, Any] = {"train_s": [], "steps": []}
    for part in parts:
        events = [json.loads(line) for line in (part / "train.jsonl").read_text("utf-8").splitlines()]
        ends = [event for event in events if event["event"] == "end"]
        found["train_s"].append(ends[-1]["seconds"] if ends else None)
        found["steps"].append(ends[-1]["step"] if ends else None)
        start = next(event for event in events if event["event"] == "start")
        found |= {"device": start["device"], "precision": start["precision"]}
        rows = TRAINED.findall((part / "train.log").read_text("utf-8"))
        count = {part_name: (int(a.replace(",", "")), int(b.replace(",", ""))) for part_name, a, b in rows}
        found["trainable"] = sum(own for own, _ in count.values())
        found["parameters"] = sum(every for _, every in count.values())
        bundle = part / "bundles" / "last"
        if bundle.is_dir():
            found["bundle_bytes"] = sum(file.stat().st_size for file in bundle.iterdir())
    return found if parts else {}


def pace(log: Path) -> float:
    """Seconds a step, from the log of a training that logs every step; the first fifth warms up."""
    times = [
        event["time"]
        for event in map(json.loads, log.read_text("utf-8").splitlines())
        if event["event"] == "step"
    ]
    first = len(times) // 5
    return float((times[-1] - times[first]) / max(len(times) - 1 - first, 1))


def tidy(folder: Path) -> None:
    """Takes away weights and what can be made again; predictions, scores, splits and logs stay."""
    for part in (folder, *folder.glob("fold-*")):
        for name in HEAVY:
            place = part / name
            if place.is_dir():
                shutil.rmtree(place)
            elif place.exists():
                place.unlink()


def said(folder: Path) -> str:
    """The primary metric of a run, in words."""
    file = next(iter(sorted(folder.glob("scores*.json"))), None)
    if file is None:
        return "no scores"
    tasks = json.loads(file.read_text("utf-8"))["tasks"]
    words = []
    for task in tasks.values():
        metric = task["primary_metric"]["name"]
        value = task["rates"][metric]["value"]
        words.append(f"{metric} {'–' if value is None else f'{100 * value:.1f} %'}")
    return ", ".join(words)


def tail(log: Path) -> str:
    """The last lines of a log."""
    return " / ".join(log.read_text("utf-8", errors="replace").strip().splitlines()[-3:])[-600:]


def write_json(path: Path, content: Any) -> None:
    """At once or not at all."""
    write_text(path, json.dumps(content, ensure_ascii=False, indent=1) + "\n")
