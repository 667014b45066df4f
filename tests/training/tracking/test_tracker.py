from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from soritune.errors import RecipeError, TrainingError
from soritune.recipe import load_recipe
from soritune.training.config import TrainingSettings
from soritune.training.log import RunLog
from soritune.training.tracking import tracker
from soritune.training.tracking.tracker import Tracker, make_tracker


def names(**train: Any) -> list[str]:
    return [tracker.name for tracker in TrainingSettings(**train).make_trackers()]


@pytest.mark.parametrize(
    ("train", "expected"),
    [
        ({}, []),
        ({"tensorboard": True}, ["tensorboard"]),
        ({"track": ["tensorboard", "wandb"]}, ["tensorboard", "wandb"]),
        ({"track": "trackio"}, ["trackio"]),
        ({"track": {"wandb": {"project": "p"}}}, ["wandb"]),
        ({"track": None}, []),
        ({"tensorboard": True, "track": ["tensorboard"]}, ["tensorboard"]),
    ],
)
def test_trackers_are_named_or_mapped_to_settings(train: dict[str, Any], expected: list[str]) -> None:
    assert names(**train) == expected


@pytest.mark.parametrize(
    ("track", "message"),
    [
        ("[wandbb]", r"train\.track: .*'wandbb'.*did you mean 'wandb'"),
        ("[tracker]", "unknown tracker 'tracker'"),
        ("{wandb: {projekt: p}}", r"wandb\.projekt: unknown key; did you mean 'project'"),
        ("{wandb: {mode: disabled}}", r"wandb\.mode: must be 'online' or 'offline'"),
        ("{wandb: }", r"wandb: must be a mapping of settings; give \{\} for the defaults"),
        ("{tensorboard: {project: p}}", r"tensorboard\.project: unknown key"),
        ("3", "must be a list of names, or a mapping"),
        ("[3]", "must be a list of names, or a mapping"),
    ],
)
def test_faulty_trackers_are_refused_in_one_sentence(track: str, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        load_recipe("emotion-3class", [f"train.track={track}"])


def test_settings_are_set_one_by_one_and_kept_in_the_recipe() -> None:
    recipe = load_recipe("emotion-3class", ["train.track.wandb.project=p", "train.track.wandb.mode=offline"])
    assert recipe.resolved()["train"]["track"] == {"wandb": {"project": "p", "mode": "offline"}}


MEMORY = """
from soritune.training.tracking.tracker import Tracker, TrackerSettings

class MemorySettings(TrackerSettings):
    size: int = 3

class Memory(Tracker):
    name = "memory"
    Settings = MemorySettings

    def check_usable(self): pass
    def start(self, run): self.kept = []
    def log(self, event, numbers, step): self.kept = [*self.kept, dict(numbers)][-self.settings.size:]
    def finish(self, *, failed): pass

TRACKER = Memory
"""


def test_tracker_of_another_package_is_found_by_its_entry_point(
    external_package: Callable[[str, str, str], Path], tmp_path: Path
) -> None:
    external_package("soritune.training.tracking", "memory", MEMORY)
    recipe = load_recipe("emotion-3class", ["train.track.memory.size=1"])
    (memory,) = recipe.train.make_trackers()
    with RunLog(tmp_path, trackers=[memory]) as log:
        log.event("step", step=1, loss=0.5)
        log.event("step", step=2, loss=0.25)
    assert memory.kept == [{"loss": 0.25}]  # type: ignore[attr-defined]
    with pytest.raises(RecipeError, match="memory.siz: unknown key; did you mean 'size'"):
        load_recipe("emotion-3class", ["train.track.memory.siz=1"])


def test_object_of_another_package_that_is_not_a_tracker_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracker, "load_member", lambda *_: Tracker.Settings)
    with pytest.raises(TrainingError, match="must be a subclass of Tracker"):
        make_tracker("foreign", {})
