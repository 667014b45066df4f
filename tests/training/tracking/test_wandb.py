from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import pytest
from tests.training.tracking.recorded_libraries import RecordedWandb, installed, named

from soritune.training.tracking import wandb
from soritune.training.tracking.tracker import TrackedRun, make_tracker

RUN = TrackedRun(Path("runs/first"), id="0a1b2c3d", name="first")


def test_run_is_found_again_by_its_id(monkeypatch: pytest.MonkeyPatch) -> None:
    library = installed(monkeypatch, RecordedWandb())
    tracker = make_tracker("wandb", {"mode": "offline", "entity": "team", "tags": ["a"], "notes": "n"})
    assert tracker.start(RUN) == "wandb: run 0a1b2c3d, offline in somewhere"
    assert make_tracker("wandb", {}).start(replace(RUN, step=0)) == "wandb: https://wandb.example/0a1b2c3d"
    begun, resumed = named(library, "init")
    assert "resume" not in begun and resumed["resume"] == "allow"
    assert begun["id"] == resumed["id"] == "0a1b2c3d"
    assert begun["dir"] == str(Path("runs/first"))
    assert (begun["entity"], begun["mode"], begun["tags"], begun["notes"]) == ("team", "offline", ["a"], "n")
    assert not {"entity", "mode", "tags", "notes"} & resumed.keys()


@pytest.mark.parametrize(("failed", "code"), [(False, 0), (True, 1)])
def test_exit_code_tells_whether_the_training_failed(
    failed: bool, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = installed(monkeypatch, RecordedWandb())
    tracker = make_tracker("wandb", {})
    tracker.start(RUN)
    tracker.finish(failed=failed)
    assert named(library, "finish") == [{"exit_code": code}]


def test_end_of_a_run_is_not_waited_for_without_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch, RecordedWandb())
    monkeypatch.setattr(wandb, "FINISH_TIMEOUT_S", 0.01)
    tracker = make_tracker("wandb", {})
    tracker.start(RUN)
    release = threading.Event()
    tracker._run.finish = lambda exit_code: release.wait(30)
    with pytest.raises(TimeoutError, match="wandb sync"):
        tracker.finish(failed=False)
    release.set()


def test_error_at_the_end_of_a_run_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch, RecordedWandb())
    tracker = make_tracker("wandb", {})
    tracker.start(RUN)
    tracker._run.finish = lambda: None  # does not take the exit code
    with pytest.raises(TypeError, match="exit_code"):
        tracker.finish(failed=False)
