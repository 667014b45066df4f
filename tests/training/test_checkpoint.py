from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors import SafetensorError
from torch import nn
from torch.optim import AdamW

from soritune.errors import OutputError, TrainingError
from soritune.models.trainable_state import trainable_state
from soritune.run_folder import RunFolder
from soritune.training.checkpoint import (
    DamagedCheckpointError,
    checkpoints,
    clean,
    drop_newer,
    frozen_digest,
    load_checkpoint,
    load_weights,
    newest_checkpoint,
    put_weights,
    restore_optimizer,
    save_checkpoint,
    save_weights,
)
from soritune.training.run_progress import Progress

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


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    return RunFolder(tmp_path / "run")


def save(run: RunFolder, step: int, keep: int = 2) -> Path:
    model, optimizer = trained()
    return save_checkpoint(
        run,
        progress=Progress(epoch=1, step_in_epoch=2, step=step, best={"loss": 0.5}),
        identity=IDENTITY,
        weights=model.state_dict(),
        optimizer=optimizer,
        scaler=None,
        files={"train.jsonl": 123},
        keep_newest=keep,
    )


def names(run: RunFolder) -> list[str]:
    return [path.name for path in checkpoints(run)]


def test_restored_optimizer_takes_the_same_step(run: RunFolder) -> None:
    path = save(run, 3)
    loaded = load_checkpoint(path, IDENTITY)
    assert (loaded.progress.step, loaded.progress.best, loaded.files) == (
        3,
        {"loss": 0.5},
        {"train.jsonl": 123},
    )
    model, optimizer = trained()
    fresh = nn.Linear(3, 2)
    fresh.load_state_dict(loaded.weights)
    restored = AdamW(fresh.parameters(), lr=0.1)
    restore_optimizer(restored, loaded.optimizer)
    for each, its_optimizer in ((model, optimizer), (fresh, restored)):
        its_optimizer.zero_grad()
        each(torch.ones(1, 3)).sum().backward()
        its_optimizer.step()
    assert torch.equal(model.weight, fresh.weight) and torch.equal(model.bias, fresh.bias)


def test_newest_checkpoints_are_kept_in_numeric_order(run: RunFolder) -> None:
    for step in (5, 90, 100):
        save(run, step)
    assert names(run) == ["step-90", "step-100"]


def test_unfinished_checkpoint_is_ignored(run: RunFolder) -> None:
    save(run, 1)
    (run.checkpoints / ".writing-step-2").mkdir()
    (run.checkpoints / "step-3").mkdir()
    copied_by_hand = run.checkpoints / "step-1 (copy)"
    copied_by_hand.mkdir()
    (copied_by_hand / "state.json").write_text("{}")
    assert names(run) == ["step-1"]


def test_checkpoint_of_another_recipe_is_refused(run: RunFolder) -> None:
    path = save(run, 1)
    with pytest.raises(TrainingError, match="another recipe than this run's"):
        load_checkpoint(path, {**IDENTITY, "recipe": "x"})


def test_damaged_checkpoint_is_named(run: RunFolder) -> None:
    path = save(run, 1)
    (path / "state.json").write_text(json.dumps({})[:1])
    with pytest.raises(DamagedCheckpointError, match="step-1 is not a whole checkpoint"):
        load_checkpoint(path, IDENTITY)


def test_checkpoint_with_an_unknown_reason_is_damaged(run: RunFolder) -> None:
    path = save(run, 1)
    state = json.loads((path / "state.json").read_text())
    state["progress"]["ended"] = "bored"
    (path / "state.json").write_text(json.dumps(state))
    with pytest.raises(DamagedCheckpointError, match=r"is not a whole checkpoint \(ended: "):
        load_checkpoint(path, IDENTITY)


def test_newest_whole_checkpoint_is_loaded_and_damaged_ones_are_dropped(run: RunFolder) -> None:
    for step in (1, 2, 3):
        save(run, step, keep=3)
    (run.checkpoint(3) / "optimizer.safetensors").write_bytes(b"half")
    loaded = newest_checkpoint(run, IDENTITY)
    assert loaded.progress.step == 2
    drop_newer(run, loaded)
    assert names(run) == ["step-1", "step-2"]


def test_run_without_a_whole_checkpoint_is_refused(run: RunFolder) -> None:
    with pytest.raises(TrainingError, match="run has no whole checkpoint to resume from; start without"):
        newest_checkpoint(run, IDENTITY)
    (save(run, 4) / "trainable.safetensors").unlink()
    with pytest.raises(TrainingError, match="to resume from; step-4 cannot be read; start without --resume"):
        newest_checkpoint(run, IDENTITY)


