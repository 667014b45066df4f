from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors import SafetensorError
from torch import nn
from torch.optim import AdamW

from soritune.errors import OutputError, TrainingError
from soritune.training.checkpoint import (
    Progress,
    checkpoints,
    clean,
    load_checkpoint,
    load_weights,
    restore_optimizer,
    save_checkpoint,
    save_weights,
)

IDENTITY = {"recipe": "a", "data": "b"}


def trained() -> tuple[nn.Linear, AdamW]:
    torch.manual_seed(0)
    model = nn.Linear(3, 2)
    optimizer = AdamW(model.parameters(), lr=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        model(torch.randn(4, 3)).square().mean().backward()
        optimizer.step()
    return model, optimizer


def save(folder: Path, step: int, keep: int = 2) -> Path:
    model, optimizer = trained()
    progress = Progress(epoch=1, step_in_epoch=2, step=step, best={"loss": 0.5})
    return save_checkpoint(
        folder,
        progress=progress,
        identity=IDENTITY,
        weights=model.state_dict(),
        optimizer=optimizer,
        scaler=None,
        files={"train.jsonl": 123},
        keep_newest=keep,
    )


def test_round_trip_and_the_optimizer_goes_on_alike(tmp_path: Path) -> None:
    path = save(tmp_path, 3)
    loaded = load_checkpoint(path, IDENTITY)
    assert (loaded.progress.step, loaded.progress.best, loaded.files) == (
        3,
        {"loss": 0.5},
        {"train.jsonl": 123},
    )
    model, optimizer = trained()
    fresh = nn.Linear(3, 2)
    fresh.load_state_dict(loaded.weights)
    other = AdamW(fresh.parameters(), lr=0.1)
    restore_optimizer(other, loaded.optimizer)
    for net, opt in ((model, optimizer), (fresh, other)):
        opt.zero_grad()
        net(torch.ones(1, 3)).sum().backward()
        opt.step()
    assert torch.equal(model.weight, fresh.weight) and torch.equal(model.bias, fresh.bias)


def test_the_newest_are_kept_in_the_order_of_steps(tmp_path: Path) -> None:
    for step in (5, 90, 100):
        save(tmp_path, step)
    assert [path.name for path in checkpoints(tmp_path)] == ["step-90", "step-100"]


def test_an_unfinished_checkpoint_is_not_one(tmp_path: Path) -> None:
    save(tmp_path, 1)
    (tmp_path / ".writing-step-2").mkdir()
    (tmp_path / "step-3").mkdir()
    assert [path.name for path in checkpoints(tmp_path)] == ["step-1"]


def test_another_recipe_is_refused_by_name(tmp_path: Path) -> None:
    path = save(tmp_path, 1)
    with pytest.raises(TrainingError, match="another recipe than this run's"):
        load_checkpoint(path, {**IDENTITY, "recipe": "x"})


def test_a_damaged_checkpoint_is_named(tmp_path: Path) -> None:
    path = save(tmp_path, 1)
    (path / "state.json").write_text(json.dumps({})[:1])
    with pytest.raises(TrainingError, match="is not a whole checkpoint"):
        load_checkpoint(path, IDENTITY)


@pytest.mark.parametrize(
    "error", [OSError(28, "No space left on device"), SafetensorError("No space left on device")]
)
def test_a_failing_write_leaves_the_earlier_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    save(tmp_path, 1)

    def full(*_: object) -> None:
        raise error

    monkeypatch.setattr("soritune.training.checkpoint.save_file", full)
    with pytest.raises(OutputError, match="No space left.*step-1 is whole"):
        save(tmp_path, 2)
    assert [path.name for path in tmp_path.iterdir()] == ["step-1"]


def test_a_second_checkpoint_at_a_step_leaves_the_first_alone(tmp_path: Path) -> None:
    first = save(tmp_path, 7)
    content = {file.name: file.read_bytes() for file in first.iterdir()}
    second = save(tmp_path, 7)
    save(tmp_path, 7, keep=3)
    assert [path.name for path in checkpoints(tmp_path)] == ["step-7", "step-7-2", "step-7-3"]
    assert second.name == "step-7-2"
    assert {file.name: file.read_bytes() for file in first.iterdir()} == content


def test_weights_that_no_checkpoint_names_are_cleaned_away(tmp_path: Path) -> None:
    model, optimizer = trained()
    for step in (1, 2, 3):
        name = f"best-phase1-step-{step}.safetensors"
        save_weights(tmp_path / name, model.state_dict())
        save_checkpoint(
            tmp_path,
            progress=Progress(step=step, best_weights=name),
            identity=IDENTITY,
            weights=model.state_dict(),
            optimizer=optimizer,
            scaler=None,
            files={},
            keep_newest=2,
        )
    (tmp_path / ".writing-step-9").mkdir()
    (tmp_path / ".writing-best").write_bytes(b"half")
    clean(tmp_path, 2)
    expected = {"step-2", "step-3", "best-phase1-step-2.safetensors", "best-phase1-step-3.safetensors"}
    assert {path.name for path in tmp_path.iterdir()} == expected
    assert torch.equal(
        load_weights(tmp_path / "best-phase1-step-3.safetensors")["weight"], model.state_dict()["weight"]
    )
    with pytest.raises(TrainingError, match="cannot be read .* train the phase before again"):
        load_weights(tmp_path / "best-phase1-step-1.safetensors")


def test_a_checkpoint_of_another_phase_is_refused_by_its_number(tmp_path: Path) -> None:
    path = save(tmp_path, 1)
    assert load_checkpoint(path, {**IDENTITY, "phase 3": "not begun yet"}).progress.step == 1
    with pytest.raises(TrainingError, match="another data than this run's"):
        load_checkpoint(path, {"recipe": "a"})


def test_a_phase_begins_with_a_clean_sheet_and_goes_on_counting_steps() -> None:
    progress = Progress(
        phase=0, epoch=4, phase_step=9, step=9, best={"loss": 1.0}, ended="end", non_finite_steps=2
    )
    progress.done.append({"index": 0})
    progress.next_phase(1)
    assert progress == Progress(phase=1, step=9, non_finite_steps=2, done=[{"index": 0}])
