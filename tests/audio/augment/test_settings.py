"""Augmentations in a recipe: any member by key, in any order, each strictly checked."""

from __future__ import annotations

import copy
import json
import pickle
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from soritune.audio.augment.settings import AugmentSettings, kind_of, kinds
from soritune.errors import AugmentationError, RecipeError
from soritune.settings import faults_of


def settings(**given: Any) -> AugmentSettings:
    return AugmentSettings.model_validate(given)


def faults(given: Any) -> list[str]:
    with pytest.raises(ValidationError) as caught:
        AugmentSettings.model_validate(given)
    return faults_of(caught.value, AugmentSettings, "augment")


def test_order_survives_json_copies_and_pickling() -> None:
    for order in (["telephone", "noise", "room"], ["room", "telephone", "noise"]):
        given = settings(**{key: {} for key in order})
        assert list(given.members) == order
        for again in (
            AugmentSettings.model_validate_json(given.model_dump_json()),
            AugmentSettings.model_validate(given.model_dump()),
            pickle.loads(pickle.dumps(given)),
            copy.deepcopy(given),
        ):
            assert again == given and list(again.members) == order
    assert settings(noise={}, room={}).identity() != settings(room={}, noise={}).identity()


def test_null_and_missing_members_are_switched_off() -> None:
    given = settings(speed=None, noise={"probability": 1})
    assert (given.speed, given.room, list(given.members)) == (None, None, ["noise"])
    assert json.loads(given.model_dump_json())["speed"] is None
    assert given.identity() == settings(noise={"probability": 1}).identity()
    with pytest.raises(AttributeError, match="sped"):
        _ = given.sped


def test_only_the_given_keys_are_set() -> None:
    """Phases of a recipe are dumped like this: a key that is not given must remain unset."""
    given = settings(speed={"probability": 0.2}, room=None)
    assert given.model_dump(mode="json", exclude_unset=True) == {"speed": {"probability": 0.2}, "room": None}
    assert given.model_fields_set == {"speed", "room"}


@pytest.mark.parametrize(
    ("given", "messages"),
    [
        ({"sped": {}}, ["augment.sped: unknown key; did you mean 'speed'?"]),
        ({"augmentation": {}}, ["augment.augmentation: unknown key; known here: "]),
        ({"speed": {"factr": 1}}, ["augment.speed.factr: unknown key; did you mean 'factors'?"]),
        (
            {"speed": 3},
            ["augment.speed: must be a mapping"],
        ),
        (
            {"noise": {"snr_db": [30, 5]}, "room": {"probability": 2}},
            [
                "augment.noise.snr_db: give a range from low to high within -40 and 100 (got [30, 5])",
                "augment.room.probability: must be less than or equal to 1 (got 2)",
            ],
        ),
        ({"noise": {"snr_db": [".nan", 5]}}, ["augment.noise.snr_db.0: must be"]),
        ([1], ["augment: must be a mapping"]),
    ],
)
def test_every_fault_is_reported_with_its_path(given: Any, messages: list[str]) -> None:
    lines = faults(given)
    assert len(lines) == len(messages)
    for line, message in zip(lines, messages, strict=True):
        assert line.startswith(message)


def test_changed_members_are_checked_again() -> None:
    given = settings(speed={"probability": 0.2}, noise={})
    given.speed.probability = 0.9
    assert given.members["speed"].probability == 0.9
    given.speed = None
    given.telephone = {"peak_db": (-3, 0)}
    assert list(given.members) == ["noise", "telephone"]
    for name, value, message in (
        ("telphone", {}, "AugmentSettings: telphone: unknown key; did you mean 'telephone'"),
        ("telephone", {"peak": 1}, "AugmentSettings: telephone.peak: unknown key"),
    ):
        with pytest.raises(RecipeError, match=message):
            setattr(given, name, value)
    with pytest.raises(RecipeError, match="TelephoneLine: probability: must be"):
        given.telephone.probability = 7
    assert given.members["telephone"].probability == 0.1


def test_entry_point_that_is_not_an_augmentation_is_reported(tmp_path: Path, monkeypatch: Any) -> None:
    info = tmp_path / "broken-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1.0\n", encoding="utf-8")
    (info / "entry_points.txt").write_text(
        "[soritune.audio.augment]\njoin = os.path:join\n", encoding="utf-8"
    )
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(AugmentationError, match=r"augment\.join: the entry point .* must give a subclass"):
        settings(join={})
    assert settings(speed={}).speed is not None  # others are not imported
    assert "join" not in kinds() and "speed" in kinds()


def test_contract_files_of_the_folder_are_not_members() -> None:
    assert {"speed", "room", "noise", "microphone", "telephone", "spec_augment"} <= kinds().keys()
    for name in ("chain", "augmentation", "masks", "mixing", "recordings", "selection", "settings"):
        assert name not in kinds() and kind_of(name) is None