@pytest.mark.parametrize(
    "error",
    [
        OSError(28, "No space left on device"),
        SafetensorError("I/O error: No space left on device (os error 28)"),
    ],
)
def test_failed_write_leaves_the_earlier_checkpoint(
    run: RunFolder, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    save(run, 1)

    def full(*_: object) -> None:
        raise error

    monkeypatch.setattr("soritune.training.checkpoint.save_file", full)
    with pytest.raises(
        OutputError, match="the disk is full.*; step-1 is whole, make room and continue"
    ) as caught:
        save(run, 2)
    assert caught.value.problem == f"{run.checkpoint(2)} could not be written (the disk is full)"
    assert [path.name for path in run.checkpoints.iterdir()] == ["step-1"]


def test_second_checkpoint_at_a_step_leaves_the_first_unchanged(run: RunFolder) -> None:
    first = save(run, 7)
    content = {file.name: file.read_bytes() for file in first.iterdir()}
    second = save(run, 7)
    save(run, 7, keep=3)
    assert names(run) == ["step-7", "step-7-2", "step-7-3"]
    assert second.name == "step-7-2"
    assert {file.name: file.read_bytes() for file in first.iterdir()} == content


def test_rest_of_an_interrupted_removal_is_removed(run: RunFolder) -> None:
    for step in (1, 2, 3):
        save(run, step, keep=9)
    (run.checkpoints / "step-1" / "state.json").unlink()
    clean(run, 9)
    assert sorted(path.name for path in run.checkpoints.glob("step-*")) == ["step-2", "step-3"]


def test_weights_that_no_checkpoint_names_are_removed(run: RunFolder) -> None:
    model, optimizer = trained()
    for step in (1, 2, 3):
        file = run.best_weights(1, step)
        save_weights(run, file, model.state_dict())
        save_checkpoint(
            run,
            progress=Progress(step=step, best_weights=file.name),
            identity=IDENTITY,
            weights=model.state_dict(),
            optimizer=optimizer,
            scaler=None,
            files={},
            keep_newest=2,
        )
    (run.checkpoints / ".writing-step-9").mkdir()
    (run.checkpoints / ".writing-best").write_bytes(b"half")
    clean(run, 2)
    expected = {"step-2", "step-3", "best-phase1-step-2.safetensors", "best-phase1-step-3.safetensors"}
    assert {path.name for path in run.checkpoints.iterdir()} == expected
    assert torch.equal(load_weights(run.best_weights(1, 3))["weight"], model.state_dict()["weight"])
    with pytest.raises(TrainingError, match="cannot be read .* train the phase before again"):
        load_weights(run.best_weights(1, 1))


def test_checkpoint_of_another_phase_is_refused_by_its_number(run: RunFolder) -> None:
    path = save(run, 1)
    assert load_checkpoint(path, {**IDENTITY, "phase 3": "not begun yet"}).progress.step == 1
    with pytest.raises(TrainingError, match="another data than this run's"):
        load_checkpoint(path, {"recipe": "a"})


def test_digest_of_frozen_weights_depends_on_them_alone() -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    model[0].requires_grad_(False)
    before = frozen_digest(model)
    with torch.no_grad():
        model[1].weight += 1
    assert frozen_digest(model) == before
    with torch.no_grad():
        model[0].bias[1] += 1
    assert frozen_digest(model) != before


def change_state(path: Path, **values: object) -> None:
    state = json.loads((path / "state.json").read_text())
    for key, value in values.items():
        state[key] = {**state[key], **value} if isinstance(value, dict) else value
    (path / "state.json").write_text(json.dumps(state))


@pytest.mark.parametrize(
    "name", ["../../victim.txt", "/etc/hosts", "recipe.yaml", "checkpoints/step-7/state.json", ".."]
)
def test_file_that_no_checkpoint_names_is_refused(name: str, run: RunFolder) -> None:
    path = save(run, 7)
    change_state(path, files={name: 0})
    with pytest.raises(TrainingError, match=r"state\.json names .* not a file of this run"):
        newest_checkpoint(run, IDENTITY)


@pytest.mark.parametrize("name", ["../../victim.safetensors", "/tmp/victim.safetensors", ""])
def test_weights_outside_the_checkpoints_are_refused(name: str, run: RunFolder) -> None:
    for changes in ({"best_weights": name}, {"done": [{"index": 0, "weights": name}]}):
        path = save(run, 7)
        change_state(path, progress=changes)
        with pytest.raises(TrainingError, match="not a file of this run"):
            load_checkpoint(path, IDENTITY)


@pytest.mark.parametrize(
    "changes",
    [
        {"progress": {"step": "7"}},
        {"progress": {"best": [1]}},
        {"progress": {"done": [1]}},
        {"progress": {"done": [{"index": 0}]}},
        {"progress": {"ended": "never"}},
        {"progress": {"unknown": 1}},
        {"files": {"train.jsonl": -1}},
        {"files": {"train.jsonl": "x"}},
        {"identity": 3},
    ],
)
def test_state_of_another_form_is_a_damaged_checkpoint(changes: dict[str, object], run: RunFolder) -> None:
    path = save(run, 7)
    change_state(path, **changes)
    with pytest.raises(DamagedCheckpointError):
        load_checkpoint(path, IDENTITY)


def test_state_that_is_nested_too_deep_is_a_damaged_checkpoint(run: RunFolder) -> None:
    path = save(run, 7)
    (path / "state.json").write_text("[" * 100_000)
    with pytest.raises(DamagedCheckpointError, match="nested too deep"):
        load_checkpoint(path, IDENTITY)


@pytest.mark.parametrize("name", ["9999.exp_avg", "x", "0000.other", "0000.exp_avg"])
def test_moment_that_does_not_fit_is_refused(name: str) -> None:
    _, optimizer = trained()
    with pytest.raises(TrainingError, match="does not fit"):
        restore_optimizer(optimizer, {name: torch.zeros(5, 5, 5)})


def test_weights_of_a_phase_include_buffers_that_are_not_stored_in_bundles() -> None:
    def made(value: float) -> nn.Module:
        model = nn.Linear(2, 2)
        model.register_buffer("positions", torch.full((3,), value), persistent=False)
        return model

    first, second = made(1.0), made(2.0)
    put_weights(second, {name: value.clone() for name, value in trainable_state(first).items()})
    assert torch.equal(second.positions, first.positions)
    assert torch.equal(second.weight, first.weight)
