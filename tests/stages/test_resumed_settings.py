"""Settings of a resumed run: differing keys are named, epochs may be added, and a run may be replaced."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from tests.stages.toy_recipes import emotion

from soritune.errors import OutputError, TrainingError
from soritune.stages.resumed_settings import differing_keys
from soritune.stages.run import run
from soritune.training.log import read_events


def test_differing_keys_have_both_values() -> None:
    old = {"train": {"epochs": 3, "seed": 0, "learning_rates": {"layers.0-7": 1e-5}}, "model": {"lora": None}}
    new = {
        "train": {"epochs": 3, "seed": 1, "learning_rates": {"layers.0-7": 2e-5}},
        "model": {"lora": {"rank": 4}},
    }
    keys = differing_keys(old, new)
    assert keys["train.seed"] == (0, 1)
    assert keys["train.learning_rates.layers.0-7"] == (1e-5, 2e-5)
    assert keys["model.lora.rank"] == (None, 4)
    assert "train.epochs" not in keys


@pytest.mark.slow
def test_epochs_are_added_to_a_finished_run(tree: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    steps = run(emotion(tree, "train.epochs=1"), folder).training.steps
    with pytest.raises(TrainingError, match=r"train.learning_rate was 2e-05 and is 0.001\. Resume"):
        run(emotion(tree, "train.epochs=1", "train.learning_rate=1.0e-3"), folder, resume=True)
    longer = run(emotion(tree, "train.epochs=2"), folder, resume=True).training
    assert (longer.steps, longer.stopped) == (2 * steps, "end")
    trained = [event["step"] for event in read_events(folder) if event["event"] == "evaluate"]
    assert trained == sorted(set(trained)) and trained[-1] == 2 * steps
    losses = [event["loss"] for event in read_events(folder) if event["event"] == "step"]
    assert all(map(math.isfinite, losses))
    with pytest.raises(TrainingError, match="train.epochs may only become more"):
        run(emotion(tree, "train.epochs=1"), folder, resume=True)
    assert run(emotion(tree, "train.epochs=2"), folder, resume=True).training.steps == 2 * steps


@pytest.mark.slow
def test_run_is_replaced_only_on_request(tree: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    run(emotion(tree, "train.max_steps=2"), folder)
    (folder / "notes.txt").write_text("mine")
    with pytest.raises(OutputError, match="replace it with --overwrite"):
        run(emotion(tree, "train.max_steps=1"), folder)
    with pytest.raises(OutputError, match="give one of them"):
        run(emotion(tree, "train.max_steps=1"), folder, resume=True, overwrite=True)
    missing = emotion(tree, "train.max_steps=1")
    missing.data.root = str(tmp_path / "gone")
    with pytest.raises(Exception, match="no file or folder"):
        run(missing, folder, overwrite=True)
    assert (folder / "scores.json").is_file()  # nothing is removed for a run that cannot start
    assert run(emotion(tree, "train.max_steps=1"), folder, overwrite=True).training.steps == 1
    assert [path.name for path in (folder / "checkpoints").glob("step-*")] == ["step-1"]
    assert (folder / "notes.txt").read_text() == "mine"
