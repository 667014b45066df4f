from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from accelerate.optimizer import AcceleratedOptimizer
from tests.conftest import write_tones
from tests.training.parts import STRONG, equal_states, interrupted_at, trainer_of

from soritune.bundles.read import load_bundle
from soritune.corpus.checks import read_quarantine
from soritune.corpus.manifest import Manifest, write_manifest
from soritune.errors import TrainingError
from soritune.models.loading import load_model
from soritune.models.trainable_state import trainable_state
from soritune.run_folder import RunFolder
from soritune.training.batches.collate import Collator
from soritune.training.checkpoint import checkpoints
from soritune.training.interrupt import Interrupt
from soritune.training.log import RunLog, read_events
from soritune.training.loop import train
from soritune.training.run import TrainingRun

pytestmark = pytest.mark.slow

MakeRun = Callable[..., TrainingRun]


@pytest.fixture
def finished(make_run: MakeRun) -> TrainingRun:
    run = make_run("whole", augment=STRONG, epochs=3)
    assert train(run).stopped == "end"
    return run


def test_run_leaves_bundles_and_logs(finished: TrainingRun) -> None:
    names = {path.name for path in (finished.folder / "bundles").iterdir()}
    assert {"best_loss", "best_emotion_ua", "best_phoneme_per", "last"} <= names
    for name in names:
        bundle = load_bundle(finished.folder / "bundles" / name)
        assert [output["name"] for output in bundle.card["outputs"]] == ["emotion", "phoneme"]
        load_model(bundle.path)
    events = read_events(finished.folder)
    assert [e["event"] for e in events if e["event"] != "step"][0] == "start"
    evaluated = [e for e in events if e["event"] == "evaluate"]
    assert len(evaluated) == 3 and all(np.isfinite(e["val/loss"]) for e in evaluated)
    assert "evaluate" in (finished.folder / "train.log").read_text(encoding="utf-8")


@pytest.mark.parametrize("stop_at", [2, 5])
def test_interrupted_run_is_resumed_bit_for_bit(
    make_run: MakeRun, finished: TrainingRun, stop_at: int
) -> None:
    run = make_run(f"part{stop_at}", augment=STRONG, epochs=3)
    with interrupted_at(stop_at - 1):
        assert train(run).stopped == "interrupted"
    again = make_run(f"part{stop_at}", augment=STRONG, epochs=3)
    assert train(again, resume=True).stopped == "end"
    assert equal_states(trainable_state(finished.model), trainable_state(again.model))
    steps = [e["step"] for e in read_events(again.folder) if e["event"] == "evaluate"]
    assert steps == [e["step"] for e in read_events(finished.folder) if e["event"] == "evaluate"]


def test_resuming_with_other_data_is_refused(make_run: MakeRun, finished: TrainingRun) -> None:
    run = make_run("whole")
    run.identity["data"] = "other"
    with pytest.raises(TrainingError, match="was made with another data"):
        train(run, resume=True)


def test_resuming_without_a_checkpoint_is_refused(make_run: MakeRun) -> None:
    with pytest.raises(TrainingError, match="no whole checkpoint to resume from"):
        train(make_run("empty"), resume=True)


def test_newest_checkpoints_are_kept(finished: TrainingRun) -> None:
    assert len(checkpoints(RunFolder(finished.folder))) == 2


def test_early_stopping_counts_evaluations(make_run: MakeRun) -> None:
    stopping = {"monitor": "loss", "patience": 2, "min_delta": 1e6}
    run = make_run("early", epochs=9, early_stopping=stopping)
    assert train(run).stopped == "early"
    # The first evaluation counts as an improvement, two more without any end the run.
    assert sum(e["event"] == "evaluate" for e in read_events(run.folder)) == 3


def test_max_steps_end_a_run(make_run: MakeRun) -> None:
    assert train(make_run("short", epochs=9, max_steps=3)).steps == 3


