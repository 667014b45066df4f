"""A whole training of the toy model, quick enough for every check: two phases, validation, checkpoints, resuming.

Phase 1 trains the upper layer for 2 steps, phase 2 everything until early stopping ends it after 4 steps.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.training.parts import STRONG, batches_of, build_run, equal_states, interrupted_at, phases_of

from soritune.bundles.read import load_bundle
from soritune.corpus.manifest import Manifest
from soritune.models.loading import load_model
from soritune.models.model import SpeechModel
from soritune.models.trainable_state import trainable_state
from soritune.run_folder import RunFolder
from soritune.training.batches.batch import Batch
from soritune.training.checkpoint import checkpoints
from soritune.training.end_reason import EndReason
from soritune.training.epochs import Epochs
from soritune.training.log import read_events
from soritune.training.loop import TrainingResult, train
from soritune.training.run import TrainingRun

SETTINGS: dict[str, Any] = {
    "augment": STRONG,
    "model": {"dropout": 0.0},
    "phases": [
        {"name": "upper", "freeze": {"layers": 1}, "max_steps": 2, "evaluate_every_steps": 1},
        {
            "epochs": 9,
            "learning_rate": 5e-4,
            "early_stopping": {"patience": 1, "min_delta": 1e6},
            "evaluate_every_steps": 2,
        },
    ],
    "ema": {"decay": 0.8},
    "log_every_steps": 1,
}
NOT_COMPARED = {"time", "seconds", "audio_s_per_s", "steps_per_s", "data_wait"}
"""Fields of events that differ from run to run."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("training")


@pytest.fixture(scope="module")
def whole(folder: Path, tones: Manifest) -> tuple[TrainingRun, TrainingResult]:
    run = build_run(folder / "whole", tones, **SETTINGS)
    return run, train(run)


def events(run: TrainingRun, name: str) -> list[dict[str, Any]]:
    return [event for event in read_events(run.folder) if event["event"] == name]


def mean_loss(model: SpeechModel, batches: list[Batch]) -> float:
    """CTC per target symbol plus cross-entropy per row, by torch's own losses, over all batches together."""
    ctc = entropy = 0.0
    symbols = rows = 0
    for batch in batches:
        with torch.no_grad():
            output = model(**batch.inputs)
        phones, emotions = batch.targets["phoneme"], batch.targets["emotion"]
        ctc += float(
            torch.nn.functional.ctc_loss(
                output.logits["phoneme"].log_softmax(-1).transpose(0, 1),
                phones.values,
                output.num_frames,
                phones.lengths,
                reduction="sum",
            )
        )
        entropy += float(
            torch.nn.functional.cross_entropy(
                output.logits["emotion"], emotions.values.argmax(1), reduction="sum"
            )
        )
        symbols += int(phones.lengths.sum())
        rows += len(batch.rows)
    return ctc / symbols + entropy / rows


def test_both_phases_end_for_their_own_reasons(whole: tuple[TrainingRun, TrainingResult]) -> None:
    run, result = whole
    assert [(done["name"], done["steps"], done["stopped"]) for done in result.phases] == [
        ("upper", 2, EndReason.MAX_STEPS),
        ("", 4, EndReason.EARLY),
    ]
    assert (result.steps, result.stopped) == (6, EndReason.EARLY)
    assert [(e["phase"], e["step"]) for e in events(run, "evaluate")] == [(1, 1), (1, 2), (2, 4), (2, 6)]
    (end,) = events(run, "end")
    assert (end["step"], end["stopped"]) == (6, "early")


def test_loss_of_the_first_step_is_that_of_a_forward_pass(
    whole: tuple[TrainingRun, TrainingResult], folder: Path, tones: Manifest
) -> None:
    fresh = build_run(folder / "fresh", tones, **SETTINGS)
    epochs = Epochs(fresh, phases_of(fresh)[0])
    plan = epochs.plan(0)
    rows_by_batch = [plan.micro_batch(index).tolist() for index in range(plan.micro_batches_per_step)]
    assert len(rows_by_batch) == 2
    first = events(whole[0], "step")[0]
    assert first["loss"] == pytest.approx(mean_loss(fresh.model, batches_of(epochs, rows_by_batch)), rel=1e-5)


