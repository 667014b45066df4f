from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest
from tests.training.tracking.recorded_libraries import RecordedTrackio, RecordedWandb, installed, named

from soritune.errors import TrainingError
from soritune.training.tracking.tracker import TrackedRun, make_tracker

RUN = TrackedRun(Path("runs/first"), id="0a1b2c3d", name="first", config={"name": "recipe"})
LIBRARIES = {"wandb": RecordedWandb, "trackio": RecordedTrackio}


@pytest.mark.parametrize("name", LIBRARIES)
def test_numbers_are_sent_under_their_steps(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    library = installed(monkeypatch, LIBRARIES[name]())
    tracker = make_tracker(name, {})
    tracker.start(RUN)
    tracker.log("step", {"loss": 0.5, "lr/heads": 1e-4}, 7)
    tracker.finish(failed=False)
    assert [call for call, _ in library.calls] == ["init", "log", "finish"]
    (begun,) = named(library, "init")
    assert begun["project"] == "soritune" and begun["config"] == {"name": "recipe"}
    assert named(library, "log") == [{"data": {"loss": 0.5, "lr/heads": 1e-4}, "step": 7}]


@pytest.mark.parametrize("name", LIBRARIES)
def test_events_of_an_interrupted_run_are_not_sent_twice(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    library = installed(monkeypatch, LIBRARIES[name]())
    tracker = make_tracker(name, {})
    tracker.start(replace(RUN, step=3, sent={"step": 5, "evaluate": 3}))
    for event, step in [("step", 4), ("step", 5), ("evaluate", 5), ("step", 6)]:
        tracker.log(event, {event: 1.0}, step)
    sent = [(next(iter(call["data"])), call["step"]) for call in named(library, "log")]
    assert sent == [("evaluate", 5), ("step", 6)]


@pytest.mark.parametrize("name", LIBRARIES)
def test_folds_are_grouped_and_names_can_be_given(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    library = installed(monkeypatch, LIBRARIES[name]())
    make_tracker(name, {}).start(replace(RUN, name="cv-fold-01", group="cv"))
    make_tracker(name, {"name": "mine", "group": "ours", "project": "p"}).start(RUN)
    folds, given = named(library, "init")
    assert (folds["group"], folds["name"].removesuffix("-0a1b2c3d")) == ("cv", "cv-fold-01")
    assert (given["group"], given["name"].removesuffix("-0a1b2c3d"), given["project"]) == (
        "ours",
        "mine",
        "p",
    )


@pytest.mark.parametrize("name", LIBRARIES)
def test_missing_library_is_reported_with_its_extra(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(TrainingError, match=rf"install soritune\[{name}\]"):
        make_tracker(name, {}).check_usable()
