"""Faults in one of two processes: neither hangs, both stop or continue alike, and one message states why."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
from tests.training.launching import (
    Ended,
    Toy,
    below,
    events,
    kill,
    pid_of_rank,
    rows_seen,
    toy_recipe,
    wait,
    weights_of,
)
from tests.training.parts import equal_states

from soritune.corpus.checks import read_quarantine
from soritune.corpus.manifest import Manifest, load_manifest
from soritune.corpus.splitting.splits import load_splits
from soritune.run_folder import RunFolder
from soritune.training.checkpoint import checkpoints

pytestmark = pytest.mark.slow
TRAIN = ["train", "toy.yaml", "--manifest", "ready/checked.parquet", "--splits", "ready/splits.parquet"]


@pytest.fixture(scope="module")
def toy(tones: Manifest, tmp_path_factory: pytest.TempPathFactory) -> Toy:
    """The corpus is already prepared."""
    made = Toy(tmp_path_factory.mktemp("faults"), toy_recipe(tones, max_steps=12, save_every_steps=4))
    done = made.run(["run", "toy.yaml", "-o", "ready", "train.max_steps=1"], 1)
    assert done.code == 0, done.err
    return made


def alike(toy: Toy, seen: str) -> bool:
    return equal_states(*(weights_of(toy.folder / seen, rank) for rank in (0, 1)))


def state_of(run: Path) -> dict[str, object]:
    newest = checkpoints(RunFolder(run))[-1]
    state = json.loads((newest / "state.json").read_text(encoding="utf-8"))
    return dict(state["progress"])


def until(process: subprocess.Popen[str], run: Path, steps: int, limit_s: float = 120.0) -> None:
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


def test_row_that_one_process_cannot_read_has_no_weight(toy: Toy) -> None:
    rows = toy.folder / "ready"
    manifest = load_manifest(rows / "checked.parquet")
    row = int(load_splits(rows / "splits.parquet").indices(manifest, "train")[0])
    bad = {"rank": 1, "what": "unreadable", "row": row}
    done = toy.run([*TRAIN, "-o", "row", "train.max_failed_share=0.5"], seen="seen-row", sabotage=bad)
    assert done.code == 0, done.err
    assert alike(toy, "seen-row")
    assert events(toy.folder / "row", "end")[0]["step"] == 12
    quarantined = read_quarantine(toy.folder / "row" / "quarantine.jsonl")
    assert [(each.id, each.reason) for each in quarantined if each.stage == "training"] == [
        (manifest.utterance(row).id, "cannot be read on this machine")
    ]


def test_too_many_unreadable_rows_stop_both_with_one_message(toy: Toy) -> None:
    bad = {"rank": 1, "what": "unreadable", "row": "all"}
    done = toy.run([*TRAIN, "-o", "rows"], seen="seen-rows", sabotage=bad)
    assert done.code != 0
    assert len(done.errors) == 1 and "train.max_failed_share" in done.errors[0], done.err
    assert done.traces == 0


def test_step_that_is_not_finite_on_one_process_is_skipped_on_both(toy: Toy) -> None:
    bad = {"rank": 1, "what": "not_finite", "steps": [3, 7]}
    done = toy.run([*TRAIN, "-o", "nan"], seen="seen-nan", sabotage=bad)
    assert done.code == 0, done.err
    assert alike(toy, "seen-nan")
    assert all(np.isfinite(value).all() for value in weights_of(toy.folder / "seen-nan").values())
    assert state_of(toy.folder / "nan")["non_finite_steps"] == 2
    log = (toy.folder / "nan" / "train.log").read_text(encoding="utf-8")
    assert log.count("skipped, loss or gradient not finite") == 2
    assert "step 4 skipped" in log and "step 8 skipped" in log


def test_too_many_steps_that_are_not_finite_stop_both(toy: Toy) -> None:
    bad = {"rank": 1, "what": "not_finite", "steps": list(range(12))}
    done = toy.run(
        [*TRAIN, "-o", "nans", "train.max_non_finite_steps=2", "train.log_every_steps=1"],
        seen="seen-nans",
        sabotage=bad,
    )
    assert done.code != 0
    assert len(done.errors) == 1, done.err
    assert "3 steps had a loss or gradient that is not finite, the last with rows s" in done.errors[0]
    assert done.traces == 0
    assert alike(toy, "seen-nans")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_to_one_process_stops_both_at_the_same_step(number: signal.Signals, toy: Toy) -> None:
    run = f"stop-{number}"
    sent = {"rank": 1, "what": "at_step", "done": 5, "signal_number": int(number)}
    done = toy.run([*TRAIN, "-o", run], seen=f"seen-{run}", sabotage=sent)
    assert done.code != 0
    assert done.errors == [] and done.traces == 0, done.err
    assert alike(toy, f"seen-{run}")
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
    began = time.monotonic()
    done = wait(process, 60)
    assert time.monotonic() - began < 45
    assert done.code != 0
    assert done.errors == [], done.err
    last = events(toy.folder / run, "end")[0]
    assert last["stopped"] == "interrupted"
    assert state_of(toy.folder / run)["step"] == last["step"]


def test_killed_process_ends_the_other(toy: Toy) -> None:
    run = toy.folder / "killed"
    words = [*TRAIN, "-o", "killed", "train.max_steps=100000", "train.epochs=100000"]
    words += ["train.log_every_steps=1", "train.evaluate_every_steps=100000"]
    process = toy.start(words)
    until(process, run, 9)
    pid = pid_of_rank(process.pid, 1)
    assert pid is not None
    kill(pid, signal.SIGKILL)
    began = time.monotonic()
    done = wait(process, 60)
    print(f"all ended {time.monotonic() - began:.1f} s after the kill")  # noqa: T201
    assert time.monotonic() - began < 20
    assert done.code != 0
    assert done.traces == 0, done.err
    assert len(done.errors) == 1 and "another process of this run has stopped" in done.errors[0], done.err
    assert checkpoints(RunFolder(run))


def test_process_that_does_not_answer_ends_the_other_after_the_timeout(toy: Toy) -> None:
    """It is frozen, not dead: its connections stay open, so only the timeout detects it."""
    run = toy.folder / "frozen"
    words = [*TRAIN, "-o", "frozen", "train.max_steps=100000", "train.epochs=100000"]
    words += ["train.log_every_steps=1", "train.evaluate_every_steps=100000"]
    process = toy.start(words, SORITUNE_PROCESS_TIMEOUT_S="8", TORCH_ELASTIC_SHUTDOWN_TIMEOUT="5")
    until(process, run, 5)
    pid = pid_of_rank(process.pid, 1)
    assert pid is not None
    kill(pid, signal.SIGSTOP)
    began = time.monotonic()
    done = wait(process, 90)
    print(f"all ended {time.monotonic() - began:.1f} s after the freeze")  # noqa: T201
    assert 7 < time.monotonic() - began < 45
    assert done.code != 0
    assert len(done.errors) == 1, done.err
    assert "has not answered for 8 s (SORITUNE_PROCESS_TIMEOUT_S)" in done.errors[0]
    assert below(process.pid) == []


def test_checkpoint_that_cannot_be_written_stops_both(toy: Toy) -> None:
    done = toy.run(
        [*TRAIN, "-o", "full"], seen="seen-full", sabotage={"rank": 0, "what": "full_disk", "step_of_run": 8}
    )
    assert done.code != 0
    assert done.traces == 0, done.err
    assert len(done.errors) == 1, done.err
    assert "No space left on device" in done.errors[0] and "step-4 is whole" in done.errors[0]
    assert [path.name for path in checkpoints(RunFolder(toy.folder / "full"))][-1] == "step-4"
    again = toy.run([*TRAIN, "-o", "full", "--resume"])
    assert again.code == 0, again.err


def test_failure_inside_one_process_ends_the_other(toy: Toy) -> None:
    """A defect: its traceback is shown, and the other process adds no message."""
    done = toy.run([*TRAIN, "-o", "broken"], sabotage={"rank": 1, "what": "at_step", "done": 5})
    assert done.code != 0
    assert "Input/output error" in done.err
    assert len(done.errors) <= 1


def starts(toy: Toy, words: list[str], **more: object) -> Ended:
    began = time.monotonic()
    done = toy.run(words, **more)
    print(f"ended after {time.monotonic() - began:.1f} s")  # noqa: T201
    return done


def test_start_that_fails_on_one_process_ends_the_other(toy: Toy) -> None:
    missing = {"rank": 1, "what": "missing_recipe"}
    done = starts(toy, [*TRAIN, "-o", "start"], sabotage=missing)
    assert done.code != 0
    assert done.traces == 0, done.err
    assert len(done.errors) == 1 and "toy.yaml" in done.errors[0], done.err
    assert not (toy.folder / "start" / "train.jsonl").exists()


def test_process_that_ends_before_connecting_stops_the_run(toy: Toy) -> None:
    done = starts(toy, [*TRAIN, "-o", "early"], sabotage={"rank": 1, "what": "killed_at_start"})
    assert done.code != 0
    assert not (toy.folder / "early").exists()


def test_processes_with_different_data_do_not_train(toy: Toy) -> None:
    done = starts(toy, [*TRAIN, "-o", "differ"], sabotage={"rank": 1, "what": "other_seed"})
    assert done.code != 0
    assert len(done.errors) == 1 and "is not the same on all 2 processes" in done.errors[0], done.err


def test_failed_preparation_ends_all_with_one_message(toy: Toy) -> None:
    bad = {"rank": 0, "what": "slow_prepare", "seconds": 3, "fail": True}
    done = toy.run(["run", "toy.yaml", "-o", "unprepared"], sabotage=bad)
    assert done.code != 0
    assert done.traces == 0, done.err
    assert len(done.errors) == 1 and done.errors[0].endswith("the corpus disappeared while it was read")
