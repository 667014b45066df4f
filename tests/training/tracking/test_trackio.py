from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from tests.training.tracking.recorded_libraries import RecordedTrackio, installed, named

from soritune.training.tracking.tracker import TrackedRun, make_tracker

RUN = TrackedRun(Path("runs/first"), id="0a1b2c3d", name="first")


def test_run_is_found_again_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    library = installed(monkeypatch, RecordedTrackio())
    place = make_tracker("trackio", {}).start(RUN)
    make_tracker("trackio", {}).start(replace(RUN, step=4))
    begun, resumed = named(library, "init")
    assert begun["name"] == resumed["name"] == "first-0a1b2c3d"
    assert (begun["resume"], resumed["resume"]) == ("never", "allow")
    assert begun["space_id"] is None and begun["private"] is None
    assert place == "trackio: run first-0a1b2c3d; `trackio show --project soritune` shows it"


@pytest.mark.parametrize(("settings", "private"), [({}, True), ({"private": False}, False)])
def test_a_space_is_private_unless_requested_otherwise(
    settings: dict[str, bool], private: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = installed(monkeypatch, RecordedTrackio())
    place = make_tracker("trackio", {"space_id": "me/space", **settings}).start(RUN)
    (begun,) = named(library, "init")
    assert (begun["space_id"], begun["private"]) == ("me/space", private)
    assert place is not None and place.endswith("in the Space me/space")