def test_parameter_without_a_gradient_stops_the_run(make_run: MakeRun) -> None:
    run = make_run("silent", epochs=4)
    run.model.register_parameter("forgotten", torch.nn.Parameter(torch.ones(2)))
    with pytest.raises(
        TrainingError, match="1 trainable tensors had no gradient .* beginning with forgotten"
    ):
        train(run)


def test_unknown_metric_is_refused(make_run: MakeRun) -> None:
    with pytest.raises(TrainingError, match=r"train.best names 'emotion/f1'.*emotion/macro_f1"):
        train(make_run("metric", best=("emotion/f1",)))


def test_empty_training_split_is_refused(make_run: MakeRun) -> None:
    run = make_run("none")
    run.train_rows = np.zeros(0, dtype=np.int64)
    with pytest.raises(TrainingError, match="training split is empty"):
        train(run)


def test_one_unreadable_row_is_recorded_and_many_stop_the_run(make_run: MakeRun, tmp_path: Path) -> None:
    folder = tmp_path / "broken"
    folder.mkdir()
    rows = write_tones(folder)
    manifest: Manifest = write_manifest(folder / "manifest.parquet", rows, root=folder)
    (folder / rows[0].audio).unlink()
    run = make_run("one", manifest=manifest, epochs=3, max_failed_share=0.1)
    assert train(run).stopped == "end"
    quarantined = read_quarantine(run.folder / "quarantine.jsonl")
    assert [(row.id, row.stage) for row in quarantined] == [(rows[0].id, "training")]
    for row in rows[:20]:
        (folder / row.audio).unlink(missing_ok=True)
    with pytest.raises(TrainingError, match="training rows could not be used"):
        train(make_run("many", manifest=manifest, epochs=1, max_failed_share=0.1))


def test_non_finite_steps_are_skipped_and_counted(make_run: MakeRun, monkeypatch: pytest.MonkeyPatch) -> None:
    run = make_run("nan", epochs=2, max_non_finite_steps=1)
    real = Collator.__call__

    def poisoned(self: Collator, *args: Any) -> Any:
        batch = real(self, *args)
        batch.inputs["waveform"][:] = float("nan")
        return batch

    before = {name: value.clone() for name, value in trainable_state(run.model).items()}
    monkeypatch.setattr(Collator, "__call__", poisoned)
    with pytest.raises(TrainingError, match="2 steps had a loss or gradient that is not finite"):
        train(run)
    assert all(torch.equal(before[name], value) for name, value in trainable_state(run.model).items())


def test_training_lowers_the_loss(make_run: MakeRun) -> None:
    run = make_run(
        "learn",
        tasks={"emotion": {"labels": ["Anxious", "Kind", "Dry"]}},
        epochs=12,
        learning_rate=5e-3,
        log_every_steps=1,
    )
    train(run)
    losses = [e["loss"] for e in read_events(run.folder) if e["event"] == "step"]
    assert np.mean(losses[-4:]) < 0.8 * np.mean(losses[:4])


def test_masked_share_is_logged(finished: TrainingRun) -> None:
    shares = [e["masked_share"] for e in read_events(finished.folder) if e["event"] == "step"]
    # Two masks of 0 to 8 frames (at most a quarter of a clip) in clips of 25 to 70 frames.
    assert 0 < np.mean(shares) < 0.4


def test_bf16_trains_with_finite_losses(make_run: MakeRun) -> None:
    run = make_run("bf16", epochs=2, precision="bf16", log_every_steps=1)
    train(run)
    events = read_events(run.folder)
    assert next(e["precision"] for e in events if e["event"] == "start") == "bf16"
    assert all(np.isfinite(e["loss"]) for e in events if e["event"] == "step")
    assert all(p.dtype == torch.float32 for p in run.model.parameters())