def test_validation_loss_is_that_of_the_saved_weights(whole: tuple[TrainingRun, TrainingResult]) -> None:
    """The last evaluation is of the averaged weights, which the bundle `last` has."""
    run, _ = whole
    last = RunFolder(run.folder).bundle("last")
    epochs = Epochs(run, phases_of(run)[0])
    batch = epochs.plain_collator(run.validation_rows, epochs.draws(0), 0)
    expected = mean_loss(load_model(last), [batch])
    assert events(run, "evaluate")[-1]["val/loss"] == pytest.approx(expected, rel=1e-5)
    card = load_bundle(last).card["training"]
    assert (card["step"], card["weights"], card["ema_decay"]) == (6, "ema", 0.8)


def test_learning_rate_falls_to_zero_within_each_phase(whole: tuple[TrainingRun, TrainingResult]) -> None:
    """Linear from the peak: 1 and 1/2 of 1e-3 over 2 steps; 5e-4 · (1 − step / total) over the planned ones."""
    run, _ = whole
    rates = [e["lr/default"] for e in events(run, "step")]
    total = events(run, "start")[1]["total_steps"] - 2
    assert rates[:2] == pytest.approx([1e-3, 5e-4])
    assert rates[2:] == pytest.approx([5e-4 * (1 - step / total) for step in range(4)])


def test_first_phase_trains_the_upper_layer_only(
    whole: tuple[TrainingRun, TrainingResult], folder: Path, tones: Manifest
) -> None:
    run, _ = whole
    start = build_run(folder / "fresh", tones, **SETTINGS).model.state_dict()
    after = load_model(RunFolder(run.folder).bundle("phase1_last_raw")).state_dict()
    last = load_model(RunFolder(run.folder).bundle("last_raw")).state_dict()
    # A key's bias has no gradient but rounding.
    names = [name for name in start if name.endswith(".weight") and ".layers." in name]
    lower = [name for name in names if ".layers.0." in name]
    assert len(lower) == len(names) - len(lower) > 5
    assert all(torch.equal(start[name], after[name]) for name in lower)
    assert not any(torch.equal(start[name], after[name]) for name in set(names) - set(lower))
    assert not any(torch.equal(after[name], last[name]) for name in names)


def test_bundles_and_checkpoints_have_their_names(whole: tuple[TrainingRun, TrainingResult]) -> None:
    run = RunFolder(whole[0].folder)
    names = {"best_loss", "best_emotion_ua", "best_phoneme_per", "last", "last_raw"}
    assert {path.name for path in run.bundles.iterdir()} == names | {f"phase1_{name}" for name in names}
    assert [path.name for path in checkpoints(run)] == ["step-4", "step-6"]


@pytest.mark.parametrize(
    ("step", "at"),
    [
        # the last step of phase 1: before the first one of phase 2
        pytest.param(1, (2, 2), marks=pytest.mark.slow),
        (2, (2, 5)),  # inside phase 2, after its step 3
    ],
)
def test_resumed_run_is_the_same_bit_for_bit(
    whole: tuple[TrainingRun, TrainingResult], folder: Path, tones: Manifest, step: int, at: tuple[int, int]
) -> None:
    run, result = whole
    part = build_run(folder / f"part{step}", tones, **SETTINGS)
    with interrupted_at(step):
        stopped = train(part)
    assert stopped.stopped is EndReason.INTERRUPTED
    last = events(part, "start")[-1]
    assert (last["phase"], stopped.steps) == at
    resumed = build_run(folder / f"part{step}", tones, **SETTINGS)
    again = train(resumed, resume=True)
    assert equal_states(trainable_state(run.model), trainable_state(resumed.model))
    assert (again.steps, again.best, again.phases) == (result.steps, result.best, result.phases)
    for name in ("step", "evaluate", "phase_end"):
        both = (
            [{k: v for k, v in e.items() if k not in NOT_COMPARED} for e in events(r, name)]
            for r in (run, resumed)
        )
        assert next(both) == next(both)
    for bundle in RunFolder(run.folder).bundles.iterdir():
        same = load_bundle(RunFolder(resumed.folder).bundle(bundle.name))
        assert equal_states(load_bundle(bundle).weights(), same.weights())


def test_finished_run_is_not_trained_further(
    whole: tuple[TrainingRun, TrainingResult], folder: Path, tones: Manifest
) -> None:
    run, result = whole
    before = {path: path.read_bytes() for path in RunFolder(run.folder).bundles.glob("*/*.safetensors")}
    again = train(build_run(folder / "whole", tones, **SETTINGS), resume=True)
    assert (again.steps, again.stopped, again.phases) == (6, EndReason.EARLY, result.phases)
    assert len(before) == 10
    assert all(np.array_equal(path.read_bytes(), content) for path, content in before.items())
