"""Runs of several phases, with averaged weights and sampled validation."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from tests.training.parts import equal_states

from soritune.bundles.read import load_bundle
from soritune.errors import OutputError, TrainingError
from soritune.models.loading import load_model
from soritune.models.trainable_state import trainable_state
from soritune.run_folder import RunFolder
from soritune.training import step
from soritune.training.batches.collate import Collator
from soritune.training.checkpoint import checkpoints
from soritune.training.log import read_events
from soritune.training.loop import train
from soritune.training.losses import losses
from soritune.training.phase_checkpoints import PhaseCheckpoints
from soritune.training.run import TrainingRun
from soritune.training.step import Stepper

pytestmark = pytest.mark.slow

MakeRun = Callable[..., TrainingRun]
TWO: dict[str, Any] = {
    "phases": [
        {"name": "upper", "data_share": 0.4, "freeze": {"layers": 1}, "augment": {"speed": None}},
        {"name": "all", "epochs": 1, "learning_rate": 5e-4},
    ],
    "ema": {"decay": 0.8},
    "log_every_steps": 1,
}
SPEED = {"speed": {"factors": [0.9, 1.1], "probability": 0.5}}


def weights_of(bundle: Path) -> dict[str, torch.Tensor]:
    return dict(load_model(bundle).state_dict())


@pytest.fixture
def finished(
    make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> tuple[TrainingRun, list[dict[str, torch.Tensor]]]:
    """A run of two phases, and the weights with which each of them began."""
    begun: list[dict[str, torch.Tensor]] = []
    real = Stepper.__init__

    def noting(self: Stepper, model: Any, *args: Any, **more: Any) -> None:
        begun.append({name: value.clone() for name, value in model.state_dict().items()})
        real(self, model, *args, **more)

    monkeypatch.setattr(Stepper, "__init__", noting)
    run = make_run("whole", augment=SPEED, **TWO)
    result = train(run)
    assert [done["name"] for done in result.phases] == ["upper", "all"]
    return run, begun


def test_next_phase_begins_with_the_best_averaged_weights(finished: Any) -> None:
    run, (first, second) = finished
    best = weights_of(run.folder / "bundles" / "phase1_best_emotion_ua")
    assert not equal_states(first, best)
    assert equal_states(second, best)
    card = load_bundle(run.folder / "bundles" / "phase1_best_emotion_ua").card["training"]
    assert (card["weights"], card["ema_decay"], card["phase"], card["phase_name"]) == ("ema", 0.8, 1, "upper")


def test_frozen_weights_are_unchanged_until_the_next_phase_trains_them(finished: Any) -> None:
    run, (first, second) = finished
    lower = [name for name in first if ".layers.0." in name]
    assert len(lower) > 10
    assert all(torch.equal(first[name], second[name]) for name in lower)
    last = weights_of(run.folder / "bundles" / "last_raw")
    assert not any(torch.equal(first[name], last[name]) for name in lower if "k_proj.bias" not in name)


def test_bundle_names_and_events_have_the_phase(finished: Any) -> None:
    run, _ = finished
    names = {path.name for path in (run.folder / "bundles").iterdir()}
    plain = {"best_loss", "best_emotion_ua", "best_phoneme_per", "last", "last_raw"}
    assert names == plain | {f"phase1_{name}" for name in plain}
    events = read_events(run.folder)
    starts = [e for e in events if e["event"] == "start"]
    assert [e["phase"] for e in starts] == [1, 2]
    assert starts[0]["train_hours"] == pytest.approx(0.4 * starts[1]["train_hours"], rel=0.2)
    steps = [e for e in events if e["event"] == "step"]
    assert [e["step"] for e in steps] == list(range(1, len(steps) + 1))
    assert [e["phase"] for e in steps] == sorted(e["phase"] for e in steps)
    # Each phase warms up and decays by its own count of steps.
    peaks = [max(e["lr/default"] for e in steps if e["phase"] == phase) for phase in (1, 2)]
    assert peaks == pytest.approx([1e-3, 5e-4])


def test_averaged_weights_are_evaluated_and_kept(finished: Any, make_run: MakeRun) -> None:
    run, _ = finished
    averaged, raw = (weights_of(run.folder / "bundles" / name) for name in ("last", "last_raw"))
    assert not equal_states(averaged, raw)
    assert equal_states(raw, dict(run.model.state_dict()))
    # An evaluation of the bundle has the value in the log.
    logged = [e for e in read_events(run.folder) if e["event"] == "evaluate" and e["phase"] == 2][-1]
    evaluated = make_run("evaluated", epochs=1)
    evaluated.model.load_state_dict(averaged)
    evaluated.can_predict = True
    train(evaluated)
    again = next(e for e in read_events(evaluated.folder) if e["event"] == "evaluate")
    assert again["val/loss"] == pytest.approx(logged["val/loss"], rel=1e-6)


def test_phases_trained_one_by_one_give_the_same_weights(finished: Any, make_run: MakeRun) -> None:
    run, _ = finished
    for number in (1, 2):
        part = make_run("parts", augment=SPEED, phase=number, **TWO)
        train(part)
    assert equal_states(trainable_state(part.model), trainable_state(run.model))
    digests = [
        [(e["step"], e["batch"], e["loss"]) for e in read_events(r.folder) if e["event"] == "step"]
        for r in (run, part)
    ]
    assert digests[0] == digests[1]


def test_phase_that_cannot_begin_is_refused(finished: Any, make_run: MakeRun) -> None:
    with pytest.raises(
        TrainingError, match=r"phase 2 of 2 \(all\) starts from the best weights of a phase before"
    ):
        train(make_run("empty", phase="all", **TWO))
    with pytest.raises(TrainingError, match="already trained in this folder"):
        train(make_run("whole", augment=SPEED, phase=1, **TWO))
    changed = {**TWO, "phases": [{**TWO["phases"][0], "epochs": 3}, TWO["phases"][1]]}
    with pytest.raises(TrainingError, match="was made with another phase 1 than this run's"):
        train(make_run("whole", augment=SPEED, **changed), resume=True)


def test_later_phase_may_be_changed_before_it_begins(make_run: MakeRun) -> None:
    train(make_run("run", augment=SPEED, phase=1, **TWO))
    changed = {**TWO, "phases": [TWO["phases"][0], {"epochs": 2}]}
    result = train(make_run("run", augment=SPEED, phase=2, **changed))
    assert [done["name"] for done in result.phases] == ["upper", ""]


def test_every_phase_counts_its_own_patience(make_run: MakeRun) -> None:
    stopping = {"monitor": "loss", "min_delta": 1e6, "patience": 9}
    phases = [
        {"epochs": 9, "early_stopping": {"patience": patience}, "augment": {"speed": None}}
        for patience in (2, 1)
    ]
    run = make_run("early", early_stopping=stopping, phases=phases)
    result = train(run)
    assert [done["stopped"] for done in result.phases] == ["early", "early"]
    evaluated = [e["phase"] for e in read_events(run.folder) if e["event"] == "evaluate"]
    assert evaluated == [1, 1, 1, 2, 2]


def test_adapters_are_merged_after_averaging(make_run: MakeRun) -> None:
    """W + α/r · EMA(B) EMA(A), and not the average of B A."""
    run = make_run(
        "lora",
        epochs=2,
        learning_rate=3e-2,
        ema={"decay": 0.7},
        model={"lora": {"rank": 2, "alpha": 4, "dropout": 0.0}},
    )
    name = "encoder.encoder.layers.1.attention.q_proj"
    base = run.model.state_dict()[f"{name}.base_layer.weight"].clone()
    train(run)
    stored = load_file(checkpoints(RunFolder(run.folder))[-1] / "averages.safetensors")
    down, up = stored[f"{name}.lora_A.default.weight"], stored[f"{name}.lora_B.default.weight"]
    expected = base + 4 / 2 * (up @ down)
    merged = weights_of(run.folder / "bundles" / "last")[f"{name}.weight"]
    assert torch.allclose(merged, expected, atol=1e-6)
    assert float((merged - base).abs().max()) > 1e-2


def test_best_three_of_each_value_are_kept(make_run: MakeRun) -> None:
    run = make_run("three", epochs=6, keep_best=3, learning_rate=3e-2, evaluate_every_steps=2)
    train(run)
    for value, higher in (("loss", False), ("emotion/ua", True)):
        logged = [e for e in read_events(run.folder) if e["event"] == "evaluate"]
        assert len(logged) > 4
        sign = -1 if higher else 1
        logged.sort(key=lambda e: (sign * e[f"val/{value}"], e["val/loss"], e["step"]))
        ranked = [(e[f"val/{value}"], e["step"]) for e in logged[:3]]
        name = f"best_{value.replace('/', '_')}"
        expected = {name: ranked[0]} | {f"{name}_step{step}": (best, step) for best, step in ranked[1:]}
        kept = {path.name: load_bundle(path).card["training"] for path in run.folder.glob(f"bundles/{name}*")}
        assert {key: (card["metrics"][value], card["step"]) for key, card in kept.items()} == expected


def test_best_weights_of_a_sample_are_evaluated_on_the_whole_split(make_run: MakeRun) -> None:
    run = make_run("sampled", validation_sample=4, epochs=2)
    train(run)
    events = read_events(run.folder)
    assert [e["rows"] for e in events if e["event"] == "evaluate"] == [4, 4]
    (whole,) = [e for e in events if e["event"] == "evaluate_all"]
    assert whole["rows"] == 6
    card = load_bundle(run.folder / "bundles" / "best_emotion_ua").card["training"]
    assert card["metrics_of_all_rows"]["loss"] == whole["val/loss"] != card["metrics"]["loss"]
    # The best weights were evaluated, and the model has the last ones again.
    evaluated = make_run("evaluated", epochs=1)
    evaluated.model.load_state_dict(weights_of(run.folder / "bundles" / "best_emotion_ua"))
    evaluated.can_predict = True
    train(evaluated)
    assert next(e for e in read_events(evaluated.folder))["event"] == "start"
    first = next(e for e in read_events(evaluated.folder) if e["event"] == "evaluate")
    assert first["val/loss"] == pytest.approx(whole["val/loss"], rel=1e-6)
    assert equal_states(weights_of(run.folder / "bundles" / "last"), dict(run.model.state_dict()))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_step_that_is_not_finite_changes_nothing_and_its_rows_are_logged(
    make_run: MakeRun, monkeypatch: pytest.MonkeyPatch, value: float
) -> None:
    run = make_run("poisoned", epochs=1, ema={"decay": 0.9}, batches={"padded_seconds": 3.0})
    real_call, real_step = Collator.__call__, Stepper.step
    states: list[dict[str, torch.Tensor]] = []
    poisoned: list[int] = []

    def poison(self: Collator, rows: Any, draws: Any, micro_batch: int) -> Any:
        batch = real_call(self, rows, draws, micro_batch)
        if micro_batch == 5 and not poisoned:
            batch.inputs["waveform"][0, 0] = value
            poisoned.extend(rows.tolist())
        return batch

    def noting(self: Stepper, *args: Any, **more: Any) -> None:
        real_step(self, *args, **more)
        moments = [v.clone() for s in self.optimizer.state.values() for v in s.values()]
        weights = [p.detach().clone() for p in self.model.parameters() if p.requires_grad]
        states.append({str(i): v for i, v in enumerate([*weights, *moments])})

    monkeypatch.setattr(Collator, "__call__", poison)
    monkeypatch.setattr(Stepper, "step", noting)
    train(run)
    assert equal_states(states[1], states[2])  # micro-batch 5 is in the third step
    assert not equal_states(states[2], states[3])
    text = (run.folder / "train.log").read_text(encoding="utf-8")
    line = next(line for line in text.splitlines() if "not finite" in line)
    assert "step 3 skipped" in line
    ids = run.manifest.ids
    assert all(ids[row] in line for row in poisoned)
    # The other micro-batch of the step is not named.
    assert sum(name in line for name in ids) == len(poisoned)


def test_full_disk_leaves_the_last_checkpoint_whole(
    make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = make_run("whole", epochs=3)
    train(expected)
    run = make_run("full", epochs=3)
    real = PhaseCheckpoints.save
    saved: list[int] = []

    def filling(self: PhaseCheckpoints) -> Any:
        if saved:

            def full(*_: Any) -> None:
                raise OSError(28, "No space left on device")

            with pytest.MonkeyPatch.context() as patch:
                patch.setattr("soritune.training.checkpoint.save_file", full)
                return real(self)
        saved.append(self.progress.step)
        return real(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PhaseCheckpoints, "save", filling)
        with pytest.raises(
            OutputError, match=r"step-\d+ could not be written \(the disk is full\); step-\d+ is whole"
        ):
            train(run)
    assert [path.name for path in checkpoints(RunFolder(run.folder))] == [f"step-{saved[0]}"]
    again = make_run("full", epochs=3)
    train(again, resume=True)
    assert equal_states(trainable_state(again.model), trainable_state(expected.model))


def test_phase_whose_steps_were_all_skipped_fails_and_keeps_no_best(
    make_run: Callable[..., TrainingRun],
) -> None:
    run = make_run(epochs=2, max_steps=3, evaluate_every_steps=1)
    with torch.no_grad():
        next(iter(run.model.heads.parameters())).fill_(float("nan"))
    with pytest.raises(TrainingError, match="the run trained nothing: all of its 3 steps"):
        train(run)
    bundles = RunFolder(run.folder).bundles
    assert not bundles.exists() or not list(bundles.iterdir())
    assert "no evaluation: every step so far was skipped" in RunFolder(run.folder).text_log.read_text()


def test_phase_with_one_good_step_is_kept(
    make_run: Callable[..., TrainingRun], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run(epochs=2, max_steps=3, evaluate_every_steps=1)
    original = Stepper.step

    def first_is_not_finite(self: Stepper, micro: Any, counts: Any, **more: Any) -> None:
        with monkeypatch.context() as patch:
            if more["done"] == 0:
                patch.setattr(step, "losses", lambda *a, **k: spoilt(*a, **k))
            original(self, micro, counts, **more)

    def spoilt(*arguments: Any, **more: Any) -> Any:
        output, sums = losses(*arguments, **more)
        return output, {name: loss._replace(total=loss.total * float("nan")) for name, loss in sums.items()}

    monkeypatch.setattr(Stepper, "step", first_is_not_finite)
    result = train(run)
    assert result.steps == 3 and (RunFolder(run.folder).bundles / "best_loss").is_dir()
