"""One of two processes is interrupted, killed or frozen: both stop, and at most one message states why."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
from tests.training.launching import (
    LIMIT_S,
    TRAIN,
    Toy,
    are_alike,
    below,
    events,
    prepared_toy,
    rows_seen,
    state_of,
    wait,
)

from soritune.corpus.manifest import Manifest
from soritune.run_folder import RunFolder
from soritune.training.checkpoint import checkpoints

pytestmark = pytest.mark.slow(seconds=10)


@pytest.fixture(scope="module")
def toy(tones: Manifest, tmp_path_factory: pytest.TempPathFactory) -> Toy:
    """The corpus is already prepared."""
    return prepared_toy(tones, tmp_path_factory.mktemp("stops"))


def until(process: subprocess.Popen[str], run: Path, steps: int, limit_s: float = LIMIT_S) -> None:
    """Waits until a run has logged this number of steps."""
    began = time.monotonic()
    while time.monotonic() - began < limit_s:
        if (run / "train.jsonl").exists() and len(events_so_far(run)) >= steps:
            return
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    raise AssertionError(f"not {steps} steps after {limit_s} s")


def events_so_far(run: Path) -> list[dict[str, object]]:
    lines = (run / "train.jsonl").read_text(encoding="utf-8").split("\n")[:-1]
    return [event for event in map(json.loads, lines) if event["event"] == "step"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_to_one_process_stops_both_at_the_same_step(number: signal.Signals, toy: Toy) -> None:
    run = f"stop-{number}"
    sent = {"rank": 1, "what": "at_step", "done": 5, "signal_number": int(number)}
    done = toy.run([*TRAIN, "-o", run], seen=f"seen-{run}", sabotage=sent)
    assert done.code != 0
    assert done.errors == [] and done.traces == 0, done.err
    assert are_alike(toy.folder / f"seen-{run}")
    last = events(toy.folder / run, "end")[0]
    assert (last["stopped"], last["step"]) == ("interrupted", 6)
    assert state_of(toy.folder / run)["step"] == 6
    seen = rows_seen(toy.folder / f"seen-{run}", 2)  # asserts that both took the same steps
    assert len(seen) == 6
    again = toy.run([*TRAIN, "-o", run, "--resume"], seen=f"seen-{run}-2")
    assert again.code == 0, again.err
    assert len(rows_seen(toy.folder / f"seen-{run}-2", 2)) == 6


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_to_the_launcher_leaves_a_checkpoint(number: signal.Signals, toy: Toy) -> None:
    run = f"ctrl-c-{number}"
    words = [*TRAIN, "-o", run, "train.max_steps=100000", "train.epochs=100000", "train.log_every_steps=1"]
    words += ["train.save_every_steps=100000", "train.evaluate_every_steps=100000"]
    process = toy.start(words)
    until(process, toy.folder / run, 5)
    os.killpg(process.pid, number)
    done = wait(process)
    assert done.code != 0
    assert done.errors == [], done.err
    last = events(toy.folder / run, "end")[0]
    assert last["stopped"] == "interrupted"
    assert state_of(toy.folder / run)["step"] == last["step"]


def test_killed_process_ends_the_other(toy: Toy) -> None:
    """The other does not wait for its timeout of half an hour."""
    sent = {"rank": 1, "what": "at_step", "done": 9, "signal_number": int(signal.SIGKILL)}
    done = toy.run([*TRAIN, "-o", "killed", "train.evaluate_every_steps=100"], sabotage=sent)
    assert done.code != 0
    assert done.traces == 0, done.err
    assert len(done.errors) == 1 and "another process of this run has stopped" in done.errors[0], done.err
    assert [path.name for path in checkpoints(RunFolder(toy.folder / "killed"))][-1] == "step-8"


@pytest.mark.long
def test_process_that_does_not_answer_ends_the_other_after_the_timeout(toy: Toy) -> None:
    """It is frozen, not dead: its connections stay open, so only the timeout detects it."""
    frozen = {"rank": "all", "what": "after_step", "done": 4, "timeout_s": 5, "freeze_rank": 1}
    words = [*TRAIN, "-o", "frozen", "train.log_every_steps=100", "train.evaluate_every_steps=100"]
    process = toy.start(words, sabotage=frozen, TORCH_ELASTIC_SHUTDOWN_TIMEOUT="5")
    done = wait(process)
    assert done.code != 0
    assert len(done.errors) == 1, done.err
    assert "has not answered for 5 s (SORITUNE_PROCESS_TIMEOUT_S)" in done.errors[0]
    assert below(process.pid) == []


def test_failure_inside_one_process_ends_the_other(toy: Toy) -> None:
    """A defect: its traceback is shown, and the other process adds no message."""
    done = toy.run([*TRAIN, "-o", "broken"], sabotage={"rank": 1, "what": "at_step", "done": 5})
    assert done.code != 0
    assert "Input/output error" in done.err
    assert len(done.errors) <= 1


def test_process_that_ends_before_connecting_stops_the_run(toy: Toy) -> None:
    done = toy.run([*TRAIN, "-o", "early"], sabotage={"rank": 1, "what": "killed_at_start"})
    assert done.code != 0
    assert not (toy.folder / "early").exists()