@pytest.mark.parametrize(
    "settings",
    [
        {"epochs": 2},
        {"epochs": 9, "max_steps": 3},
        {"epochs": 9, "early_stopping": {"monitor": "loss", "patience": 1, "min_delta": 1e6}},
    ],
)
def test_resuming_a_finished_run_changes_nothing(make_run: MakeRun, settings: dict[str, Any]) -> None:
    first = train(make_run("done", **settings))
    before = load_bundle(first.folder / "bundles" / "last").weights()
    again = train(make_run("done", **settings), resume=True)
    assert (again.steps, again.stopped) == (first.steps, first.stopped)
    assert equal_states(before, load_bundle(first.folder / "bundles" / "last").weights())


def test_max_steps_end_a_run_inside_the_last_epoch(make_run: MakeRun) -> None:
    result = train(make_run("last", epochs=1, max_steps=2, batches={"padded_seconds": 3.0}))
    assert (result.steps, result.stopped) == (2, "max_steps")


@pytest.mark.parametrize("seed", range(4))
def test_schedule_ends_with_the_run_if_epochs_differ_in_length(make_run: MakeRun, seed: int) -> None:
    speed = {"speed": {"factors": [0.7, 1.0, 1.4], "probability": 1.0}}
    run = make_run(f"speed{seed}", augment=speed, epochs=3, seed=seed, batches={"padded_seconds": 4.0})
    assert train(run).stopped == "end"
    events = read_events(run.folder)
    total = next(e["total_steps"] for e in events if e["event"] == "start")
    assert total == next(e["step"] for e in events if e["event"] == "end")
    assert sum(e["event"] == "evaluate" for e in events) == 3


