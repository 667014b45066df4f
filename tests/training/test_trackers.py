from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from tests.training.parts import interrupted_at
from tests.training.tracking.recorded_libraries import RecordedTrackio, RecordedWandb, installed, named

from soritune.errors import TrainingError
from soritune.run_folder import RunFolder
from soritune.training.checkpoint import checkpoints
from soritune.training.log import RunLog, read_events
from soritune.training.loop import train
from soritune.training.run import TrainingRun
from soritune.training.trackers import last_steps
from soritune.training.tracking.tracker import TrackedRun, Tracker, make_tracker


class Recorder(Tracker):
    """Fails at the calls that it is given."""

    name = "recorder"

    def __init__(self, *faults: str) -> None:
        super().__init__()
        self.faults, self.calls = faults, list[str]()
        self.run: TrackedRun | None = None

    def _call(self, name: str) -> None:
        self.calls.append(name)
        if name in self.faults:
            raise RuntimeError("no\nnetwork")

    def check_usable(self) -> None:
        pass

    def start(self, run: TrackedRun) -> str | None:
        self.run = run
        self._call("start")
        return None

    def log(self, event: str, numbers: Mapping[str, float], step: int) -> None:
        self._call("log")

    def finish(self, *, failed: bool) -> None:
        self._call(f"finish {failed}")


@pytest.mark.parametrize("fault", ["start", "log", "finish False"])
def test_failing_tracker_is_reported_once_and_left_out(fault: str, tmp_path: Path) -> None:
    failing, sound = Recorder(fault), Recorder()
    with RunLog(tmp_path, trackers=[failing, sound]) as log:
        for step in (1, 2):
            log.event("step", step=step, loss=0.5)
    assert sound.calls == ["start", "log", "log", "finish False"]
    assert failing.calls == sound.calls[: sound.calls.index(fault) + 1]
    text = (tmp_path / "train.log").read_text(encoding="utf-8")
    assert text.count("warning: the tracker 'recorder' failed (no network)") == 1
    assert [event["step"] for event in read_events(tmp_path)] == [1, 2]


def test_trackers_learn_that_a_training_failed(tmp_path: Path) -> None:
    tracker = Recorder()
    with pytest.raises(TrainingError), RunLog(tmp_path, trackers=[tracker]):
        raise TrainingError("too many rows")
    assert tracker.calls[-1] == "finish True"


def test_only_the_first_process_is_tracked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "2")
    tracker = Recorder()
    with RunLog(tmp_path, trackers=[tracker]) as log:
        log.event("step", step=1, loss=0.5)
    assert tracker.calls == []
    assert not RunFolder(tmp_path).tracking.exists()


def test_resumed_run_has_the_same_id_and_a_new_one_another(tmp_path: Path) -> None:
    def run_of(keep: dict[str, int] | None, name: str = "recorder") -> TrackedRun:
        tracker = Recorder()
        tracker.name = name  # type: ignore[misc]
        with RunLog(tmp_path, keep=keep, step=2, trackers=[tracker]) as log:
            if keep is None:
                log.event("step", step=2, loss=0.5)
                log.event("evaluate", step=2, loss=0.5)
                log.event("step", step=4, loss=0.5)
        assert tracker.run is not None
        return tracker.run

    begun = run_of(None)
    assert begun.step is None and begun.sent == {}
    resumed = run_of({"train.jsonl": 10})
    assert (resumed.id, resumed.step, resumed.sent) == (begun.id, 2, {"step": 4, "evaluate": 2})
    again = run_of(None)
    assert again.id != begun.id
    added = run_of({"train.jsonl": 10}, "another")
    assert added.id == again.id and added.sent == {}, "a tracker that is new to the run was sent nothing"


@pytest.mark.parametrize("content", ["", "[]", '{"id": "../x", "trackers": []}', '{"id": 3}'])
def test_damaged_id_is_replaced(content: str, tmp_path: Path) -> None:
    RunFolder(tmp_path).tracking.write_text(content)
    tracker = Recorder()
    with RunLog(tmp_path, keep={}, trackers=[tracker]):
        pass
    assert tracker.run is not None
    assert tracker.run.id.isalnum()
    assert json.loads(RunFolder(tmp_path).tracking.read_text())["id"] == tracker.run.id


def test_name_is_that_of_the_folder_and_folds_are_a_group(tmp_path: Path) -> None:
    files = RunFolder(tmp_path / "cv")
    files.path.mkdir()
    files.crossval.write_text("{}")
    for folder, name, group in [
        (tmp_path / "first", "first", None),
        (files.fold(2).path, "cv-fold-02", "cv"),
        (files.path / "other", "other", None),
        (tmp_path / "first" / "fold-01", "fold-01", None),
    ]:
        tracker = Recorder()
        with RunLog(folder, trackers=[tracker]):
            pass
        assert tracker.run is not None
        assert (tracker.run.name, tracker.run.group) == (name, group)


def test_last_steps_of_a_log_are_found_by_event(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text(
        '{"event": "a", "step": 1}\n{"event": "b"}\n{"event": "a", "step": 3}\n{"event": "a", "st'
    )
    assert last_steps(path) == {"a": 3, "b": -1}
    assert last_steps(tmp_path / "missing") == {}
    path.write_text("[1]\n")
    assert last_steps(path) == {}


def test_printing_libraries_leave_standard_output_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    installed(monkeypatch, RecordedTrackio())
    with RunLog(tmp_path, trackers=[make_tracker("trackio", {})]):
        pass
    output = capsys.readouterr()
    assert output.out == "" and "Created new run" in output.err


@pytest.mark.slow(seconds=6)
def test_resumed_training_continues_the_same_tracked_run(
    make_run: Callable[..., TrainingRun], monkeypatch: pytest.MonkeyPatch
) -> None:
    library = installed(monkeypatch, RecordedWandb())
    settings = {"track": {"wandb": {}}, "epochs": 2, "log_every_steps": 1, "save_every_steps": 1}
    run = make_run(**settings)
    with interrupted_at(3):
        assert train(run).stopped == "interrupted"
    newest = checkpoints(RunFolder(run.folder))[-1]
    shutil.rmtree(newest)  # as if the run had been killed before it
    again = make_run(**settings)
    assert train(again, resume=True).stopped == "end"
    begun, resumed = named(library, "init")
    assert begun["id"] == resumed["id"] and resumed["resume"] == "allow"
    logged = [event["step"] for event in read_events(run.folder) if event["event"] == "step"]
    assert [call["step"] for call in named(library, "log") if "grad_norm" in call["data"]] == logged
    assert len(logged) > 4 and len(set(logged)) == len(logged)
    assert named(library, "finish") == [{"exit_code": 0}, {"exit_code": 0}]
