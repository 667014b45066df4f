"""Part of `two_checkouts.py`: training steps and predictions of two checkouts, timed in alternation."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from two_checkouts_capture import MODEL, RECORDER, Checkout, FailedError
from two_checkouts_inputs import write_real

TOLERANCE = 0.05
"""Medians are equal if their ratio differs from 1 by at most this."""
FEWEST = 3
"""Minimum number of runs of each side for a verdict."""
MANY, SINGLE = "predict, {} clips", "predict, 1 clip (start-up)"
Seconds = tuple[float, float]
"""Wall clock and CPU time."""


def measure_speed(
    before: Checkout,
    after: Checkout,
    data: Path,
    work: Path,
    *,
    runs: int,
    steps: int,
    clips: int,
    threads: int,
) -> list[dict[str, Any]]:
    """Times both checkouts in alternation; every second round starts with the other one.

    Args:
        before, after: the checkouts.
        data: folder with the real corpora.
        work: a new folder for manifests and runs.
        runs: runs of each checkout.
        steps: optimizer steps of a training; the first fifth is not timed.
        clips: clips of the long prediction; the real ones are repeated.
        threads: threads of torch.

    Returns:
        A table per measurement and clock: all values, the medians, their ratio, a verdict.
    """
    work.mkdir(parents=True, exist_ok=True)
    corpus, many, single = (work / f"{name}.jsonl" for name in ("corpus", "many", "single"))
    write_real(corpus, data, None)
    write_real(many, data, None, repeated_to=clips)
    write_real(single, data, 1)
    timed: dict[str, Callable[[Checkout], Seconds]] = {
        "training step": lambda side: _step(side, corpus, work, steps, threads),
        MANY.format(clips): lambda side: _predict(side, many, work, threads),
        SINGLE: lambda side: _predict(side, single, work, threads),
    }
    values: dict[tuple[str, str], list[Seconds]] = {}
    for number in range(runs):
        for name, measure in timed.items():
            for side in (before, after) if number % 2 == 0 else (after, before):
                seconds = measure(side)
                values.setdefault((name, side.name), []).append(seconds)
                text = f"{side.name:6}  speed  {number + 1} of {runs}  {name:28}"
                print(f"{text} {seconds[0]:8.3f} s, {seconds[1]:8.3f} s CPU", file=sys.stderr, flush=True)
    tables = []
    for name in timed:
        for index, clock in enumerate(("wall", "CPU")):
            sides = [[seconds[index] for seconds in values[name, side]] for side in ("before", "after")]
            tables.append({"what": name, "clock": clock, **judge(*sides)})
    return tables


def judge(before: list[float], after: list[float]) -> dict[str, Any]:
    """Medians, the ratio after / before, and a verdict.

    Medians are equal if they differ by at most 5 %, or if each is between the other side's smallest and largest value.
    """
    medians = statistics.median(before), statistics.median(after)
    ratio = medians[1] / medians[0]
    overlap = min(after) <= medians[0] <= max(after) and min(before) <= medians[1] <= max(before)
    if abs(ratio - 1) <= TOLERANCE:
        verdict = "equal within 5 %"
    elif len(before) < FEWEST or len(after) < FEWEST:
        verdict = "too few runs"
    elif overlap:
        verdict = "equal within the spread"
    else:
        verdict = "slower" if ratio > 1 else "faster"
    return {"before": before, "after": after, "medians": medians, "ratio": ratio, "verdict": verdict}


def _step(side: Checkout, corpus: Path, work: Path, steps: int, threads: int) -> Seconds:
    """Mean seconds of a step of `quickstart` with data loading, without evaluations and checkpoints."""
    record, run = work / "steps.json", work / f"run-{time.time_ns()}"
    settings = (
        f"data={corpus}",
        "data.source=manifest",
        # The same model in both checkouts, whichever model of the package their `quickstart` starts from.
        "model.encoder=soritune/tiny-ko",
        "model.freeze={feature_encoder: false}",
        "tasks.phoneme={inventory: korean, boundary: word}",
        "batches.encoder_states=null",
        "batches.padded_seconds=16",
        "batches.num_workers=0",
        "train.device=cpu",
        f"train.threads={threads}",
        "train.epochs=1000",
        f"train.max_steps={steps + 1}",
        "train.evaluate_every_steps=1000000",
        f"train.log_every_steps={steps + 2}",
    )
    side.python(
        RECORDER,
        record,
        str(steps),
        "run",
        "quickstart",
        *settings,
        "--output",
        run,
        "--json",
        threads=threads,
    )
    times = json.loads(record.read_text(encoding="utf-8"))
    first = max(steps // 5, 1)
    (wall, cpu), (last_wall, last_cpu) = times[first - 1], times[-1]
    return (last_wall - wall) / (steps - first), (last_cpu - cpu) / (steps - first)


def _predict(side: Checkout, manifest: Path, work: Path, threads: int) -> Seconds:
    """Seconds of the command `predict` from start to end."""
    command = ["predict", "-b", MODEL, "--manifest", str(manifest), "-o", str(work / "predictions.jsonl")]
    started = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-m", "soritune", *command, "--device", "cpu", "--json"],
        cwd=work,
        env=side.environment(threads),
        stdout=subprocess.DEVNULL,
    )
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise FailedError(f"soritune {' '.join(command)}: exit code {process.returncode}")
    return wall, usage.ru_utime + usage.ru_stime