def test_overflow_of_scaled_gradients_lowers_the_scale_and_is_not_counted(
    make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As fp16 on a GPU, with torch's loss scaler on the CPU: the first steps overflow, which is not a fault."""
    run = make_run("scaled", epochs=2, max_non_finite_steps=0)
    with RunLog(run.folder) as log:
        trainer = trainer_of(run, log)
        stepper = trainer.stepper
        accelerator = stepper.accelerator
        accelerator.scaler = torch.amp.GradScaler("cpu", init_scale=2.0**127, growth_interval=1000)
        stepper.optimizer_step = AcceleratedOptimizer(
            stepper.optimizer, device_placement=False, scaler=accelerator.scaler
        )
        accelerator._optimizers = [stepper.optimizer_step]
        with Interrupt() as interrupt:
            trainer.run(interrupt)
    assert accelerator.scaler.get_scale() < 2.0**127
    assert trainer.progress.non_finite_steps == 0
    assert all(bool(torch.isfinite(p).all()) for p in run.model.parameters())


def test_damaged_checkpoint_is_skipped(make_run: MakeRun, finished: TrainingRun) -> None:
    newest = checkpoints(RunFolder(finished.folder))[-1]
    for name in ("trainable.safetensors", "optimizer.safetensors"):
        content = (newest / name).read_bytes()
        (newest / name).write_bytes(content[: len(content) // 2])
    (finished.folder / "checkpoints" / "step-9 (copy)").mkdir()
    again = make_run("whole", augment=STRONG, epochs=3)
    assert train(again, resume=True).stopped == "end"
    assert equal_states(trainable_state(finished.model), trainable_state(again.model))


def test_validation_without_a_readable_row_is_never_best(make_run: MakeRun, tmp_path: Path) -> None:
    folder = tmp_path / "missing"
    folder.mkdir()
    rows = write_tones(folder)
    manifest = write_manifest(folder / "manifest.parquet", rows, root=folder)
    for row in rows[-6:]:
        (folder / row.audio).unlink()
    run = make_run("blind", manifest=manifest, epochs=1)
    assert train(run).best == {}
    event = next(e for e in read_events(run.folder) if e["event"] == "evaluate")
    assert np.isnan(event["val/loss"]) and event["failed"] == 6


def test_row_that_one_task_can_use_is_not_counted_as_failed(make_run: MakeRun, tmp_path: Path) -> None:
    folder = tmp_path / "short"
    folder.mkdir()
    rows = [dataclasses.replace(row, text="가나다라마바사아자차카타파하" * 4) for row in write_tones(folder)]
    manifest = write_manifest(folder / "manifest.parquet", rows, root=folder)
    run = make_run("dense", manifest=manifest, epochs=1, max_failed_share=0.0)
    with pytest.raises(TrainingError, match="usable label for phoneme though each has come"):
        train(run)
    assert "symbols need" in (run.folder / "quarantine.jsonl").read_text(encoding="utf-8")


def bundles(run: TrainingRun) -> set[str]:
    return {path.name for path in (run.folder / "bundles").iterdir()}


def test_epochs_are_kept_by_number(make_run: MakeRun) -> None:
    run = make_run("epochs", epochs=3, keep_epochs=True, best={"phones": "phoneme/per"})
    train(run)
    expected = {
        "epoch_1",
        "epoch_2",
        "epoch_3",
        "best_loss",
        "best_emotion_ua",
        "best_phoneme_per",
        "best_phones",
    }
    assert bundles(run) == expected | {"last"}
    cards = [load_bundle(run.folder / "bundles" / f"epoch_{n}").card["training"] for n in (1, 2, 3)]
    evaluated = [e for e in read_events(run.folder) if e["event"] == "evaluate"]
    assert [card["step"] for card in cards] == [e["step"] for e in evaluated]
    assert [card["metrics"]["loss"] for card in cards] == [e["val/loss"] for e in evaluated]
    last, third = (load_bundle(run.folder / "bundles" / name).weights() for name in ("last", "epoch_3"))
    assert equal_states(last, third)


@pytest.mark.parametrize("settings", [{}, {"evaluate_every_steps": 2}, {"save_every_steps": 1}])
def test_newest_epochs_are_kept_also_after_an_interruption(
    make_run: MakeRun, settings: dict[str, Any]
) -> None:
    whole = make_run("whole", epochs=4, keep_epochs=2, **settings)
    train(whole)
    assert {name for name in bundles(whole) if name.startswith("epoch")} == {"epoch_3", "epoch_4"}
    per_epoch = read_events(whole.folder)[-1]["step"] // 4
    for stop_at in (per_epoch * 2, per_epoch * 3 + 1):  # at the very end of an epoch, and inside one
        run = make_run(f"part{stop_at}", epochs=4, keep_epochs=2, **settings)
        with interrupted_at(stop_at - 1):
            assert train(run).stopped == "interrupted"
        again = make_run(f"part{stop_at}", epochs=4, keep_epochs=2, **settings)
        assert train(again, resume=True).stopped == "end"
        assert bundles(again) == bundles(whole)
        for name in ("epoch_3", "epoch_4"):
            first, second = (load_bundle(r.folder / "bundles" / name).weights() for r in (whole, again))
            assert equal_states(first, second)


def test_epoch_that_early_stopping_ends_is_kept(make_run: MakeRun) -> None:
    stopping = {"monitor": "loss", "patience": 1, "min_delta": 1e6}
    run = make_run("early", epochs=9, early_stopping=stopping, keep_epochs=True)
    assert train(run).stopped == "early"
    assert {name for name in bundles(run) if name.startswith("epoch")} == {"epoch_1", "epoch_2"}


def test_changed_checkpoint_touches_no_other_file(
    make_run: Callable[..., TrainingRun], tmp_path: Path
) -> None:
    run = make_run(epochs=1)
    train(run)
    victims = [tmp_path / "victim.txt", run.folder / "recipe.yaml"]
    for victim in victims:
        victim.write_text("precious")
    newest = max(RunFolder(run.folder).checkpoints.glob("step-*"))
    state = json.loads((newest / "state.json").read_text())
    for files in ({"../victim.txt": 3}, {"../victim.txt": 0}, {str(victims[0]): 0}, {"recipe.yaml": 1}):
        (newest / "state.json").write_text(json.dumps({**state, "files": files}))
        with pytest.raises(TrainingError, match="not a file of this run"):
            train(make_run(epochs=1), resume=True)
    assert [victim.read_text() for victim in victims] == ["precious"] * 2
